"""The interaction log: every answered call and everything said about it later, durably."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError
from sqlalchemy import Column, Connection, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from opslayer.errors import StoreError
from opslayer.records import Exposure, Feedback, Interaction, Shadow, Start, Status
from opslayer.stores.ledger.database import forget_changes, moment_text, reading, transaction
from opslayer.stores.ledger.erasures import not_erased, refuse
from opslayer.stores.ledger.expiries import not_expired
from opslayer.stores.ledger.said import Named, said_time
from opslayer.stores.ledger.tables import events
from opslayer.stores.ledger.turns import LOG, share_turn, take_turn
from opslayer.stores.traffic import count

Said = Interaction | Feedback | Start | Exposure | Shadow
RECORDS: dict[str, type[Said]] = {
    "interaction": Interaction,
    "feedback": Feedback,
    "start": Start,
    "exposure": Exposure,
    "shadow": Shadow,
}
COLUMNS = (events.c.writer, events.c.number, events.c.kind, events.c.id, events.c.record)
"""What an `Event` is made of."""
PLACE = (events.c.writer, events.c.number, events.c.kind, events.c.id)
"""What an `Old` is made of."""
UNKNOWN = ""
"""The capability of feedback whose interaction has not come yet."""
NOBODY = "-"
"""The capability of what was erased; no file can be called so."""
ADOPTED = "adopted"
"""The writer of feedback whose interaction came later than itself."""
ATTEMPTS = 20
"""Times an append starts again because another process took its number or its id first."""
STEP = 1_000
"""Entries of a stretch that are held at once."""
ASKED = 500
"""Ids looked up in one statement: SQLite and PostgreSQL both bound its length."""
HEARD = (Status.ANSWERED.value, Status.INCOMPLETE.value)
"""How an interaction ended of which somebody got an answer, or a part of one."""


class Event(NamedTuple):
    """One entry of the log as it is kept."""

    writer: str
    number: int
    kind: str
    """One of RECORDS."""
    id: str
    text: str
    """The record as JSON."""

    def record(self) -> Said:
        """The entry read; raises pydantic's ValidationError where this code can't read it."""
        return RECORDS[self.kind].model_validate_json(self.text)

    def known(self) -> Said | None:
        """As `record`; None for what another version of this code wrote: ingest tells of it."""
        try:
            return self.record()
        except (ValidationError, KeyError):
            return None


class Entries(NamedTuple):
    """Some entries of one writer, in its order, as columns: an object for each of them costs more
    than to read it."""

    writer: str
    numbers: Sequence[int]
    kinds: Sequence[str]
    texts: Sequence[str]

    @classmethod
    def of(cls, events: Iterable[Event], limit: int) -> Iterator[Entries]:
        """Events as columns of at most so many."""
        for writer, its in groupby(events, itemgetter(0)):
            while some := [*islice(its, limit)]:
                numbers, kinds, _, texts = zip(*(one[1:] for one in some), strict=True)
                yield cls(writer, numbers, kinds, texts)

    def record(self, at: int) -> Said:
        """As `Event.record`."""
        return RECORDS[self.kinds[at]].model_validate_json(self.texts[at])


class Placed(Protocol):
    """What an entry is found by in its writer's order."""

    @property
    def writer(self) -> str: ...
    @property
    def number(self) -> int: ...


class Old(NamedTuple):
    """An entry that is to go, without what it says."""

    writer: str
    number: int
    kind: str
    id: str


class Row(Named, Protocol):
    """A record as text, with what it is found by."""

    @property
    def text(self) -> str: ...


class Appended(NamedTuple):
    """What came of an append."""

    new: int
    """Entries that the log did not have."""
    refused: frozenset[tuple[str, str]]
    """Kind and id of those that it takes in no more, since whom they are of was erased, or they are
    too old."""
    taken_out: int
    """Entries that it had, and that went with a refused call."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive entries of each writer, and where the next reading starts."""

    events: tuple[Event, ...]
    positions: dict[str, int]
    """Per writer the number of the last entry read."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The address of consecutive entries of each writer."""

    after: Mapping[str, int]
    """Per writer the number of the last entry before it; a writer not in it begins."""
    upto: Mapping[str, int]
    """Per writer that has entries in it, the number of the last one."""

    def __str__(self) -> str:
        ends = ", ".join(f"{writer} up to {number}" for writer, number in self.upto.items())
        return f"the log's entries of {ends}"

    @property
    def positions(self) -> dict[str, int]:
        """Where the next reading starts."""
        return {**self.after, **self.upto}


