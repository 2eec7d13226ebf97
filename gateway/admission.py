"""How many calls a worker takes at once, so that those it takes are answered in time.

Two things decide. How long the line before the guards is: what a call takes of the processor is
measured, and who would wait longer than a moment is told to come again, before anybody is late. And
the worker's own lateness: how much later than asked the event loop comes round. Calls that only
wait for an upstream make nobody late, and are not shed for that.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.line import Line

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
HELD = 64 * 2**20
"""Bytes of bodies that have begun to come, of all calls together; of one tenant's, half as many.
One that comes at once is not among them."""
WAIT = 0.08
"""Seconds that a call that is let in may have to stand in line."""
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
    line: Line = field(default_factory=Line)
    """Where calls wait for their guards."""
    held: Counter[str] = field(default_factory=Counter)
    """By tenant, bytes of bodies of which more is to come."""
    _entering: int = 0
    """Calls that were let in at this turn of the loop, and are not in line yet."""
    _done: int = 0
    """Calls that ended since the last look."""
    _refused: int = 0
    """Calls refused since the last look."""
    _task: asyncio.Task[None] | None = None

    def full(self) -> bool:
        """Whether the next call is to be refused; counts it, either way."""
        ahead = self._entering + len(self.line)
        if self.under_way < self.limit and ahead * self.cost < WAIT:
            self._entering += 1
            asyncio.get_running_loop().call_soon(self._entered)
            return False
        self.shed += 1
        self._refused += 1
        return True

    def crowded(self) -> bool:
        """As `full`, of a call that is under way: whether it is to end without an answer."""
        self.under_way -= 1
        found = self.full()
        self.under_way += 1
        self._done -= found  # it takes less than those by which a call's cost is learnt
        return found

    def _entered(self) -> None:
        self._entering -= 1

    def done(self) -> None:
        """A call ended."""
        self.under_way -= 1
        self._done += 1

    @contextmanager
    def aside(self, tenant: str = "") -> Iterator[Callable[[int], bool]]:
        """While a call is still being sent: it is no work for anybody yet, and whoever sends slowly
        takes nobody's place. Yields what says whether there is room for so many bytes more."""
        mine = 0

        def hold(more: int) -> bool:
            nonlocal mine
            mine += more
            self.held[tenant] += more
            return self.held.total() <= HELD and self.held[tenant] <= HELD // 2

        self.under_way -= 1
        try:
            yield hold
        finally:
            self.under_way += 1
            self.held[tenant] -= mine
            self.held = +self.held  # none that holds nothing is remembered

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
