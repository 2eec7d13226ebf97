"""The training and exam sets, named by their content."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from opslayer.errors import NotFound
from opslayer.records import Snapshot
from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.tables import snapshots


@dataclass(frozen=True, slots=True)
class Snapshots:
    """A capability's snapshots by digest."""

    url: str

    def add(self, snapshot: Snapshot) -> Snapshot:
        """Keep a snapshot and return what is kept: the first one with its digest."""
        with transaction(self.url) as connection:
            add_new(
                connection,
                snapshots,
                {
                    "capability": snapshot.capability,
                    "digest": snapshot.digest,
                    "recipe": snapshot.recipe.value,
                    "record": snapshot.model_dump(mode="json"),
                },
            )
        return self.get(snapshot.capability, snapshot.digest)

    def get(self, capability: str, digest: str) -> Snapshot:
        """One snapshot; raises NotFound."""
        with reading(self.url) as connection:
            found = connection.scalar(
                select(snapshots.c.record).where(
                    snapshots.c.capability == capability, snapshots.c.digest == digest
                )
            )
        if found is None:
            raise NotFound(f"{capability} has no snapshot {digest}: `opslayer run` makes one")
        return Snapshot.model_validate(found)
