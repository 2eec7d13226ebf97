"""The journal: where a gateway's records are durable before its replies leave.

Each writer, one process, has a folder of numbered segments that it only appends to. One write and
one sync make a batch durable. `drain` carries whole records on into the interaction log, also while
they are written, and takes away the segments it is done with; a record that it carries twice is in
the log once.

A record in a segment: a mark, its length, its CRC-32, and kind, capability, id and JSON text. What
stands behind the last whole record is a write that was cut off, and was never acknowledged.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from opslayer.errors import StoreError
from opslayer.stores.events import Events

HEAD = struct.Struct("<4sII")
MARK = b"ops1"
SIZE = 4 * 2**20
"""Bytes that a segment is given at once: a sync that changes no length is cheaper."""
SMALL = 128 * 2**10
"""Bytes of a segment where the disk has no room for a whole one."""
LARGEST = 64 * 2**20
"""Bytes of one record, at most: a longer length is damage."""
PORTION = 2_000
"""Records that one transaction carries into the log."""
TRIES = 40
"""Looks for a free folder before it counts as another process's."""
LOCK, SUFFIX = "lock", ".log"


class Entry(NamedTuple):
    """One record on its way into the log."""

    kind: str
    """`interaction`, `feedback` or `start`."""
    id: str
    capability: str
    text: str
    """The record as JSON."""

    def frame(self) -> bytes:
        """The record as it lies in a segment."""
        payload = "\n".join((self.kind, self.capability, self.id, self.text)).encode()
        return HEAD.pack(MARK, len(payload), crc32(payload)) + payload


@dataclass(frozen=True, slots=True)
class Journal:
    """The address of all writers' folders."""

    root: Path

    def writer(self, name: str) -> Writer:
        """Open a writer's folder; raises StoreError where another process has it, or it can't be
        made."""
        return Writer(self.root / name)

    def writers(self) -> list[str]:
        """The names of all writers that left something."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir())

    def is_written(self, name: str) -> bool:
        """Whether a process has a writer's folder open now."""
        with _claimed(self.root / name / LOCK) as free:
            return not free


@dataclass(slots=True)
class Writer:
    """One process's end of the journal. Not for two threads at once."""

    folder: Path
    _lock: int = field(init=False)
    _file: int | None = None
    _path: Path | None = None
    _place: int = 0
    _room: int = 0

    def __post_init__(self) -> None:
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if not self._take():
            os.close(self._lock)
            raise StoreError(f"the journal {self.folder} is written by another process")

    def _take(self) -> bool:
        """Take the folder; a drain that clears it away holds it for a moment."""
        for _ in range(TRIES):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                time.sleep(0.05)
        return False

    @property
    def name(self) -> str:
        """The writer's name in the log."""
        return self.folder.name

    def append(self, entries: Sequence[Entry]) -> None:
        """Make entries durable, all of them, before it returns.

        Raises StoreError where the disk is full, read-only or failing: then none of them counts as
        written, and the next append begins a new segment, since what a failed sync left is unknown.
        """
        frames = b"".join(entry.frame() for entry in entries)
        with _told(self.folder):
            try:
                if self._file is None or len(frames) > self._room - self._place:
                    self._begin(len(frames))
                assert self._file is not None
                _write(self._file, frames, self._place)
                os.fdatasync(self._file)
            except OSError:
                self._abandon()
                raise
        self._place += len(frames)

    def close(self) -> None:
        """Give the folder back."""
        self._end()
        os.close(self._lock)

    def _begin(self, needed: int) -> None:
        """Begin a segment with room for so many bytes, its name durable too."""
        self._end()
        number = max((one for one, _ in _segments(self.folder)), default=0) + 1
        self._path = self.folder / f"{number:012d}{SUFFIX}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._place = 0
        self._room = _give_room(self._file, needed)
        os.fsync(self._file)
        _sync_folder(self.folder)

    def _end(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _abandon(self) -> None:
        """Cut a segment off behind the last record that was acknowledged, as far as possible."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, self._place)
        if self._path is not None and not self._place:
            with suppress(OSError):
                self._path.unlink()
        self._end()


def _give_room(file: int, needed: int) -> int:
    """Take space from the disk; returns how much the file has."""
    for size in (max(SIZE, needed), max(SMALL, needed), needed):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno != errno.ENOSPC or size == needed:
                raise
            os.ftruncate(file, 0)
            continue
        return size
    raise AssertionError("the last size either fits or raises")


def _write(file: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, place)
        view, place = view[done:], place + done


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _segments(folder: Path) -> list[tuple[int, Path]]:
    """A writer's segments by number."""
    return sorted((int(path.stem), path) for path in folder.glob(f"*{SUFFIX}"))


def entries_in(data: bytes, place: int = 0) -> Iterator[tuple[Entry, int]]:
    """The whole records in a segment's bytes from a place on, each with the place behind it."""
    while place + HEAD.size <= len(data):
        mark, length, check = HEAD.unpack_from(data, place)
        end = place + HEAD.size + length
        if mark != MARK or length > LARGEST or end > len(data):
            return
        payload = data[place + HEAD.size : end]
        if crc32(payload) != check:
            return
        kind, capability, id, text = payload.decode().split("\n", 3)
        yield Entry(kind, id, capability, text), end
        place = end


def drain(journal: Journal, events: Events) -> int:
    """Carry what the journal holds into the log; returns how many records were new there.

    One process at a time: where another is at it, waits until it is done, and then looks itself.
    What was durable in the journal when it was called is in the log when it returns. Raises
    StoreError where the log's database is away; nothing is lost then.
    """
    if not journal.root.is_dir():
        return 0
    with _exclusive(journal.root / LOCK):
        return sum(_drain(journal.root / name, events) for name in journal.writers())


def _drain(folder: Path, events: Events) -> int:
    new = 0
    while segments := _segments(folder):
        last = segments[-1][0]
        for number, path in segments:
            new += _carry(path, folder.name, events)
            if number != last:
                _remove(path)
        with _claimed(folder / LOCK) as free:
            if not free:
                return new
            # Nobody writes here now. What was appended since it was read is carried before it goes.
            if _segments(folder) == segments[-1:]:
                new += _carry(segments[-1][1], folder.name, events)
                _remove(segments[-1][1])
                return new
    return new


def _carry(path: Path, writer: str, events: Events) -> int:
    """Carry a segment's records from where the last reading ended."""
    hint = path.with_suffix(".at")
    place = _read_hint(hint)
    found = list(entries_in(path.read_bytes(), place))
    new = 0
    for start in range(0, len(found), PORTION):
        portion = found[start : start + PORTION]
        new += events.append_entries([entry for entry, _ in portion], writer)
        place = portion[-1][1]
    if found:
        # Only a hint: without it the same records are carried again, and ignored.
        with suppress(OSError):
            hint.write_text(str(place))
    return new


def _read_hint(hint: Path) -> int:
    try:
        return int(hint.read_text())
    except (OSError, ValueError):
        return 0


def _remove(path: Path) -> None:
    path.with_suffix(".at").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Whether nobody holds a writer's lock; where so, it is held inside the block."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the journal {folder} can't be written: {error.strerror}") from error
