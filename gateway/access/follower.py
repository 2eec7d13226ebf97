"""A thread that looks again and again, and at once when it is asked to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

EVERY = 1.0
"""Seconds between two looks that nobody asked for."""
PAUSE = 0.1
"""Seconds between two looks at least, however many ask: what they see is shared."""
STOPPING = 5.0
"""Seconds to wait for a look that is under way when the thread is to end."""


@dataclass(slots=True)
class Follower:
    """Calls `look`, which raises nothing, in a thread of its own until it is stopped."""

    look: Callable[[], None]
    _wake: Event = field(default_factory=Event)
    _stopped: Event = field(default_factory=Event)
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: Thread | None = None

    def start(self) -> None:
        """Begin to look, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._run, name="keys", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Look no more. A look that hangs is left to the end of the process."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOPPING)
        while self._waiting:
            self._waiting.popleft().cancel()

    def nudge(self) -> None:
        """Ask for a look soon, and wait for nothing."""
        self._wake.set()

    async def news(self, within: float) -> bool:
        """Wait for a look that begins from now on; False where it takes longer than `within`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wake.set()
        done, _ = await asyncio.wait([future], timeout=within)
        return bool(done)

    def _run(self) -> None:
        assert self._loop is not None
        while not self._stopped.is_set():
            self._wake.clear()
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self.look()
            if waiting and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_tell, waiting)
            self._stopped.wait(PAUSE)
            self._wake.wait(EVERY - PAUSE)


def _tell(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
