"""The reviewers' desk: which rows are to be looked at, who holds one, and what was said.

A row has seats: one, a second where it is due to be looked at twice, a third once two have
disagreed. A claim takes a seat until it lapses; the unique key (capability, row_id, seat) is the
compare-and-set. A lapsed claim keeps its seat until somebody else wants it, so that an answer that
comes late is taken where nobody was in the way. What a reviewer says is written to the interaction
log in the transaction that records the answer: a kill leaves both or neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from opslayer.records import Feedback
from opslayer.stores.events import Events
from opslayer.stores.ledger.database import moment_text, reading, transaction
from opslayer.stores.ledger.tables import queue, reviews
from opslayer.stores.ledger.turns import take_turn

DESK = "desk"
"""What reviewers of a capability take turns at: two who answer one row at once would each find no
other answer to disagree with."""
WRITER = "review"
"""The name under which the log has what reviewers said."""
PAGE = 200
"""Rows of the queue that are looked at together."""
ATTEMPTS = 20
"""Times a claim starts again because another reviewer was faster."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A row that is to be looked at."""

    row_id: str
    due: int = 1
    """How many reviewers are to look at it."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """Why it is here, and what was said of it when it was put here."""


@dataclass(frozen=True, slots=True)
class Review:
    """One reviewer's part in one row."""

    capability: str
    row_id: str
    reviewer: str
    status: str
    """`claimed`, `answered` or `skipped`."""
    at: datetime
    until: datetime | None
    """When a claim lapses."""
    said: int
    """Statements made so far about the row, those taken back included."""
    due: int
    record: Mapping[str, Any]
    """As it was queued; once answered, with the `value`."""
    seat: int | None = None


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants a row, when, and until when it is theirs."""

    capability: str
    reviewer: str
    now: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Reviews:
    """The address of the desk."""

    url: str

    def fill(self, capability: str, items: Sequence[Queued], built: datetime) -> bool:
        """Put a new order in the old one's place; False where another process just did."""
        rows = [
            {
                "capability": capability,
                "rank": rank,
                "row_id": item.row_id,
                "built": moment_text(built),
                "record": {**item.record, "due": item.due},
            }
            for rank, item in enumerate(items)
        ]
        try:
            with transaction(self.url) as connection:
                take_turn(connection, DESK, capability)
                connection.execute(delete(queue).where(queue.c.capability == capability))
                if rows:
                    connection.execute(insert(queue), rows)
        except IntegrityError:  # only where a database lets two transactions write at once
            return False
        return True

    def built(self, capability: str) -> datetime | None:
        """When the order was made; None where there is none."""
        query = select(func.max(queue.c.built)).where(queue.c.capability == capability)
        with reading(self.url) as connection:
            found = connection.scalar(query)
        return datetime.fromisoformat(found) if found else None

    def all(self, capability: str) -> list[Review]:
        """Every reviewer's part in every row, in the order of time."""
        query = select(reviews).where(reviews.c.capability == capability).order_by(reviews.c.at)
        with reading(self.url) as connection:
            return [_review(row) for row in connection.execute(query).mappings()]

    def waiting(self, capability: str, now: datetime) -> int:
        """Rows of the queue that nobody has answered or holds."""
        taken = select(reviews.c.row_id).where(
            reviews.c.capability == capability, reviews.c.seat.is_not(None), _busy(now)
        )
        query = select(func.count()).where(
            queue.c.capability == capability, queue.c.row_id.not_in(taken)
        )
        with reading(self.url) as connection:
            return int(connection.scalar(query) or 0)

    def claim(self, who: Claimant) -> Review | None:
        """The row that a reviewer is to look at; None where there is none for them.

        Whoever holds one gets it again, and for longer. Then come rows that another reviewer has
        answered and that are due once more, then the queue in its order.
        """
        for _ in range(ATTEMPTS):
            try:
                with transaction(self.url) as connection:
                    take_turn(connection, DESK, who.capability)
                    return _claim(connection, who)
            except IntegrityError:  # only where a database lets two transactions write at once
                continue
        return None

    def part(self, capability: str, row_id: str, reviewer: str) -> Review | None:
        """A reviewer's part in a row; None where there is none."""
        query = select(reviews).where(
            reviews.c.capability == capability,
            reviews.c.row_id == row_id,
            reviews.c.reviewer == reviewer,
        )
        with reading(self.url) as connection:
            row = connection.execute(query).mappings().first()
        return _review(row) if row else None

    def last(self, capability: str, reviewer: str) -> Review | None:
        """What a reviewer answered last."""
        query = (
            _mine(capability, reviewer, "answered")
            .order_by(reviews.c.at.desc(), reviews.c.row_id)
            .limit(1)
        )
        with reading(self.url) as connection:
            row = connection.execute(query).mappings().first()
        return _review(row) if row else None

    def answer(self, held: Review, statement: Feedback) -> bool:
        """Record an answer and log what it says; False where the claim is no longer as `held`."""
        record = {**held.record, "value": statement.value}
        with transaction(self.url) as connection:
            take_turn(connection, DESK, held.capability)
            done = _turn(connection, held, status="answered", record=record, statement=statement)
            if done:
                _settle_due(connection, held)
        return done

    def skip(self, held: Review, at: datetime) -> bool:
        """Leave a row to others; False where the claim is no longer as `held`."""
        with transaction(self.url) as connection:
            return _turn(connection, held, status="skipped", at=moment_text(at), seat=None)

    def undo(self, answered: Review, statement: Feedback, until: datetime) -> bool:
        """Take an answer back, and hold the row again; False where it is no longer as it was."""
        record = {name: its for name, its in answered.record.items() if name != "value"}
        with transaction(self.url) as connection:
            take_turn(connection, DESK, answered.capability)
            values = {"status": "claimed", "until": moment_text(until), "record": record}
            done = _turn(connection, answered, statement=statement, **values)
            if done:
                _settle_due(connection, answered)
        return done

    def rows(self, capability: str) -> set[str]:
        """Rows of a capability that are in the queue, or of which a reviewer has a part."""
        with reading(self.url) as connection:
            return {
                row_id
                for table in (queue, reviews)
                for row_id in connection.scalars(
                    select(table.c.row_id).where(table.c.capability == capability)
                )
            }

    def forget(self, row_ids: Sequence[str], capability: str | None = None) -> int:
        """Remove rows from the queue, with what reviewers said of them; returns how many parts.

        Ids of interactions are unique; those of a source are so within its `capability`.
        """
        removed = 0
        with transaction(self.url) as connection:
            for start in range(0, len(row_ids), PAGE):
                some = row_ids[start : start + PAGE]
                for table in (queue, reviews):
                    gone = delete(table).where(table.c.row_id.in_(some))
                    if capability is not None:
                        gone = gone.where(table.c.capability == capability)
                    removed += connection.execute(gone).rowcount
        return removed


