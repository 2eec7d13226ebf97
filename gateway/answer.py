"""One question's way to an answer that is on disk: ask, look at it, fall back, keep, say.

An interaction is durable before its answer leaves. Of a stream, its start is durable before the
first byte, and its end before the closing event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from gateway.call import HttpError
from gateway.exchange import Failure, FailureKind, Question, Said, Trace
from gateway.journal import Capture
from gateway.route import Plan, Step
from opslayer.guards.looked import Blocked
from opslayer.judgement.assignment import Assigned
from opslayer.records import Attempt, Interaction, Start, Status, Usage
from opslayer.stores.journal import Entry

if TYPE_CHECKING:
    from gateway.guarding import Guarding
    from gateway.shadow import Shadows

log = logging.getLogger("opslayer.gateway")

NOBODY = "none"
"""The variant of an interaction that nothing answered."""
SERVED = (Status.ANSWERED, Status.INCOMPLETE)
"""How an interaction ends in which something was said after a fallback."""
WITHHELD = "The answer was withheld: it broke this service's rules for content."


@dataclass(frozen=True, slots=True)
class Answered:
    """An interaction that is durable, and what the caller gets to see of it."""

    interaction: Interaction
    finish: str
    restored: dict[str, Any]
    """The output with the caller's own values back in place of their masks."""


class Listener(Protocol):
    """Where a stream goes: one protocol's way to write it."""

    async def begin(self, start: Start, fallback: str | None) -> None:
        """The status and headers; `fallback` is why an earlier variant did not answer."""

    async def text(self, piece: str) -> None:
        """A piece of the answer."""

    async def end(self, answered: Answered) -> None:
        """The closing event, once the interaction is durable."""

    async def broke(self, failure: Failure) -> None:
        """An event that says that the stream broke off; no closing event follows."""


@dataclass(slots=True)
class Trail:
    """What happened to one question so far."""

    question: Question
    plan: Plan
    guarding: Guarding
    assigned: Assigned | None = None
    """What the release picked for the caller."""
    begun: float = field(default_factory=perf_counter)
    attempts: list[Attempt] = field(default_factory=list)
    step: Step | None = None
    first_failure: Failure | None = None
    last_failure: Failure | None = None

    @property
    def variant(self) -> str:
        """Who is being asked, or was last."""
        return self.step.name if self.step else NOBODY

    @property
    def release(self) -> int:
        """The release's number; 0 before the first."""
        return self.plan.release.number if self.plan.release else 0

    @property
    def fallback(self) -> str | None:
        """The kind of failure for which the first variant did not answer."""
        return self.first_failure.kind.value if self.first_failure else None

    def failed(self, failure: Failure) -> None:
        """Note that the step that was asked gave no answer."""
        self.first_failure = self.first_failure or failure
        self.last_failure = failure
        if failure.attempts:
            self.attempts += failure.attempts
        else:
            self.attempts.append(self._attempt(failure.kind.value))

    def said(self, said: Said) -> None:
        """Note that it answered."""
        self.attempts += said.attempts or (self._attempt("ok"),)

    def _attempt(self, outcome: str) -> Attempt:
        took = (perf_counter() - self.begun) * 1000
        latency = round(took, 3)
        return Attempt.trusted(
            variant=self.variant, upstream=None, outcome=outcome, latency_ms=latency, cost=0.0
        )

    def interaction(self, status: Status, output: dict[str, Any], usage: Usage) -> Interaction:
        """The record of it all."""
        question = self.question
        question.cost = sum(attempt.cost for attempt in self.attempts)
        # Every value is ours and of its type: to check each again would cost as much as all else.
        return Interaction.trusted(
            id=question.id,
            capability=question.capability.name,
            subject=question.subject,
            event_time=question.at,
            input=question.input,
            output=output,
            variant=self.variant,
            release=self.release,
            assigned=self.assigned.variant.name if self.assigned else "",
            arms=self.assigned.arms if self.assigned else {},
            ruled=self.assigned is not None and self.assigned.rule is not None,
            guards=tuple(self.guarding.lines),
            latency_ms=round((perf_counter() - self.begun) * 1000, 3),
            cost=question.cost,
            tenant=question.caller.tenant,
            status=status,
            fallback=self.fallback if status in SERVED else None,
            attempts=tuple(self.attempts),
            usage=usage,
            stream=question.stream,
        )

    def start(self) -> Start:
        """The record that a stream begins."""
        question = self.question
        return Start(
            id=question.id,
            capability=question.capability.name,
            subject=question.subject,
            event_time=question.at,
            input=question.input,
            variant=self.variant,
            release=self.release,
            tenant=question.caller.tenant,
        )


