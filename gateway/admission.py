"""How many calls a worker takes at once, so that those it takes are answered in time.

The worker's own lateness decides: how much later than asked the event loop comes round. Calls that
only wait for an upstream make nobody late, and are not shed for that; a loop that is late has more
to do than it can, and then some callers are better told to come again at once than all are kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

MOST = 2_000.0
"""Calls under way, however idle the worker is: each holds memory and a connection."""
LEAST = 8.0
TICK = 0.05
"""Seconds between two looks at the loop."""
LATE = 0.080
"""Seconds of lateness from which the limit shrinks: a loop that serves 64 callers as quickly as
they ask is late by 30 to 60 ms."""
EARLY = 0.050
SHRINK, GROW, STEP = 0.7, 1.08, 2.0
"""By how much the limit changes at one look. From least to most takes about 3 seconds."""


@dataclass(slots=True)
class Admission:
    """The limit, and how many calls are under way."""

    limit: float = MOST
    under_way: int = 0
    shed: int = 0
    """Calls that were refused so far."""
    late: float = 0.0
    """Seconds by which the loop was late at the last look."""
    _task: asyncio.Task[None] | None = None

    def full(self) -> bool:
        """Whether the next call is to be refused; counts it as refused where so."""
        if self.under_way < self.limit:
            return False
        self.shed += 1
        return True

    def look(self, late: float) -> None:
        """Change the limit by how late the loop came round."""
        self.late = late
        if late > LATE:
            self.limit = max(LEAST, min(self.limit, self.under_way) * SHRINK)
        elif late < EARLY:
            self.limit = min(MOST, self.limit * GROW + STEP)

    def start(self) -> None:
        """Look at the running loop from now on."""
        self._task = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.look(loop.time() - due)
