"""Capture: a worker's records made durable, many calls sharing one sync.

What gathers while one batch is written and synced is the next batch. A thread writes, so that the
event loop goes on with other calls meanwhile; a lone call, which has nobody to make room for, is
written in the loop itself and at once, since a thread's wake-up takes about as long as a sync.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import monotonic, perf_counter

from opslayer.stores.journal import Entry, Writer

MOST = 10_000
"""Records that may wait for the disk: what comes then is refused, and comes again."""
HEAVIEST = 64 * 2**20
"""Bytes that may wait: pictures are large."""
SLOW = 0.002
"""Seconds of a mean commit from which a lone call is left to the thread too."""
ALPHA = 0.2
"""Weight of the newest commit in the mean."""
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

    frames: bytes
    records: int
    done: asyncio.Future[None]


@dataclass(slots=True)
class Capture:
    """The online end of a writer. To be used in one event loop."""

    writer: Writer
    committed: Callable[[int, float], None] = lambda _records, _seconds: None
    """Told of each commit: how many records, and how long it took."""
    lonely: Callable[[], bool] = lambda: False
    """Whether there is one call at most under way in this process."""
    failure: str = ""
    """Why the last write failed; empty where it did not."""
    _batch: list[Waiting] = field(default_factory=list)
    """What waits for the next commit."""
    _queued: int = 0
    """Records that wait, those under way included."""
    _bytes: int = 0
    """Their size."""
    _again: float = 0.0
    _mean: float = 0.0
    _inbox: SimpleQueue[list[Waiting] | None] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None
    _busy: bool = False
    """Whether a commit is under way, or due at the end of this turn."""

    def check(self) -> None:
        """Raise Overloaded where a record would not be taken now: better before money is spent."""
        if self.failure and monotonic() < self._again:
            raise Overloaded(f"interactions can't be kept now: {self.failure}")
        if self._queued >= MOST or self._bytes >= HEAVIEST:
            raise Overloaded("too many interactions wait for the disk")

    async def write(self, *entries: Entry) -> None:
        """Return once the entries are durable.

        Raises Overloaded where they are not, and are not going to be; StoreError for an entry that
        the journal never takes, before any other call is concerned.
        """
        self.check()
        frames = b"".join(entry.frame() for entry in entries)
        if not self._busy and self._mean < SLOW and self.lonely():
            error, took = self._write(frames)
            self._note(error, len(entries), took)
            if error is not None:
                raise unkept(error)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._batch.append(Waiting(frames, len(entries), future))
        self._queued += len(entries)
        self._bytes += len(frames)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._commit, loop)
        await future

    async def close(self) -> None:
        """Make durable what still waits, and give the writer back."""
        while self._busy:
            await asyncio.sleep(0.001)
        if self._thread is not None:
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        self.writer.close()

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._batch = self._batch, []
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name="capture", daemon=True
            )
            self._thread.start()
        self._inbox.put(batch)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (batch := self._inbox.get()) is not None:
            written = self._write(b"".join(one.frames for one in batch))
            loop.call_soon_threadsafe(self._settle, loop, batch, *written)

    def _write(self, frames: bytes) -> tuple[Exception | None, float]:
        began = perf_counter()
        try:
            self.writer.commit(frames)
        except Exception as error:  # whatever it is: somebody waits for an answer
            return error, perf_counter() - began
        return None, perf_counter() - began

    def _settle(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: Sequence[Waiting],
        error: Exception | None,
        took: float,
    ) -> None:
        records = sum(one.records for one in batch)
        self._queued -= records
        self._bytes -= sum(len(one.frames) for one in batch)
        self._note(error, records, took)
        for one in batch:
            if one.done.done():
                continue  # the caller has gone
            if error is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(unkept(error))
        self._busy = bool(self._batch)
        if self._busy:
            loop.call_soon(self._commit, loop)

    def _note(self, error: Exception | None, records: int, took: float) -> None:
        """Remember how a commit went."""
        self._mean += ALPHA * (took - self._mean)
        self.failure = "" if error is None else str(error)
        if error is None:
            self.committed(records, took)
        else:
            self._again = monotonic() + PAUSE


def unkept(error: Exception) -> Overloaded:
    """What a caller hears whose records did not become durable."""
    return Overloaded(f"interactions can't be kept now: {error}")
