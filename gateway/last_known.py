"""What served last, kept beside the gateway, so that a start needs no database.

The file is signed with the installation's secret: a release that somebody wrote into it is ignored.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from gateway.sealed import Sealed
from opslayer.records import Record, Release, Version


class Remembered(Record):
    """What a serving is built from."""

    newest: Release | None = None
    previous: Release | None = None
    """The newest one before it that had another champion."""
    versions: tuple[Version, ...] = ()
    """Every model version that the two name."""


@dataclass(slots=True)
class LastKnown:
    """A folder with a signed file for each capability, and what was last read of them."""

    folder: Path
    secret: bytes
    _read: dict[str, Remembered] = field(default_factory=dict)

    def load(self, capability: str) -> Remembered:
        """What served it last; nothing where nothing is known, or what is written is not ours."""
        if capability not in self._read:
            self._read[capability] = self._from_disk(capability)
        return self._read[capability]

    def save(self, capability: str, known: Remembered) -> None:
        """Remember it, durably and as a whole. A disk that is full costs only the next cold start
        without a database, so nothing is raised."""
        self._read[capability] = known
        with suppress(OSError):
            self._file(capability).write(known.model_dump_json().encode())

    def _from_disk(self, capability: str) -> Remembered:
        try:
            text = self._file(capability).read()
            return Remembered() if text is None else Remembered.model_validate_json(text)
        except (OSError, ValidationError):
            return Remembered()

    def _file(self, capability: str) -> Sealed:
        return Sealed(self.folder / f"{capability}.json", self.secret)
