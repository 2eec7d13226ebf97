"""How often a key may be used: never more than its calls in any minute, by all workers together.

Each key has a small file with the moments of its last calls, a ring as long as its limit. A call
may be made when the oldest of them is a minute ago, and takes its place. The workers of a machine
share the files, so that the limit is exact wherever the kernel sends a connection; replicas on
other machines have rings of their own, and each lets the whole limit pass.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct

from gateway.access.denied import Denied
from opslayer.records import Key

MINUTE = 60_000_000_000
"""In nanoseconds, as every moment here."""
NUMBER = Struct("<q")
OPEN = 512
"""Files that a worker keeps open; those of keys that were not used for longest are closed."""


@dataclass(slots=True)
class Limits:
    """The calls of this machine's keys, in a folder that its workers share.

    To be used by one thread of a process. The folder may be emptied while no worker runs.
    """

    folder: Path
    clock: Callable[[], int] = time.monotonic_ns
    """The same for every process of the machine: it starts again only with the machine."""
    _files: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def take(self, key: Key | None) -> None:
        """Count a call that is about to be made.

        Raises Denied 429 where the key has had its calls of this minute, with the time after which
        there is room again, and 503 where the folder can't be written. A call that is denied is
        not counted.
        """
        if key is None or key.per_minute is None:
            return
        try:
            wait = self._wait(key.id, key.per_minute)
        except OSError as error:
            raise Denied(
                503, "limits_away", f"calls can't be counted: {error.strerror}", retry_after=5
            ) from error
        if wait > 0:
            raise Denied(
                429,
                "rate_limited",
                f"key {key.id} may make {key.per_minute} calls a minute: come again later",
                retry_after=wait / 1e9,
            )

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _wait(self, id: str, size: int) -> int:
        """Take a place in a key's ring of `size` places, or say how long there is none."""
        with self._locked(id) as file:
            now, place = self.clock(), _read(file, 0)
            at = (1 + place % size) * NUMBER.size
            before = _read(file, at)
            # 0 was never written. What lies ahead is from before the machine was started.
            if before and 0 <= now - before < MINUTE:
                return before + MINUTE - now
            # In this order: a worker killed in between costs its key one call, not a minute.
            os.pwrite(file, NUMBER.pack(place + 1), 0)
            os.pwrite(file, NUMBER.pack(now), at)
        return 0

    @contextmanager
    def _locked(self, id: str) -> Iterator[int]:
        """A key's file, in which no other process reads or writes meanwhile.

        The lock is held for microseconds, and a killed process holds none.
        """
        file = self._file(id)
        fcntl.lockf(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN)

    def _file(self, id: str) -> int:
        file = self._files.get(id)
        if file is None:
            if len(self._files) >= OPEN:
                os.close(self._files.popitem(last=False)[1])
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._files[id] = file
        self._files.move_to_end(id)
        return file


def _read(file: int, at: int) -> int:
    raw = os.pread(file, NUMBER.size, at)
    return NUMBER.unpack(raw)[0] if len(raw) == NUMBER.size else 0  # beyond the end: never written
