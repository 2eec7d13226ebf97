"""What each ingest is about to write, and has written.

The batches of one capability form one sequence, so that at most one is under way, whatever its
source. A batch is `begun` before anything of it is written, and then `done`. One whose data is no
longer what it was is `closing` while its late writers are shut out, then `interrupted`. `refused`
is a file that was not taken at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from opslayer.stores.ledger.database import reading, transaction
from opslayer.stores.ledger.tables import batches
from opslayer.stores.ledger.turns import take_turn

UNDER_WAY = ("begun", "closing")


@dataclass(frozen=True, slots=True)
class Batch:
    """One portion of one source."""

    capability: str
    source: str
    begin: Mapping[str, Any]
    """Where reading starts, with all that pins what is read."""
    end: Mapping[str, Any]
    """Where the next batch starts."""
    counts: Mapping[str, int] = field(default_factory=dict)
    status: str = "begun"
    reason: str | None = None
    number: int = 0

    def same(self, other: Batch) -> bool:
        """Whether both read the same rows of the same source."""
        mine, others = (self.source, self.begin, self.end), (other.source, other.begin, other.end)
        return mine == others


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of all capabilities."""

    url: str

    def newest(self, capability: str) -> Batch | None:
        """The last batch of a capability, of whatever source; None before the first."""
        with reading(self.url) as connection:
            return _newest(connection, capability)

    def of(self, capability: str, source: str) -> list[Batch]:
        """Every batch of a source, the oldest first."""
        query = _query(capability).where(batches.c.source == source).order_by(batches.c.number)
        with reading(self.url) as connection:
            return [_batch(row) for row in connection.execute(query)]

    def add(self, batch: Batch, after: int) -> Batch | None:
        """Add a batch as number `after` + 1, if `after` is the newest one and not under way.

        Where that number is taken by a begun batch that reads the same, that one is returned: it
        is to be finished under its number. Returns None where another batch came first.
        """
        try:
            with transaction(self.url) as connection:
                return _add(connection, replace(batch, number=after + 1), after)
        except IntegrityError:  # only where a database lets two transactions write at once
            return None

    def divide(self, capability: str) -> bool:
        """Let nothing that was read before become a batch; False while one is under way, or where
        another one came first."""
        newest = self.newest(capability)
        if newest is not None and newest.status in UNDER_WAY:
            return False
        mark = Batch(capability, "", {}, {}, {}, "interrupted", "an erasure, or an expiry")
        return self.add(mark, newest.number if newest else 0) is not None

    def finish(self, batch: Batch) -> bool:
        """Mark a begun batch done; returns whether it is done now, by whomever."""
        self._turn(batch, "begun", "done")
        with reading(self.url) as connection:
            status = connection.scalar(select(batches.c.status).where(*_key(batch)))
        return bool(status == "done")

    def close(self, batch: Batch, reason: str) -> None:
        """Say that a begun batch is given up: whoever still writes it is to be shut out."""
        self._turn(batch, "begun", "closing", reason)

    def interrupt(self, batch: Batch) -> None:
        """Say that nobody can write a closing batch any more, and the next may begin."""
        self._turn(batch, "closing", "interrupted")

    def _turn(self, batch: Batch, before: str, after: str, reason: str | None = None) -> None:
        values = {"status": after} | ({"reason": reason} if reason else {})
        with transaction(self.url) as connection:
            connection.execute(
                update(batches).where(*_key(batch), batches.c.status == before).values(**values)
            )


def _key(batch: Batch) -> tuple[ColumnElement[bool], ...]:
    return (
        batches.c.capability == batch.capability,
        batches.c.source == batch.source,
        batches.c.number == batch.number,
    )


def _add(connection: Connection, batch: Batch, after: int) -> Batch | None:
    take_turn(connection, "batches", batch.capability)  # two sources could both become number N
    newest = _newest(connection, batch.capability)
    if newest and newest.number == batch.number and newest.status == "begun":
        return newest if newest.same(batch) else None
    if (newest.number if newest else 0) != after or (newest and newest.status in UNDER_WAY):
        return None
    connection.execute(
        insert(batches).values(
            capability=batch.capability,
            source=batch.source,
            number=batch.number,
            status=batch.status,
            begin=dict(batch.begin),
            end=dict(batch.end),
            counts=dict(batch.counts),
            reason=batch.reason,
        )
    )
    return batch


def _newest(connection: Connection, capability: str) -> Batch | None:
    row = connection.execute(_query(capability).order_by(batches.c.number.desc()).limit(1)).first()
    return _batch(row) if row else None


def _query(capability: str) -> Select[Any]:
    return select(batches).where(batches.c.capability == capability)


def _batch(row: Row[Any]) -> Batch:
    return Batch(**row._asdict())
