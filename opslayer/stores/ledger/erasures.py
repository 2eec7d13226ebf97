"""Who was erased: receipts, and what keeps them from coming back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, func, insert, select, update

from opslayer.records import Erasure
from opslayer.stores.ledger.database import (
    add_new,
    moment_text,
    reading,
    said_time,
    transaction,
)
from opslayer.stores.ledger.tables import erased, erasures

ASKED = 500
"""Ids in one statement."""


@dataclass(frozen=True, slots=True)
class Erasures:
    """The receipts of an installation. Methods raise StoreError where the database is away."""

    url: str

    def begin(self, wanted: Erasure) -> Erasure:
        """Keep that an erasure was begun, or return the one of this subject that was not ended."""
        with transaction(self.url) as connection:
            mine = (erasures.c.subject == wanted.subject, erasures.c.done == 0)
            found = connection.scalar(select(erasures.c.record).where(*mine))
            if found is not None:
                return Erasure.model_validate(found)
            add_new(connection, erasures, _row(wanted))
        return wanted

    def keep(self, erasure: Erasure) -> Erasure:
        """Keep what is known of an erasure by now."""
        with transaction(self.url) as connection:
            row = update(erasures).where(erasures.c.id == erasure.id)
            connection.execute(row.values(**_row(erasure)))
        return erasure

    def add_ids(self, erasure: Erasure, ids: Iterable[str]) -> set[str]:
        """Remember interactions that go with an erasure; returns all that were ever remembered."""
        with transaction(self.url) as connection:
            mine = select(erased.c.id).where(erased.c.erasure == erasure.id)
            there = set(connection.scalars(mine))
            new = [{"id": id, "erasure": erasure.id} for id in sorted(set(ids) - there)]
            known = _gone(connection, [row["id"] for row in new])
            fresh = [row for row in new if row["id"] not in known]
            if fresh:
                connection.execute(insert(erased), fresh)
        return there | {row["id"] for row in fresh}

    def all(self) -> list[Erasure]:
        """Every receipt, the oldest first."""
        with reading(self.url) as connection:
            rows = connection.scalars(select(erasures.c.record).order_by(erasures.c.at))
            return [Erasure.model_validate(row) for row in rows]

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of these interactions are gone."""
        with reading(self.url) as connection:
            nobody = connection.scalar(select(erased.c.id).limit(1)) is None
            return set() if nobody else _gone(connection, ids)


class Named(Protocol):
    """A record on its way into the log."""

    @property
    def id(self) -> str: ...


One = TypeVar("One", bound=Named)
Fields = Mapping[str, Any]
"""What a record's JSON says; empty where that can't be read."""


def not_erased(
    connection: Connection, read: Sequence[tuple[One, Fields]]
) -> list[tuple[One, Fields]]:
    """The entries that may be logged: none of an erased subject from before its erasure, and none
    about an interaction that is gone, whoever replays or restores them."""
    query = select(erasures.c.subject, func.max(erasures.c.at)).group_by(erasures.c.subject)
    until: dict[str, str] = dict(row.tuple() for row in connection.execute(query))
    if not until:
        return list(read)
    gone = _gone(connection, [_about(*one) for one in read])
    return [one for one in read if _about(*one) not in gone and not _before(one[1], until)]


def _about(entry: Named, said: Fields) -> str:
    """The interaction that an entry is, or is about."""
    return str(said.get("interaction_id", entry.id))


def _before(said: Fields, until: Mapping[str, str]) -> bool:
    """Whether an entry is a subject's from before its erasure."""
    last, at = until.get(str(said.get("subject"))), said_time(said)
    # No record of ours names no time: ingest tells of it.
    return last is not None and at is not None and at <= last


def _gone(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), ASKED):
        some = ids[start : start + ASKED]
        found.update(connection.scalars(select(erased.c.id).where(erased.c.id.in_(some))))
    return found


def _row(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.id,
        "subject": erasure.subject,
        "at": moment_text(erasure.at),
        "done": int(erasure.done),
        "record": erasure.model_dump(mode="json"),
    }
