"""What was judged, with every number it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from opslayer.records import Verdict, VerdictKind
from opslayer.stores.ledger.database import UNKEPT, add_new, moment_text, reading, transaction
from opslayer.stores.ledger.tables import verdicts
from opslayer.stores.ledger.turns import take_turn


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

    def record_next(self, verdict: Verdict, last: str | None) -> bool:
        """Keep a verdict made from the one before it, if `last` is still the id of the newest of
        its capability and kind (None: there is none yet); False where another came first.
        """
        alike = (verdicts.c.capability == verdict.capability, verdicts.c.kind == verdict.kind.value)
        newest = select(verdicts.c.id).where(*alike).order_by(verdicts.c.sequence.desc()).limit(1)
        with transaction(self.url) as connection:
            take_turn(connection, "verdicts", verdict.capability)
            if connection.scalar(newest) != last:
                return False
            return add_verdict(connection, verdict)

    def get(self, id: str) -> Verdict | None:
        """One verdict by its id; None where nothing was judged under it."""
        with reading(self.url) as connection:
            found = connection.scalar(select(verdicts.c.record).where(verdicts.c.id == id))
        return None if found is None else Verdict.model_validate(found)

    def of(self, ids: Sequence[str]) -> Listed:
        """The verdicts of these ids that are kept, in the order of the ids."""
        query = select(verdicts.c.id, verdicts.c.record).where(verdicts.c.id.in_(ids))
        with reading(self.url) as connection:
            found = {row.id: row.record for row in connection.execute(query)}
        return [Verdict.model_validate(found[id]) for id in ids if id in found]

    def list(self, capability: str, kind: VerdictKind | None = None, limit: int = 100) -> Listed:
        """A capability's verdicts, the newest first, of one kind or of all."""
        query = select(verdicts.c.record).where(verdicts.c.capability == capability)
        if kind is not None:
            query = query.where(verdicts.c.kind == kind.value)
        with reading(self.url) as connection:
            rows = connection.scalars(query.order_by(verdicts.c.sequence.desc()).limit(limit))
            return [Verdict.model_validate(row) for row in rows]

    def newest(self, capability: str, kind: VerdictKind, *outcomes: str) -> Verdict | None:
        """A capability's newest verdict of a kind that had one of these outcomes."""
        query = select(verdicts.c.record).where(
            verdicts.c.capability == capability,
            verdicts.c.kind == kind.value,
            verdicts.c.record["outcome"].as_string().in_(outcomes),
        )
        with reading(self.url) as connection:
            found = connection.scalar(query.order_by(verdicts.c.sequence.desc()).limit(1))
        return None if found is None else Verdict.model_validate(found)


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
    infinity as null (JSON has no word for them); NUL as U+FFFD, since PostgreSQL reads no field
    of a document that holds one.
    """
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return moment_text(value) if value.tzinfo else value.isoformat()
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, float)):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    return str(value).replace("\0", UNKEPT)