def _turn(
    connection: Connection, before: Review, *, statement: Feedback | None = None, **values: Any
) -> bool:
    """Change a reviewer's part in a row if it still is what it was, and log what is said."""
    if statement:
        values |= {"said": before.said + 1, "at": moment_text(statement.known_time)}
    turned = connection.execute(
        update(reviews)
        .where(
            *_key(before),
            reviews.c.status == before.status,
            reviews.c.said == before.said,
            reviews.c.seat.is_not(None),
        )
        .values(**values)
    )
    if turned.rowcount and statement:
        Events.append_in(connection, [statement], WRITER)
    return bool(turned.rowcount)


def _settle_due(connection: Connection, review: Review) -> None:
    """A third reviewer is asked while two disagree; without a value nobody does."""
    same = and_(reviews.c.capability == review.capability, reviews.c.row_id == review.row_id)
    rows = connection.execute(select(reviews).where(same, reviews.c.status == "answered"))
    said = [row["record"]["value"] for row in rows.mappings()]
    wanted = review.record.get("due", 1)
    due = max(wanted, 3) if len(said) == 2 and len(set(said)) == 2 else wanted
    connection.execute(update(reviews).where(same).values(due=max(due, len(said))))


def _claim(connection: Connection, who: Claimant) -> Review | None:
    own = _own(connection, who.capability, who.reviewer)
    if own is not None:
        connection.execute(update(reviews).where(*_key(own)).values(until=moment_text(who.until)))
        return _own(connection, who.capability, who.reviewer)
    for item in _offers(connection, who):
        if _sit(connection, who, item):
            return _own(connection, who.capability, who.reviewer)
    return None


def _offers(connection: Connection, who: Claimant) -> Iterator[Queued]:
    yield from _due_again(connection, who)
    rank = -1
    while True:
        query = (
            select(queue.c.rank, queue.c.row_id, queue.c.record)
            .where(queue.c.capability == who.capability, queue.c.rank > rank)
            .order_by(queue.c.rank)
            .limit(PAGE)
        )
        page = connection.execute(query).all()
        if not page:
            return
        rank = page[-1].rank
        items = [Queued(row.row_id, row.record["due"], row.record) for row in page]
        parts = _parts(connection, who.capability, [item.row_id for item in items])
        yield from (item for item in items if _fits(parts[item.row_id], who, item.due))