@dataclass(slots=True)
class Answering:
    """Answers questions, and keeps every one."""

    capture: Capture
    watch: Callable[[Interaction, Trace], None]
    """Told of every interaction once it is durable, for metrics, traces and the log."""
    shadows: Shadows

    async def answer(self, question: Question, plan: Plan, guarding: Guarding) -> Answered:
        """The first answer that can be used, durable.

        Raises HttpError where nothing can answer or the call is refused (kept all the same), and
        the capture's own error where it can't be kept.
        """
        trail = Trail(question, plan, guarding, plan.assign(question))
        try:
            for step in plan.steps(trail.assigned):
                trail.step = step
                try:
                    said = await step.answerer.say(question)
                    guarding.check(said)
                except Failure as failure:
                    trail.failed(failure)
                    if not failure.kind.falls_back:
                        break
                    continue
                except Blocked:
                    trail.said(said)
                    return await self._withheld(trail, said.usage)
                trail.said(said)
                return await self._keep(trail, said)
        except asyncio.CancelledError:
            self._abandoned(trail)
            raise
        return await self._unanswered(trail)

    async def stream(
        self, question: Question, plan: Plan, guarding: Guarding, listener: Listener
    ) -> None:
        """As `answer`, piece by piece; a variant that fails before its first piece is fallen
        back from, one that breaks later ends the stream with an error event."""
        trail = Trail(question, plan, guarding, plan.assign(question))
        flow = Flow(self, trail, listener)
        try:
            for step in plan.steps(trail.assigned):
                trail.step = step
                try:
                    return await flow.run(step.answerer.stream(question))
                except Failure as failure:
                    trail.failed(failure)
                    if flow.begun:
                        return await self._broke(trail, flow, failure)
                    if not failure.kind.falls_back:
                        break
        except asyncio.CancelledError:
            self._abandoned(trail, flow.sent if flow.begun else None)
            raise
        answered = await self._unanswered(trail)
        await listener.begin(trail.start(), trail.fallback)
        await listener.end(answered)
        return None

    async def keep(self, trail: Trail, interaction: Interaction) -> None:
        """Make a trail's interaction durable, and tell whoever watches."""
        await self.capture.write(entry_of(interaction))
        self.watch(interaction, trail.question.trace)

    def copy(self, trail: Trail) -> None:
        """Let the release's shadow answer a copy, if it has one and there is room."""
        step = trail.plan.shadow
        if step is not None and self.shadows.wants():
            later(self.shadows.copy(trail.question, step, trail.release, trail.guarding))

    async def _keep(self, trail: Trail, said: Said) -> Answered:
        interaction = trail.interaction(Status.ANSWERED, said.output, said.usage)
        await self.keep(trail, interaction)
        self.copy(trail)
        return Answered(interaction, said.finish, trail.guarding.restored(said.output))

    async def _withheld(self, trail: Trail, usage: Usage) -> Answered:
        interaction = trail.interaction(Status.REFUSED, {}, usage)
        await self.keep(trail, interaction)
        return Answered(interaction, "content_filter", {"reply": WITHHELD})

    async def _unanswered(self, trail: Trail) -> Answered:
        """Nothing answered, or the answer is no: keep it and say it."""
        failure = trail.last_failure or Failure(
            FailureKind.OUTAGE, f"{trail.question.capability.name} has no release yet", status=503
        )
        refused = not failure.kind.falls_back
        interaction = trail.interaction(Status.REFUSED if refused else Status.FAILED, {}, Usage())
        await self.keep(trail, interaction)
        if failure.kind is FailureKind.REFUSED and failure.status == 200:
            return Answered(interaction, "content_filter", {"reply": str(failure)})
        raise unanswered(failure, interaction)

    async def _broke(self, trail: Trail, flow: Flow, failure: Failure) -> None:
        output = {"reply": flow.sent}
        await self.keep(trail, trail.interaction(Status.INCOMPLETE, output, Usage()))
        await flow.listener.broke(failure)

    def _abandoned(self, trail: Trail, sent: str | None = None) -> None:
        """The caller has gone: keep what happened, without anybody to wait for it."""
        trail.attempts.append(trail._attempt(FailureKind.CANCELLED.value))
        status = Status.ABANDONED if sent is None else Status.INCOMPLETE
        output: dict[str, Any] = {} if sent is None else {"reply": sent}
        interaction = trail.interaction(status, output, Usage())
        trail.question.trace.answered(interaction)  # its span ends before anything is kept
        later(self.keep(trail, interaction))


