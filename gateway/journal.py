"""Capture: a worker's records made durable, many calls sharing one sync.

A thread of its own writes and syncs whatever has gathered meanwhile, so that the event loop never
waits for a disk.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic, perf_counter

from opslayer.errors import StoreError
from opslayer.stores.journal import Entry, Writer

MOST = 10_000
"""Records that may wait for the disk: what comes then is refused, and comes again."""
BATCH = 512
"""Records in one write, at most."""
PAUSE = 0.5
"""Seconds after a failed write in which nothing else is tried: the callers come again later."""


class Overloaded(Exception):
    """There is no room for another record, or the disk takes none; come again later."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(slots=True)
class Waiting:
    """Records of one call, and who waits for them."""

    entries: Sequence[Entry]
    done: asyncio.Future[None]


@dataclass(slots=True)
class Capture:
    """The online end of a writer. To be used in one event loop."""

    writer: Writer
    committed: Callable[[int, float], None] = lambda _records, _seconds: None
    """Told of each commit: how many records, and how long it took."""
    failure: str = ""
    """Why the last write failed; empty where it did not."""
    _inbox: SimpleQueue[Waiting | None] = field(default_factory=SimpleQueue)
    _queued: int = 0
    _again: float = 0.0
    _thread: threading.Thread | None = None
    _closed: bool = False

    def check(self) -> None:
        """Raise Overloaded where a record would not be taken now: better before money is spent."""
        if self.failure and monotonic() < self._again:
            raise Overloaded(f"interactions can't be kept now: {self.failure}")
        if self._queued >= MOST:
            raise Overloaded("too many interactions wait for the disk")

    async def write(self, *entries: Entry) -> None:
        """Return once the entries are durable.

        Raises Overloaded where they are not, and are not going to be.
        """
        self.check()
        if self._thread is None:
            self._start()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queued += len(entries)
        self._inbox.put(Waiting(entries, future))
        await future

    async def close(self) -> None:
        """Make durable what still waits, and give the writer back."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)
        self.writer.close()

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="capture", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            batch = self._gather()
            if batch is None:
                return
            began, error = perf_counter(), None
            try:
                self.writer.append([entry for one in batch for entry in one.entries])
            except StoreError as failed:
                error = failed
            loop.call_soon_threadsafe(self._settle, batch, error, perf_counter() - began)

    def _gather(self) -> list[Waiting] | None:
        """All that waits, once something does; None at the end."""
        first = self._inbox.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH:
            try:
                more = self._inbox.get_nowait()
            except Empty:
                break
            if more is None:
                self._inbox.put(None)
                break
            batch.append(more)
        return batch

    def _settle(self, batch: Sequence[Waiting], error: StoreError | None, took: float) -> None:
        records = sum(len(one.entries) for one in batch)
        self._queued -= records
        if error is not None:
            self.failure, self._again = str(error), monotonic() + PAUSE
        else:
            self.failure = ""
            self.committed(records, took)
        for one in batch:
            if one.done.done():
                continue  # the caller has gone
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(Overloaded(f"interactions can't be kept now: {error}"))
