"""One process's end of the journal."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from opslayer.errors import StoreError
from opslayer.stores.journal.entry import Entry
from opslayer.stores.journal.lock import take
from opslayer.stores.journal.segment import LOCK, Segment, next_segment, sync_folder

SIZE = 4 * 2**20
"""Bytes that a segment is given at once: a sync that changes no length is cheaper."""
AHEAD = 256 * 2**10
"""Bytes of zeros that are written behind a record where the file has not been written before. Space
that was only given still has to be noted as written by the sync after its first use, which took
2 to 2.6 times as long here as one over bytes that were there."""
SHARE = 16
"""A segment takes this part of what is free on the disk at most: others live there too."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class Writer:
    """A writer's folder, held by this process. Not for two threads at once."""

    folder: Path
    _lock: int = field(init=False)
    _file: int | None = None
    _segment: Segment | None = None
    _place: int = 0
    _room: int = 0
    _written: int = 0
    """Up to where the segment has been written, zeros included."""

    def __post_init__(self) -> None:
        with self._told():
            self.folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self.folder.parent)
            sync_folder(self.folder.parent.parent)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if not take(self._lock):
            os.close(self._lock)
            raise StoreError(f"the journal {self.folder} is written by another process")

    @property
    def name(self) -> str:
        """The writer's name in the log."""
        return self.folder.name

    def append(self, entries: Sequence[Entry]) -> None:
        """Make entries durable, all of them, before it returns.

        Raises StoreError where the disk is full, read-only or failing, or an entry is too large:
        then none of them counts as written.
        """
        self.commit(b"".join(entry.frame() for entry in entries))

    def commit(self, frames: bytes) -> None:
        """As `append`, of entries that are framed already.

        After a failure the next commit begins a new segment, since nobody knows what a failed sync
        left of this one.
        """
        with self._told():
            try:
                self._write(frames)
            except OSError:
                self._abandon()
                raise
        self._place += len(frames)

    def close(self) -> None:
        """Give the folder back."""
        self._end()
        os.close(self._lock)

    def _write(self, frames: bytes) -> None:
        if self._file is None or len(frames) > self._room - self._place:
            self._begin(len(frames))
        assert self._file is not None
        view, place = memoryview(frames + self._zeros(self._place + len(frames))), self._place
        while view:
            done = os.pwrite(self._file, view, place)
            view, place = view[done:], place + done
        os.fdatasync(self._file)

    def _zeros(self, end: int) -> bytes:
        """What is written behind a record that ends there."""
        if end <= self._written:
            return b""
        self._written = min(self._room, end + AHEAD)
        return bytes(self._written - end)

    def _begin(self, needed: int) -> None:
        """Begin a segment with room for so many bytes, its name durable."""
        self._end()
        self._place, self._written, self._segment = 0, 0, next_segment(self.folder)
        self._file = os.open(self._segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._room = _give_room(self._file, needed)
        sync_folder(self.folder)

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _abandon(self) -> None:
        """Cut the segment off behind the last record that was acknowledged, as far as possible."""
        with suppress(OSError):
            if self._segment is not None and not self._place:
                self._segment.path.unlink(missing_ok=True)
            elif self._file is not None:
                os.ftruncate(self._file, self._place)
        self._end()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the journal {self.folder} can't be written: {error.strerror}"
            ) from error


def _give_room(file: int, needed: int) -> int:
    """Take space from the disk; returns how much the file has. Raises OSError."""
    disk = os.fstatvfs(file)
    wanted = max(needed, min(SIZE, disk.f_bavail * disk.f_frsize // SHARE))
    try:
        os.posix_fallocate(file, 0, wanted)
    except OSError as error:
        if error.errno not in FULL or wanted == needed:
            raise
        os.ftruncate(file, 0)
        os.posix_fallocate(file, 0, needed)
        return needed
    return wanted
