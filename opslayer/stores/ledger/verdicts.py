"""What was judged, with every number it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from opslayer.records import Verdict, VerdictKind
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.tables import verdicts


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judgements, each kept once: a step run twice judges once."""

    url: str

    def record(self, verdict: Verdict) -> Verdict:
        """Keep a verdict and return what is kept: the first one with its id."""
        with transaction(self.url) as connection:
            add_verdict(connection, verdict)
            kept = connection.scalar(select(verdicts.c.record).where(verdicts.c.id == verdict.id))
        return Verdict.model_validate(kept)

    def get(self, id: str) -> Verdict | None:
        """One verdict by its id; None where nothing was judged under it."""
        with reading(self.url) as connection:
            found = connection.scalar(select(verdicts.c.record).where(verdicts.c.id == id))
        return None if found is None else Verdict.model_validate(found)

    def list(self, capability: str, kind: VerdictKind | None = None, limit: int = 100) -> Listed:
        """A capability's verdicts, the newest first, of one kind or of all."""
        query = select(verdicts.c.record).where(verdicts.c.capability == capability)
        if kind is not None:
            query = query.where(verdicts.c.kind == kind.value)
        with reading(self.url) as connection:
            rows = connection.scalars(query.order_by(verdicts.c.sequence.desc()).limit(limit))
            return [Verdict.model_validate(row) for row in rows]


Listed = list[Verdict]


def add_verdict(connection: Connection, verdict: Verdict) -> bool:
    """Keep a verdict in a transaction of the caller's; False where its id has one already."""
    row = {
        "id": verdict.id,
        "capability": verdict.capability,
        "kind": verdict.kind.value,
        "at": moment_text(verdict.at),
        "record": _plain(verdict.model_dump()),
    }
    return add_new(connection, verdicts, row)


def _plain(value: Any) -> Any:
    """A value as JSON can say it: times as ISO 8601 text, numpy's numbers as Python's, NaN and
    infinity as null (JSON has no word for them).
    """
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return moment_text(value) if value.tzinfo else value.isoformat()
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
