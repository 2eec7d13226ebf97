"""The training and exam sets, named by their content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from opslayer.errors import NotFound, StoreError
from opslayer.records import Recipe, Snapshot
from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.tables import snapshots

ASKED = 500
"""Digests looked up in one statement: SQLite and PostgreSQL both bound its length."""


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

    def replace(self, snapshot: Snapshot) -> None:
        """Say what an erasure has left of a snapshot; its name stays."""
        its = (
            snapshots.c.capability == snapshot.capability,
            snapshots.c.digest == snapshot.digest,
        )
        record = snapshot.model_dump(mode="json")
        with transaction(self.url) as connection:
            connection.execute(update(snapshots).where(*its).values(record=record))

    def newest(self, capability: str) -> Snapshot:
        """The training snapshot that was taken last, of all labels where several were; raises
        NotFound where nothing was trained yet."""
        with reading(self.url) as connection:
            found = connection.scalars(
                select(snapshots.c.record).where(
                    snapshots.c.capability == capability, snapshots.c.recipe != Recipe.EXAM.value
                )
            )
            taken = [Snapshot.model_validate(record) for record in found]
        if not taken:
            raise NotFound(
                f"{capability} has no snapshot yet: `opslayer run train_model {capability}` makes "
                "one"
            )
        return max(taken, key=lambda one: (one.as_of, one.recipe is Recipe.ALL, one.digest))

    def of(self, capability: str, digests: Iterable[str]) -> list[Snapshot]:
        """Those of these digests that are recorded, the last taken first."""
        wanted = sorted(set(digests))
        found: list[Snapshot] = []
        with reading(self.url) as connection:
            for start in range(0, len(wanted), ASKED):
                rows = connection.scalars(
                    select(snapshots.c.record).where(
                        snapshots.c.capability == capability,
                        snapshots.c.digest.in_(wanted[start : start + ASKED]),
                    )
                )
                found += [Snapshot.model_validate(record) for record in rows]
        return sorted(found, key=lambda one: (one.as_of, one.digest), reverse=True)

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


def need_unchanged(connection: Connection, learnt: Snapshot) -> None:
    """Raise StoreError where an erasure, or retention, has changed a snapshot; none can until the
    transaction's end."""
    query = select(snapshots.c.record).where(
        snapshots.c.capability == learnt.capability, snapshots.c.digest == learnt.digest
    )
    found = connection.scalar(query.with_for_update())
    if found is not None and Snapshot.model_validate(found).left != learnt.left:
        raise StoreError(
            f"{learnt.capability}: rows were erased, or expired, from training set "
            f"{learnt.digest[:12]} while it was learnt from: train again"
        )
