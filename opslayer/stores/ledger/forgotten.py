"""Models whose files are gone: nothing may serve, score or compare them any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.tables import forgotten


class Gone(NamedTuple):
    """When a model was removed, and why, as half a sentence."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A capability's model versions that were removed. Methods raise StoreError."""

    url: str

    def add(self, capability: str, version: int, gone: Gone) -> None:
        """Say that a version goes; of two reasons the first stays."""
        row = {"capability": capability, "version": version}
        with transaction(self.url) as connection:
            said = {"at": moment_text(gone.at), "why": gone.why}
            add_new(connection, forgotten, row | said)

    def of(self, capability: str) -> dict[int, Gone]:
        """By version, when and why it was removed."""
        query = select(forgotten.c.version, forgotten.c.at, forgotten.c.why)
        with reading(self.url) as connection:
            rows = connection.execute(query.where(forgotten.c.capability == capability)).all()
        return {row.version: Gone(datetime.fromisoformat(row.at), row.why) for row in rows}
