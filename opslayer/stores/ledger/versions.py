"""The trained and registered model versions: each is one training."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from opslayer.errors import NotFound, StoreError
from opslayer.records import Snapshot, Version
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.snapshots import need_unchanged
from opslayer.stores.ledger.tables import versions


@dataclass(frozen=True, slots=True)
class Versions:
    """A capability's model versions, one per cause and recipe."""

    url: str

    def add(self, version: Version, learnt: Snapshot | None = None) -> Version:
        """Keep a version; returns the one that is kept for its cause and recipe.

        `learnt` is its training set's record from before that was read. Raises StoreError where
        an erasure has changed the set since: the model has learnt from what is gone and is named
        by no receipt; also where its number belongs to another training.
        """
        with transaction(self.url) as connection:
            if learnt is not None:
                need_unchanged(connection, learnt)
            kept = _of_training(connection, version)
            if kept is None and not add_new(connection, versions, _row(version)):
                kept = _of_training(connection, version)
                if kept is None:
                    raise _taken(version)
        return kept or version

    def get(self, capability: str, version: int) -> Version:
        """One version; NotFound says which there are."""
        with reading(self.url) as connection:
            found = connection.scalar(
                select(versions.c.record).where(
                    versions.c.capability == capability, versions.c.version == version
                )
            )
        if found is not None:
            return Version.model_validate(found)
        there_are = ", ".join(str(one.version) for one in self.all(capability)) or "none"
        raise NotFound(f"{capability} has no model version {version}: there are {there_are}")

    def all(self, capability: str) -> list[Version]:
        """Every version, oldest first."""
        with reading(self.url) as connection:
            rows = connection.scalars(
                select(versions.c.record)
                .where(versions.c.capability == capability)
                .order_by(versions.c.version)
            )
            return [Version.model_validate(row) for row in rows]

    def for_cause(self, capability: str, cause: str) -> list[Version]:
        """What a cause has trained so far, oldest first."""
        return [version for version in self.all(capability) if version.cause == cause]


def _row(version: Version) -> dict[str, object]:
    return {
        "capability": version.capability,
        "version": version.version,
        "cause": version.cause,
        "recipe": version.recipe.value,
        "trained_at": moment_text(version.trained_at),
        "record": version.model_dump(mode="json"),
    }


def _of_training(connection: Connection, version: Version) -> Version | None:
    found = connection.scalar(
        select(versions.c.record).where(
            versions.c.capability == version.capability,
            versions.c.cause == version.cause,
            versions.c.recipe == version.recipe.value,
        )
    )
    return None if found is None else Version.model_validate(found)


def _taken(version: Version) -> StoreError:
    return StoreError(
        f"{version.capability}: the ledger has a model version {version.version} from another "
        "cause: the model registry was emptied, or it belongs to another OPSLAYER_HOME"
    )
