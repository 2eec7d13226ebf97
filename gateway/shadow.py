"""Copies of calls for a variant that nobody is answered by: after the answer, off its path.

It can neither slow nor fail an answer: a copy is made once the answer is durable, a few at a time,
and none while the worker has much to do. What is left out is counted, and lost for good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

from gateway.exchange import UNTRACED, Failure, FailureKind, Question, Said
from gateway.guarding import Guarding
from gateway.journal import Capture, Overloaded
from gateway.route import Step
from opslayer.guards.looked import Blocked
from opslayer.records import Shadow
from opslayer.stores.journal import Entry

AT_ONCE = 4
"""Copies under way in one worker, at most."""
CALM = 4
"""Calls under way up to which a copy is made."""
PAUSE = 0.005
"""Seconds in which the answer itself gets away first."""
SECONDS = 60.0
"""That a copy may take."""

log = logging.getLogger("opslayer.gateway")


@dataclass(slots=True)
class Shadows:
    """Answers copies, and keeps what was said. To be used in one event loop."""

    capture: Capture
    calls: Callable[[], int]
    """Calls under way in this process."""
    told: Callable[[Shadow | None], None] = lambda _: None
    """Told of each copy that is kept; of None for each that was left out."""
    _under_way: int = 0

    def wants(self) -> bool:
        """Whether there is room for another copy."""
        free = self._under_way < AT_ONCE and self.calls() <= CALM
        if not free:
            self.told(None)
        return free

    async def copy(self, question: Question, step: Step, release: int, guarding: Guarding) -> None:
        """Answer a copy of a question by a step, and keep it."""
        self._under_way += 1
        try:
            await asyncio.sleep(PAUSE)
            shadow = await self._answer(_copy_of(question), step, release, guarding)
            text = shadow.model_dump_json()
            await self.capture.write(Entry("shadow", shadow.id, shadow.capability, text))
            self.told(shadow)
        except Overloaded:
            self.told(None)
        finally:
            self._under_way -= 1

    async def _answer(
        self, question: Question, step: Step, release: int, guarding: Guarding
    ) -> Shadow:
        begun, said = perf_counter(), Said({})
        outcome, cost = "ok", 0.0
        try:
            async with asyncio.timeout(SECONDS):
                said = await step.answerer.say(question)
            cost = said.cost
            guarding.check(said)
        except (Failure, Blocked, TimeoutError) as error:
            outcome, cost = _how(error), error.cost if isinstance(error, Failure) else cost
            said = Said({})
        return Shadow(
            id=question.id,
            capability=question.capability.name,
            event_time=question.at,
            variant=step.name,
            release=release,
            output=said.output,
            outcome=outcome,
            latency_ms=round((perf_counter() - begun) * 1000, 3),
            cost=cost,
            tenant=question.caller.tenant,
        )


def _how(error: Exception) -> str:
    if isinstance(error, Failure):
        return error.kind.value
    return (FailureKind.REFUSED if isinstance(error, Blocked) else FailureKind.TIMEOUT).value


def _copy_of(question: Question) -> Question:
    deadline = asyncio.get_running_loop().time() + SECONDS
    return replace(question, stream=False, deadline=deadline, cost=0.0, trace=UNTRACED)