@dataclass(frozen=True, slots=True)
class Events:
    """The address of the log's database. Several processes may append at once."""

    url: str

    def append(self, records: Sequence[Said], writer: str) -> int:
        """Write records in one durable transaction; returns how many were new.

        A record whose kind and id are in the log already is ignored, whatever it says. `writer`
        names the process: entries of one writer are numbered 1, 2, 3, … in the order of writing.
        Raises StoreError where the database is away or full; nothing is written then.
        """
        return self.append_entries([_Text.of(record) for record in records], writer).new

    def append_entries(self, entries: Sequence[Row], writer: str) -> Appended:
        """As `append`, of records that are text already."""
        for attempt in range(ATTEMPTS):
            try:
                with transaction(self.url) as connection:
                    appended = _append(connection, entries, writer)
                if appended.taken_out:
                    forget_changes(self.url)
                return appended
            except IntegrityError:  # only where a database lets two transactions write at once
                time.sleep(0.01 * attempt)
        raise StoreError(f"writer {writer} is used by too many processes: give each its own name")

    @staticmethod
    def append_in(connection: Connection, records: Sequence[Said], writer: str) -> int:
        """As `append`, as a part of somebody's transaction on the log's own database."""
        return _append(connection, [_Text.of(record) for record in records], writer).new

    def interactions(self, ids: Sequence[str]) -> list[Interaction]:
        """The interactions of these ids that are in the log, in the order of the ids."""
        found = {}
        with reading(self.url) as connection:
            for start in range(0, len(ids), ASKED):
                some = ids[start : start + ASKED]
                query = select(events.c.id, events.c.record).where(
                    events.c.kind == "interaction", events.c.id.in_(some)
                )
                found.update({row.id: row.record for row in connection.execute(query)})
        return [Interaction.model_validate_json(found[id]) for id in ids if id in found]

    def known(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids the log has records of a kind of."""
        with reading(self.url) as connection:
            return {id for _, id in _known(connection, [(kind, id) for id in ids])}

    def feedback_about(self, interaction: Interaction) -> list[Feedback]:
        """Everything said about an interaction, in the order in which it was logged."""
        query = select(events.c.record).where(
            events.c.about == interaction.id, events.c.capability == interaction.capability
        )
        with reading(self.url) as connection:
            rows = connection.scalars(query.order_by(events.c.writer, events.c.number))
            return [Feedback.model_validate_json(row) for row in rows]

    def answered_by(
        self, capability: str, variants: Sequence[str], limit: int
    ) -> tuple[int, list[Interaction]]:
        """How many interactions got their answer from one of these variants, and the newest ids'.

        What was refused, failed or abandoned got none. Raises StoreError.
        """
        theirs = and_(
            events.c.capability == capability, events.c.answered_by.in_(sorted(set(variants)))
        )
        page = select(events.c.record).where(theirs).order_by(events.c.id.desc()).limit(limit)
        with reading(self.url) as connection:
            count = connection.scalar(select(func.count()).select_from(events).where(theirs))
            records = connection.scalars(page)
            return count or 0, [Interaction.model_validate_json(record) for record in records]

    def of_subject(self, subject: str) -> list[Event]:
        """Every entry that names a subject by its hash; reads the whole log."""
        query = select(*COLUMNS).where(
            events.c.record.contains(f'"subject":"{subject}"', autoescape=True)
        )
        with reading(self.url) as connection:
            return [Event(*row) for row in connection.execute(query)]

    def subjects(self) -> set[str]:
        """Every subject's hash that an entry names; reads the whole log."""
        query = select(events.c.record).execution_options(yield_per=ASKED)
        with reading(self.url) as connection:
            named = (fields_of(record).get("subject") for record in connection.scalars(query))
            return {str(subject) for subject in named if subject}

    def about(self, ids: Set[str]) -> list[Event]:
        """Every entry of these interactions, and all that was said about them."""
        found: list[Event] = []
        with reading(self.url) as connection:
            every = sorted(ids)
            for start in range(0, len(every), ASKED):
                some = every[start : start + ASKED]
                for its in (events.c.id, events.c.about):
                    rows = connection.execute(select(*COLUMNS).where(its.in_(some)))
                    found += [Event(*row) for row in rows]
        return found

    def older(self, capability: str, since: datetime, limit: int = 5_000) -> list[Old]:
        """Entries from before a moment, some at a time, each call with all that was said about it,
        whenever that was. Asked again after `remove`, the next ones. Raises StoreError."""
        mine = events.c.capability == capability
        old = select(*PLACE).where(mine, events.c.event_time < moment_text(since)).limit(limit)
        with reading(self.url) as connection:
            found = [Old(*row) for row in connection.execute(old)]
        said = self.said_of(capability, [one.id for one in found if one.kind == "interaction"])
        return list(dict.fromkeys([*found, *said]))

    def count_older(self, capability: str, since: datetime) -> int:
        """How many entries `older` finds in all."""
        mine, old = events.c.capability == capability, events.c.event_time < moment_text(since)
        calls = select(events.c.id).where(mine, old, events.c.kind == "interaction")
        query = select(func.count()).where(mine, or_(old, events.c.about.in_(calls)))
        with reading(self.url) as connection:
            return connection.scalar(query) or 0

    def said_of(self, capability: str, ids: Sequence[str]) -> list[Old]:
        """Everything said about interactions, or about rows of sources, by their ids."""
        found: list[Old] = []
        with reading(self.url) as connection:
            for start in range(0, len(ids), ASKED):
                its = events.c.about.in_(ids[start : start + ASKED])
                query = select(*PLACE).where(events.c.capability == capability, its)
                found += [Old(*row) for row in connection.execute(query)]
        return found

    def remove(self, gone: Sequence[Placed]) -> None:
        """Take entries out of the log for good, and out of the database's own log of changes.

        A writer's last number stays taken by an entry that says nothing: given out again, whoever
        has read past it would never see what comes under it.
        """
        with transaction(self.url) as connection:
            _remove(connection, gone)
        forget_changes(self.url)

    def adopt(self, limit: int = 1_000) -> int:
        """Give feedback that came before its interaction the capability that this has by now.

        It is numbered anew, so that no reader has passed it; what belongs to another tenant stays
        aside. Returns how many were given one.
        """
        waiting = self.read(UNKNOWN, {}, limit).events
        said = [record for event in waiting if isinstance(record := event.record(), Feedback)]
        there = {one.id: one for one in self.interactions([one.interaction_id for one in said])}
        known = [
            one.model_copy(update={"capability": there[one.interaction_id].capability})
            for one in said
            if one.interaction_id in there and there[one.interaction_id].tenant == one.tenant
        ]
        if known:
            with transaction(self.url) as connection:
                aside = events.c.capability == UNKNOWN
                ids = [one.id for one in known]
                connection.execute(
                    delete(events).where(aside, events.c.kind == "feedback", events.c.id.in_(ids))
                )
                _append(connection, [_Text.of(one) for one in known], ADOPTED)
        return len(known)

    def ends(self, capability: str) -> dict[str, int]:
        """Per writer of a capability the number of its last entry: what comes later is new."""
        with reading(self.url) as connection:
            return {
                writer: connection.scalar(
                    select(func.max(events.c.number)).where(
                        events.c.capability == capability, events.c.writer == writer
                    )
                )
                or 0
                for writer in _writers(connection, capability)
            }

    def newest(self, capability: str, limit: int) -> list[Event]:
        """The last entries of each writer of a capability, at most `limit` of each."""
        found: list[Event] = []
        with reading(self.url) as connection:
            for writer in _writers(connection, capability):
                query = (
                    select(*COLUMNS)
                    .where(events.c.capability == capability, events.c.writer == writer)
                    .order_by(events.c.number.desc())
                    .limit(limit)
                )
                found += [Event(*row) for row in connection.execute(query)]
        return found

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

    def pages(
        self, capability: str, after: Mapping[str, int], limit: int = 10_000
    ) -> Iterator[Batch]:
        """What `read` reads, batch by batch. The first that is not full is the last: what comes
        while it is worked on is for another time, or who takes longer over a batch than the next
        call takes to come would never end."""
        while (batch := self.read(capability, after, limit)).events:
            yield batch
            if len(batch.events) < limit:
                return
            after = batch.positions

    def stretches(self, capability: str, after: Mapping[str, int], limit: int) -> Iterator[Stretch]:
        """What `read` would read, stretch by stretch, without reading it: each of `limit` entries,
        the last of fewer. Entries that come meanwhile are in none."""
        positions, ends = dict(after), self.ends(capability)
        while True:
            with reading(self.url) as connection:
                upto = _reach(connection, capability, (positions, ends), limit)
            if not upto:
                return
            yield Stretch(positions, upto)
            positions = positions | upto

    def stretch(self, capability: str, stretch: Stretch) -> Iterator[Event]:
        """The entries of a stretch, in the order in which `read` gives them; those that were
        erased meanwhile are not there."""
        with reading(self.url) as connection:
            for writer in sorted(stretch.upto):
                query = _within(capability, stretch, writer, COLUMNS)
                for part in _parts(connection, query, STEP):
                    yield from map(Event._make, part)

    def columns(self, capability: str, stretch: Stretch, limit: int) -> Iterator[Entries]:
        """As `stretch`, at most `limit` entries at a time."""
        wanted = (events.c.number, events.c.kind, events.c.record)
        with reading(self.url) as connection:
            for writer in sorted(stretch.upto):
                query = _within(capability, stretch, writer, wanted)
                for part in _parts(connection, query, limit):
                    yield Entries(writer, *zip(*part, strict=True))


def _within(
    capability: str, stretch: Stretch, writer: str, columns: Sequence[Column[Any]]
) -> Select[Any]:
    """One writer's entries of a stretch, in their order."""
    return (
        select(*columns)
        .where(
            events.c.capability == capability,
            events.c.writer == writer,
            events.c.number > stretch.after.get(writer, 0),
            events.c.number <= stretch.upto[writer],
        )
        .order_by(events.c.number)
    )


def _parts(connection: Connection, query: Select[Any], limit: int) -> Iterator[Sequence[Any]]:
    """A query's rows, at most so many held at a time."""
    return connection.execute(query.execution_options(yield_per=limit)).partitions()


def _reach(
    connection: Connection,
    capability: str,
    between: tuple[Mapping[str, int], Mapping[str, int]],
    limit: int,
) -> dict[str, int]:
    """By writer, up to which number the next `limit` entries reach. It reads the index alone."""
    reach: dict[str, int] = {}
    after, ends = between
    for writer in sorted(ends):
        if limit <= 0:
            break
        some = (
            select(events.c.number)
            .where(
                events.c.capability == capability,
                events.c.writer == writer,
                events.c.number > after.get(writer, 0),
                events.c.number <= ends[writer],
            )
            .order_by(events.c.number)
            .limit(limit)
            .subquery()
        )
        last, count = connection.execute(select(func.max(some.c.number), func.count())).one()
        if count:
            reach[writer], limit = last, limit - count
    return reach


class _Text(NamedTuple):
    kind: str
    id: str
    capability: str
    text: str

    @classmethod
    def of(cls, record: Said) -> _Text:
        kind = next(name for name, its in RECORDS.items() if isinstance(record, its))
        return cls(kind, record.id, record.capability, record.model_dump_json())


def _append(connection: Connection, entries: Sequence[Row], writer: str) -> Appended:
    share_turn(connection, LOG)
    take_turn(connection, "writer", writer)  # reviewers share one, and so does who adopts
    read = [(entry, fields_of(entry.text)) for entry in entries]
    kept = not_erased(connection, read)
    taken_out = _refuse(connection, read) if len(kept) < len(read) else 0
    kept, now = not_expired(connection, kept), moment_text(datetime.now(UTC))
    wanted = {(entry.kind, entry.id): (entry, said) for entry, said in reversed(kept)}
    refused = frozenset((entry.kind, entry.id) for entry in entries) - wanted.keys()
    for key in _known(connection, list(wanted)):
        del wanted[key]
    rows = [
        {
            "writer": writer,
            "number": number,
            "capability": entry.capability,
            "kind": entry.kind,
            "id": entry.id,
            "record": entry.text,
            "event_time": said_time(said) or now,
            **_links(entry, said),
        }
        for number, (entry, said) in enumerate(
            reversed(wanted.values()), _last(connection, writer) + 1
        )
    ]
    if rows:
        connection.execute(insert(events), _in_order(connection, rows))
    count(connection, (said for one, said in wanted.values() if one.kind == "interaction"))
    return Appended(len(rows), refused, taken_out)


def _in_order(connection: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where several may write at once, in one order, so that of two who append the same entries
    none waits for the other for ever. SQLite, which has one writer, lays them down as they come:
    in the order in which they are read, or each would be looked for all over the file."""
    if connection.dialect.name == "sqlite":
        return rows
    return sorted(rows, key=itemgetter("kind", "id"))


def _refuse(connection: Connection, read: Sequence[tuple[Row, Mapping[str, Any]]]) -> int:
    """Take out what was said of calls that are refused before they came; returns how much."""
    ids = refuse(connection, read)
    its = select(*PLACE).where(events.c.capability == UNKNOWN, events.c.about.in_(ids))
    gone = [Old(*row) for row in connection.execute(its)] if ids else []
    _remove(connection, gone)
    return len(gone)


def _remove(connection: Connection, gone: Sequence[Placed]) -> None:
    numbers = defaultdict(set)
    for one in gone:
        numbers[one.writer].add(one.number)
    for writer, its in numbers.items():
        _take_out(connection, writer, sorted(its))


def _last(connection: Connection, writer: str) -> int:
    """A writer's last number; 0 before its first entry."""
    query = select(func.max(events.c.number)).where(events.c.writer == writer)
    return connection.scalar(query) or 0


def _take_out(connection: Connection, writer: str, numbers: Sequence[int]) -> None:
    """Remove entries of one writer, all but the number of its last one."""
    last = _last(connection, writer)
    its = events.c.writer == writer
    if last in numbers:
        husk = _husk(writer, last)
        connection.execute(update(events).where(its, events.c.number == last).values(**husk))
    for start in range(0, len(numbers), ASKED):
        some = [number for number in numbers[start : start + ASKED] if number != last]
        connection.execute(delete(events).where(its, events.c.number.in_(some)))


def _husk(writer: str, number: int) -> dict[str, str | None]:
    """What is left of an entry whose number must not come again."""
    return {
        "capability": NOBODY,
        "kind": "gone",
        "id": f"{writer}/{number}",
        "record": "{}",
        "about": None,
        "answered_by": None,
        "event_time": None,
    }


def fields_of(text: str) -> dict[str, Any]:
    """What a record's JSON says. Empty where it can't be read: it is kept all the same, and ingest
    tells of it."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _links(entry: Row, said: Mapping[str, Any]) -> dict[str, str | None]:
    """What an entry is found by beside its id."""
    heard = entry.kind == "interaction" and said and said.get("status", HEARD[0]) in HEARD
    return {
        "about": said.get("interaction_id") if entry.kind == "feedback" else None,
        "answered_by": said.get("variant") if heard else None,
    }


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
        select(*COLUMNS)
        .where(
            events.c.capability == capability,
            events.c.writer == writer,
            events.c.number > number,
        )
        .order_by(events.c.number)
        .limit(limit)
    )
    return [Event(*row) for row in connection.execute(query)]
