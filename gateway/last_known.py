"""What served last, kept beside the gateway, so that a start needs no database.

The file is signed with the installation's secret: a release that somebody wrote into it is ignored.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydantic import ValidationError

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
        text = known.model_dump_json().encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(self._sign(capability, text) + b"\n" + text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, self._path(capability))
        except OSError:
            return

    def _from_disk(self, capability: str) -> Remembered:
        try:
            signature, _, text = self._path(capability).read_bytes().partition(b"\n")
            if not hmac.compare_digest(signature, self._sign(capability, text)):
                return Remembered()
            return Remembered.model_validate_json(text)
        except (OSError, ValidationError):
            return Remembered()

    def _path(self, capability: str) -> Path:
        return self.folder / f"{capability}.json"

    def _sign(self, capability: str, text: bytes) -> bytes:
        words = capability.encode() + b"\n" + text
        return hmac.new(self.secret, words, sha256).hexdigest().encode()
