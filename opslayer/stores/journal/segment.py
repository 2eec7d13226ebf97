"""A writer's folder: its lock, its segments by number, and how far each was carried."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOCK, SUFFIX, HINT, DAMAGED = "lock", ".log", ".at", ".damaged"


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a writer."""

    path: Path

    @property
    def number(self) -> int:
        """Its place in the order of a writer's segments."""
        return int(self.path.stem)

    @property
    def carried(self) -> int:
        """How many of its bytes were carried into the log: only a hint, 0 where it is lost."""
        try:
            return int(self.path.with_suffix(HINT).read_text())
        except (OSError, ValueError):
            return 0

    def note(self, carried: int) -> None:
        """Remember how far it was carried, as far as that is possible."""
        # Without it the same records are carried again, and ignored.
        with suppress(OSError):
            self.path.with_suffix(HINT).write_text(str(carried))

    def read(self, place: int) -> bytes:
        """Its bytes from a place on; none where its writer took it back. Raises OSError."""
        try:
            with self.path.open("rb") as file:
                file.seek(place)
                return file.read()
        except FileNotFoundError:
            return b""

    def remove(self) -> None:
        """Take it away with its hint; raises OSError."""
        self.path.with_suffix(HINT).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def keep_aside(self) -> Path:
        """Take it out of the journal without losing it; returns where it is. Raises OSError."""
        self.path.with_suffix(HINT).unlink(missing_ok=True)
        return self.path.rename(self.path.with_suffix(DAMAGED))


def segments_in(folder: Path) -> list[Segment]:
    """A writer's segments by number."""
    there = (Segment(path) for path in folder.glob(f"[0-9]*{SUFFIX}"))
    return sorted(there, key=lambda segment: segment.number)


def next_segment(folder: Path) -> Segment:
    """The segment behind all that are there. Its number never comes again, by the nanosecond: a
    drain that is still busy with one that was taken back can't take another for it."""
    last = max((segment.number for segment in segments_in(folder)), default=0)
    return Segment(folder / f"{max(last + 1, time.time_ns()):020d}{SUFFIX}")


def forget_strays(folder: Path) -> None:
    """Take away the hints of segments that their writer took back; raises OSError."""
    for hint in folder.glob(f"*{HINT}"):
        if not hint.with_suffix(SUFFIX).exists():
            hint.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
