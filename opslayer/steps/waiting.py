"""Which causes still wait for their run: the ledger is the record, an event only a bell."""

from __future__ import annotations

from datetime import UTC, datetime

from opslayer.capability import Capability
from opslayer.records import Cause, CauseKind
from opslayer.stores import Stores
from opslayer.stores.ledger.causes import CauseRow, new_owner


def waiting(capability: Capability, stores: Stores) -> list[Cause]:
    """The loop's open causes, and every cause whose worker died. Those tried least come
    first, the oldest of them before the others: one that kills its worker keeps none waiting.

    What a person asked for and was told to ask for later is theirs to ask again. A cause that a
    newer training has overtaken is closed: its question was answered.
    """
    causes = stores.ledger.causes
    lapsed = [row for row in causes.list(capability.name, "claimed") if _lapsed(row)]
    opened = [
        row
        for row in causes.list(capability.name, "open")
        if row.cause.kind is not CauseKind.PERSON and not _overtaken(capability, stores, row)
    ]
    rows = sorted([*lapsed, *opened], key=lambda row: (row.attempts, row.cause.at))
    return [row.cause for row in rows]


def _lapsed(row: CauseRow) -> bool:
    # The claim itself checks again, against its own clock and the holder's signs of life.
    return row.lease_until is not None and row.lease_until <= datetime.now(UTC)


def _overtaken(capability: Capability, stores: Stores, row: CauseRow) -> bool:
    newer = [
        version
        for version in stores.ledger.versions.all(capability.name)
        if version.trained_at > row.cause.at
    ]
    if newer:
        stores.ledger.causes.refuse(
            row.cause.id, new_owner(), f"overtaken by the training of version {newer[-1].version}"
        )
    return bool(newer)
