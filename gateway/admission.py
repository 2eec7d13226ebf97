"""How many calls a worker takes at once, so that those it takes are answered in time.

Two things decide. How much work was let in lately: what a call takes of the processor is measured,
and more than a moment's worth that comes at once is told to come again, before it has made anybody
late. And the worker's own lateness: how much later than asked the event loop comes round. Calls
that only wait for an upstream make nobody late, and are not shed for that.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

MOST = 2_000.0
"""Calls under way, however idle the worker is: each holds memory and a connection."""
LEAST = 2.0
TICK = 0.05
"""Seconds between two looks at the loop."""
LATE = 0.080
"""Seconds of lateness from which the limit shrinks: a loop that serves 64 callers as quickly as
they ask is late by 30 to 60 ms."""
EARLY = 0.050
SHRINK, GROW, STEP = 0.7, 1.08, 2.0
"""By how much the limit changes at one look. From least to most takes about 3 seconds."""
BUDGET = 0.15
"""Seconds of work that may have been let in and not be done: a hundred calls of 1.5 ms at once."""
HEADROOM = 1.2
"""Times as fast as the clock that work is taken to be done: what a call takes is a mean, and a
worker that keeps up must not shed for its being a little off. The lateness then decides."""
FIRST_COST = 0.001
REFUSAL = 0.00015
"""Seconds of the processor that a refused call takes."""
ALPHA = 0.1
"""Weight of the newest look in what a call takes."""


@dataclass(slots=True)
class Admission:
    """The limit, and how many calls are under way."""

    limit: float = MOST
    under_way: int = 0
    shed: int = 0
    """Calls that were refused so far."""
    late: float = 0.0
    """Seconds by which the loop was late at the last look."""
    cost: float = FIRST_COST
    """Seconds of the processor that a call takes, on average."""
    backlog: float = 0.0
    """Seconds of work that was let in and, by what calls take, is not done yet."""
    _at: float = field(default_factory=time.monotonic)
    _done: int = 0
    """Calls that ended since the last look."""
    _refused: int = 0
    """Calls refused since the last look."""
    _task: asyncio.Task[None] | None = None

    def full(self, now: float | None = None) -> bool:
        """Whether the next call is to be refused; counts it where so, else its work.

        `now` is in seconds of the monotonic clock.
        """
        at = time.monotonic() if now is None else now
        self.backlog = max(0.0, self.backlog - HEADROOM * (at - self._at))
        self._at = at
        if self.under_way < self.limit and self.backlog < BUDGET:
            self.backlog += self.cost
            return False
        self.shed += 1
        self._refused += 1
        return True

    def done(self) -> None:
        """A call ended."""
        self.under_way -= 1
        self._done += 1

    def look(self, late: float) -> None:
        """Change the limit by how late the loop came round."""
        self.late = late
        if late > LATE:
            self.limit = max(LEAST, min(self.limit, self.under_way) * SHRINK)
        elif late < EARLY:
            self.limit = min(MOST, self.limit * GROW + STEP)

    def learn(self, used: float) -> None:
        """Take in that so many seconds of the processor went since the last look."""
        if self._done:
            each = max(0.0, used - REFUSAL * self._refused) / self._done
            self.cost += ALPHA * (each - self.cost)
        self._done = self._refused = 0

    def start(self) -> None:
        """Look at the running loop from now on."""
        self._task = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        loop, used = asyncio.get_running_loop(), time.process_time()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.look(loop.time() - due)
            before, used = used, time.process_time()
            self.learn(used - before)