LATER: set[asyncio.Future[None]] = set()
"""What nobody waits for: the loop itself holds tasks only weakly."""


def later(work: Coroutine[Any, Any, None]) -> None:
    """Let work go on when its caller has gone."""
    task = asyncio.ensure_future(work)
    LATER.add(task)
    task.add_done_callback(_done)


def _done(task: asyncio.Future[None]) -> None:
    LATER.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        # A store is away, and so is the caller: the log is all that can hear of it.
        log.warning("left undone: %s", type(error).__name__)


@dataclass(slots=True)
class Flow:
    """One stream from a variant through the guards to the caller."""

    answering: Answering
    trail: Trail
    listener: Listener
    begun: bool = False
    sent: str = ""
    """What has left, with masks."""

    async def run(self, pieces: AsyncIterator[str | Said]) -> None:
        """Let a variant's stream flow to its end; raises its Failure."""
        hold = self.trail.guarding.hold_back()
        said: Said | None = None
        try:
            async for piece in pieces:
                if isinstance(piece, Said):
                    said = piece
                else:
                    await self._send(hold.feed(piece))
            assert said is not None, "a stream ends with the whole answer"
            await self._send(hold.end())
        except Blocked:
            await self._withhold(said)
            return
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()
        await self._finish(said)

    async def _send(self, text: str) -> None:
        if not text:
            return
        await self._begin()
        self.sent += text
        shown = self.trail.guarding.restore_piece(text)
        if shown:
            await self.listener.text(shown)

    async def _begin(self) -> None:
        if not self.begun:
            start = self.trail.start()
            await self.answering.capture.write(entry_of(start))
            self.begun = True
            await self.listener.begin(start, self.trail.fallback)

    async def _finish(self, said: Said) -> None:
        await self._begin()
        last = self.trail.guarding.restore_end()
        if last:
            await self.listener.text(last)
        self.trail.said(said)
        output = {**said.output, "reply": self.sent}
        interaction = self.trail.interaction(Status.ANSWERED, output, said.usage)
        await self.answering.keep(self.trail, interaction)
        await self.listener.end(Answered(interaction, said.finish, output))
        self.answering.copy(self.trail)

    async def _withhold(self, said: Said | None) -> None:
        await self._begin()
        usage = said.usage if said else Usage()
        if said:
            self.trail.said(said)
        else:
            self.trail.attempts.append(self.trail._attempt(FailureKind.REFUSED.value))
        output: dict[str, Any] = {"reply": self.sent} if self.sent else {}
        interaction = self.trail.interaction(Status.REFUSED, output, usage)
        await self.answering.keep(self.trail, interaction)
        await self.listener.end(Answered(interaction, "content_filter", output))


def entry_of(record: Interaction | Start) -> Entry:
    """A record as the journal takes it."""
    kind = "interaction" if isinstance(record, Interaction) else "start"
    return Entry(kind, record.id, record.capability, record.model_dump_json())


def unanswered(failure: Failure, interaction: Interaction) -> HttpError:
    """What a caller hears where nothing answered."""
    return HttpError(
        failure.status,
        failure.kind.value,
        str(failure),
        retry_after=failure.retry_after,
        headers=headers_of(interaction),
    )


def headers_of(
    record: Interaction | Start, fallback: str | None = None
) -> list[tuple[bytes, bytes]]:
    """The headers by which a caller sees what answered."""
    found = [
        (b"x-opslayer-interaction", record.id.encode()),
        (b"x-opslayer-release", b"%d" % record.release),
        (b"x-opslayer-variant", record.variant.encode()),
    ]
    reason = record.fallback if isinstance(record, Interaction) else fallback
    if reason:
        found.append((b"x-opslayer-fallback", reason.encode()))
    return found
