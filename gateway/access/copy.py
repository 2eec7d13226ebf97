"""The keys as this machine last read them, so that a start needs no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from gateway.sealed import Sealed
from opslayer.records import Key, Record, Time

AHEAD = 60.0
"""Seconds by which a copy may be from the future: clocks are set, but not by more."""


class Copied(Record):
    """What a copy says."""

    at: Time
    """When the ledger was read."""
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class KeyCopy:
    """A signed file with every key. It has hashes, and no key can be had from them."""

    file: Sealed

    def save(self, keys: tuple[Key, ...], at: datetime) -> None:
        """Keep what was read at a moment; raises OSError."""
        self.file.write(Copied(at=at, keys=keys).model_dump_json().encode())

    def load(self) -> tuple[tuple[Key, ...], float] | None:
        """The keys and the copy's age in seconds; None where there is no copy of ours.

        Raises OSError where the file can't be read.
        """
        content = self.file.read()
        if content is None:
            return None
        try:
            copied = Copied.model_validate_json(content)
        except ValidationError:  # signed by another version of this code
            return None
        age = (datetime.now(UTC) - copied.at).total_seconds()
        return None if age < -AHEAD else (copied.keys, max(0.0, age))