def _due_again(connection: Connection, who: Claimant) -> list[Queued]:
    """Rows that have answers, and fewer seats taken than reviewers they are for."""
    query = (
        select(reviews.c.row_id, func.max(reviews.c.due))
        .where(reviews.c.capability == who.capability, reviews.c.seat.is_not(None))
        .group_by(reviews.c.row_id)
        .having(
            func.max(reviews.c.due) > 1,
            func.sum(_one_if_answered()) >= 1,
            func.sum(_one_if_answered()) < func.max(reviews.c.due),
        )
        .order_by(func.min(reviews.c.at))
        .limit(PAGE)
    )
    found = connection.execute(query).all()
    parts = _parts(connection, who.capability, [row_id for row_id, _ in found])
    return [
        Queued(row_id, due, _as_queued(parts[row_id]))
        for row_id, due in found
        if _fits(parts[row_id], who, due)
    ]


def _one_if_answered() -> Any:
    from sqlalchemy import case

    return case((reviews.c.status == "answered", 1), else_=0)


def _as_queued(parts: Sequence[RowMapping]) -> Mapping[str, Any]:
    """A row's record without what the first reviewer said: the second one is not to see it."""
    return {name: its for name, its in parts[0]["record"].items() if name != "value"}


def _parts(
    connection: Connection, capability: str, row_ids: Sequence[str]
) -> defaultdict[str, list[RowMapping]]:
    parts: defaultdict[str, list[RowMapping]] = defaultdict(list)
    query = select(reviews).where(reviews.c.capability == capability, reviews.c.row_id.in_(row_ids))
    for row in connection.execute(query.order_by(reviews.c.at)).mappings():
        parts[row["row_id"]].append(row)
    return parts


def _fits(parts: Sequence[RowMapping], who: Claimant, due: int) -> bool:
    """Whether a seat is free, and the reviewer has not answered or skipped the row."""
    if any(part["reviewer"] == who.reviewer and part["status"] != "claimed" for part in parts):
        return False
    return sum(not _free(part, who.now) for part in parts) < due


def _free(part: RowMapping, now: datetime) -> bool:
    lapsed = part["status"] == "claimed" and part["until"] <= moment_text(now)
    return part["seat"] is None or lapsed


def _busy(now: datetime) -> Any:
    return (reviews.c.status == "answered") | (reviews.c.until > moment_text(now))


def _sit(connection: Connection, who: Claimant, item: Queued) -> bool:
    """Take the first free seat at a row; lapsed claims of others lose theirs."""
    parts = _parts(connection, who.capability, [item.row_id])[item.row_id]
    if not _fits(parts, who, item.due):
        return False
    same = and_(reviews.c.capability == who.capability, reviews.c.row_id == item.row_id)
    lapsed = and_(reviews.c.status == "claimed", reviews.c.until <= moment_text(who.now))
    connection.execute(update(reviews).where(same, lapsed).values(seat=None))
    taken = {part["seat"] for part in parts if not _free(part, who.now)}
    values = {
        "seat": next(seat for seat in range(item.due) if seat not in taken),
        "status": "claimed",
        "at": moment_text(who.now),
        "until": moment_text(who.until),
        "due": item.due,
        "record": dict(item.record),
    }
    mine = update(reviews).where(same, reviews.c.reviewer == who.reviewer).values(**values)
    if not connection.execute(mine).rowcount:
        key = {"capability": who.capability, "row_id": item.row_id, "reviewer": who.reviewer}
        connection.execute(insert(reviews).values(**key, **values, said=0))
    return True


def _own(connection: Connection, capability: str, reviewer: str) -> Review | None:
    query = _mine(capability, reviewer, "claimed").where(reviews.c.seat.is_not(None))
    row = connection.execute(query.order_by(reviews.c.at.desc()).limit(1)).mappings().first()
    return _review(row) if row else None


def _mine(capability: str, reviewer: str, status: str) -> Any:
    return select(reviews).where(
        reviews.c.capability == capability,
        reviews.c.reviewer == reviewer,
        reviews.c.status == status,
    )


def _key(review: Review) -> tuple[Any, ...]:
    return (
        reviews.c.capability == review.capability,
        reviews.c.row_id == review.row_id,
        reviews.c.reviewer == review.reviewer,
    )


def _review(row: RowMapping) -> Review:
    until = datetime.fromisoformat(row["until"]) if row["until"] else None
    return Review(**{**row, "at": datetime.fromisoformat(row["at"]), "until": until})
