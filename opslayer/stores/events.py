"""The interaction log: every answered call and everything said about it later, durably."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from opslayer.errors import StoreError
from opslayer.records import Feedback, Interaction
from opslayer.stores.ledger.database import reading, transaction
from opslayer.stores.ledger.tables import events

RECORDS: dict[str, type[Interaction] | type[Feedback]] = {
    "interaction": Interaction,
    "feedback": Feedback,
}
ATTEMPTS = 20
"""Times an append starts again because another process took its number or its id first."""
ASKED = 500
"""Ids looked up in one statement: SQLite and PostgreSQL both bound its length."""


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log as it is kept."""

    writer: str
    number: int
    kind: str
    """`interaction` or `feedback`."""
    id: str
    text: str
    """The record as JSON."""

    def record(self) -> Interaction | Feedback:
        """The entry read; raises pydantic's ValidationError where this code can't read it."""
        return RECORDS[self.kind].model_validate_json(self.text)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive entries of each writer, and where the next reading starts."""

    events: tuple[Event, ...]
    positions: dict[str, int]
    """Per writer the number of the last entry read."""


@dataclass(frozen=True, slots=True)
class Events:
    """The address of the log's database. Several processes may append at once."""

    url: str

    def append(self, records: Sequence[Interaction | Feedback], writer: str) -> int:
        """Write records in one durable transaction; returns how many were new.

        A record whose kind and id are in the log already is ignored, whatever it says. `writer`
        names the process: entries of one writer are numbered 1, 2, 3, … in the order of writing.
        Raises StoreError where the database is away or full; nothing is written then.
        """
        for attempt in range(ATTEMPTS):
            try:
                with transaction(self.url) as connection:
                    return _append(connection, records, writer)
            except IntegrityError:  # only where a database lets two transactions write at once
                time.sleep(0.01 * attempt)
        raise StoreError(f"writer {writer} is used by too many processes: give each its own name")

    def read(self, capability: str, after: Mapping[str, int], limit: int = 10_000) -> Batch:
        """The next entries of a capability, at most `limit`, after a position per writer.

        A writer not in `after` is read from its first entry. No entry is ever skipped: each
        writer's numbers become visible in order, however long another one's commit takes.
        """
        found: list[Event] = []
        positions = dict(after)
        with reading(self.url) as connection:
            for writer in _writers(connection, capability):
                room = limit - len(found)
                new = _after(connection, capability, (writer, positions.get(writer, 0)), room)
                if new:
                    positions[writer] = new[-1].number
                found += new
        return Batch(tuple(found), positions)


def _append(connection: Connection, records: Sequence[Interaction | Feedback], writer: str) -> int:
    wanted = {(_kind(record), record.id): record for record in reversed(records)}
    for key in _known(connection, list(wanted)):
        del wanted[key]
    last = connection.scalar(select(func.max(events.c.number)).where(events.c.writer == writer))
    rows = [
        {
            "writer": writer,
            "number": number,
            "capability": record.capability,
            "kind": kind,
            "id": record.id,
            "record": record.model_dump_json(),
        }
        for number, ((kind, _), record) in enumerate(reversed(wanted.items()), (last or 0) + 1)
    ]
    if rows:
        connection.execute(insert(events), rows)
    return len(rows)


def _known(connection: Connection, keys: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(keys), ASKED):
        asked = keys[start : start + ASKED]
        same = [
            and_(events.c.kind == kind, events.c.id.in_([id for one, id in asked if one == kind]))
            for kind in RECORDS
        ]
        for row in connection.execute(select(events.c.kind, events.c.id).where(or_(*same))):
            yield row.kind, row.id


def _writers(connection: Connection, capability: str) -> Iterator[str]:
    """Each writer of a capability in order: one look into the index per writer, not per entry."""
    last = ""
    while True:
        found: str | None = connection.scalar(
            select(func.min(events.c.writer)).where(
                events.c.capability == capability, events.c.writer > last
            )
        )
        if found is None:
            return
        yield found
        last = found


def _after(
    connection: Connection, capability: str, position: tuple[str, int], limit: int
) -> list[Event]:
    writer, number = position
    query = (
        select(events.c.writer, events.c.number, events.c.kind, events.c.id, events.c.record)
        .where(
            events.c.capability == capability,
            events.c.writer == writer,
            events.c.number > number,
        )
        .order_by(events.c.number)
        .limit(limit)
    )
    return [Event(*row.tuple()) for row in connection.execute(query)]


def _kind(record: Interaction | Feedback) -> str:
    return "interaction" if isinstance(record, Interaction) else "feedback"
