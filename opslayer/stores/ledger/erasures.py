"""Who was erased: receipts, and what keeps them from coming back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, select, update

from opslayer.errors import NotFound, StoreError
from opslayer.records import Erasure, Record, Time
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.frozen import column
from opslayer.stores.ledger.said import Fields, Named, One, said_time
from opslayer.stores.ledger.tables import erased, erasures
from opslayer.stores.ledger.turns import LOG, take_turn

ASKED = 500
"""Ids in one statement."""
CALLS = ("interaction", "start")
"""The kinds of entry that a call is logged as. Only these are known by their ids once they are
gone: an exposure's id says what it was, so that the same one may come again."""


class Tombstone(Record):
    """That a subject was erased, for a log that does not know it: hashes and ids alone."""

    id: str
    subject: str
    at: Time
    ids: tuple[str, ...] = ()
    """Of the interactions that went."""
    forget: bool = False
    """Whether models that had learnt from it were removed too."""
    by: str = "restore"
    reason: str = "erased before, and not in the backup"

    @classmethod
    def of(cls, erasure: Erasure, ids: Iterable[str]) -> Tombstone:
        """The tombstone of a receipt. Who asked for it and why may name the person: both stay
        away."""
        return cls(
            id=erasure.id,
            subject=erasure.subject,
            at=erasure.at,
            ids=tuple(sorted(ids)),
            forget=any(erasure.forgotten.values()),
        )


@dataclass(frozen=True, slots=True)
class Erasures:
    """The receipts of an installation. Methods raise StoreError where the database is away."""

    url: str

    def begin(self, wanted: Erasure) -> Erasure:
        """Keep that an erasure was begun, or return the one of this subject that was not ended."""
        with transaction(self.url) as connection:
            take_turn(connection, LOG)  # what is being appended now is found afterwards
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
            take_turn(connection, LOG)
            mine = select(erased.c.id).where(erased.c.erasure == erasure.id)
            there = set(connection.scalars(mine))
            new = [{"id": id, "erasure": erasure.id} for id in sorted(set(ids) - there)]
            known = _gone(connection, [row["id"] for row in new])
            fresh = [row for row in new if row["id"] not in known]
            if fresh:
                connection.execute(insert(erased), fresh)
        return there | {row["id"] for row in fresh}

    def get(self, id: str) -> Erasure:
        """One receipt; raises NotFound."""
        with reading(self.url) as connection:
            found = connection.scalar(select(erasures.c.record).where(erasures.c.id == id))
        if found is None:
            raise NotFound(f"there is no receipt {id} of an erasure")
        return Erasure.model_validate(found)

    def all(self) -> list[Erasure]:
        """Every receipt, the oldest first."""
        with reading(self.url) as connection:
            rows = connection.scalars(select(erasures.c.record).order_by(erasures.c.at))
            return [Erasure.model_validate(row) for row in rows]

    def ids(self, erasure: Erasure) -> set[str]:
        """The interactions that went with an erasure."""
        with reading(self.url) as connection:
            mine = select(erased.c.id).where(erased.c.erasure == erasure.id)
            return set(connection.scalars(mine))

    def take_over(self, tombstone: Tombstone) -> None:
        """Keep another log's tombstone, as if the erasure had been begun here: what it names is not
        taken in from here on. Nothing is removed by it."""
        with transaction(self.url) as connection:
            take_turn(connection, LOG)
            begun = Erasure(**tombstone.model_dump(include={"id", "subject", "at", "by", "reason"}))
            add_new(connection, erasures, _row(begun))
        self.add_ids(begun, tombstone.ids)

    def tombstones(self) -> list[Tombstone]:
        """What another log needs to know so that nobody comes back there, the oldest first."""
        return [Tombstone.of(one, self.ids(one)) for one in self.all()]

    def of(self, subject: str) -> list[Erasure]:
        """A subject's receipts, the oldest first."""
        return [one for one in self.all() if one.subject == subject]

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of these interactions are gone."""
        with reading(self.url) as connection:
            nobody = connection.scalar(select(erased.c.id).limit(1)) is None
            return set() if nobody else _gone(connection, ids)


def not_erased(
    connection: Connection, read: Sequence[tuple[One, Fields]]
) -> list[tuple[One, Fields]]:
    """The entries that may be logged: none of an erased subject from before its erasure, and none
    about an interaction that is gone, whoever replays or restores them, or was still answering."""
    last = _last(connection)
    if not last:
        return list(read)
    late = {entry.id for entry, said in read if _before(said, last)}
    gone = late | _gone(connection, [_about(*one) for one in read])
    return [one for one in read if _about(*one) not in gone]


def refuse(connection: Connection, read: Sequence[tuple[One, Fields]]) -> list[str]:
    """Remember the calls among entries that may not be logged, so that nothing that is said about
    them later is either; returns their ids."""
    last = _last(connection)
    calls = [one for one in read if one[0].kind in CALLS and _before(one[1], last)]
    for entry, said in calls:
        erasure = last[str(said["subject"])][1]
        add_new(connection, erased, {"id": entry.id, "erasure": erasure})
    return [entry.id for entry, _ in calls]


def _last(connection: Connection) -> dict[str, tuple[str, str]]:
    """By subject, when it was last erased, and by which erasure."""
    query = select(erasures.c.subject, erasures.c.at, erasures.c.id).order_by(erasures.c.at)
    return {subject: (at, id) for subject, at, id in connection.execute(query)}


def _about(entry: Named, said: Fields) -> str:
    """The interaction that an entry is, or is about."""
    return str(said.get("interaction_id", entry.id))


def _before(said: Fields, last: Mapping[str, tuple[str, str]]) -> bool:
    """Whether an entry is a subject's from before its erasure."""
    erasure, at = last.get(str(said.get("subject"))), said_time(said)
    # No record of ours names no time: ingest tells of it.
    return erasure is not None and at is not None and at <= erasure[0]


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


def tombstones_at(path: Path) -> list[Tombstone]:
    """The tombstones in a SQLite file of whatever schema, which stays as it is. Raises StoreError
    where it can't be read."""
    try:
        receipts = [Erasure.model_validate_json(one) for one in column(path, RECEIPTS)]
    except ValidationError as error:
        raise StoreError(f"database {path} holds receipts of another Opslayer") from error
    gone: dict[str, list[str]] = {}
    for pair in column(path, GONE):
        erasure, _, id = pair.partition(" ")
        gone.setdefault(erasure, []).append(id)
    return [Tombstone.of(one, gone.get(one.id, ())) for one in receipts]


RECEIPTS = "SELECT record FROM erasures ORDER BY at"
GONE = "SELECT erasure || ' ' || id FROM erased"
