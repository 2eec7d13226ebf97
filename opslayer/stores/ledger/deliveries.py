"""What is on its way to webhooks: an outbox made from the verdicts, so that none is forgotten.

A verdict is on its way to a webhook once at most. Which ones are missing is asked of the tables
each time and not of a remembered place: a verdict that was numbered early and committed late would
lie behind it. A row may be forgotten only together with its verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select, update

from opslayer.capability import HookEvent, Webhook
from opslayer.errors import NotFound
from opslayer.records import VerdictKind, digest_of
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.tables import deliveries, verdicts, webhooks

LEASE = timedelta(seconds=60)
"""For which an attempt is its sender's own: longer than one takes. Then another sender tries."""

LONGEST = timedelta(hours=12)
"""Between two attempts, at most: one that is due later was put off by a clock that was wrong."""

PORTION = 500
"""Verdicts taken up in one transaction."""

Status = Literal["waiting", "delivered", "failed", "stopped"]
BACK = ("rollback", "rolled_back")


class Heard(NamedTuple):
    """The verdicts that are an event: of a kind, with some outcomes, or with all but some."""

    kind: VerdictKind
    outcomes: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


HEARD = {
    HookEvent.ALARM: Heard(VerdictKind.ALARM, ("alarm",)),
    HookEvent.HARM: Heard(VerdictKind.HARM, ("harm",)),
    HookEvent.RELEASE: Heard(VerdictKind.PROMOTION, but=BACK),
    HookEvent.ROLLBACK: Heard(VerdictKind.PROMOTION, BACK),
    HookEvent.EXPERIMENT: Heard(VerdictKind.EXPERIMENT, but=("shares",)),
    HookEvent.CANARY: Heard(VerdictKind.CANARY),
    HookEvent.SHADOW: Heard(VerdictKind.SHADOW),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verdict on its way to one webhook."""

    id: str
    capability: str
    hook: str
    event: HookEvent
    verdict: str
    status: Status
    attempts: int
    """How many were begun, those included whose sender died."""
    created: datetime
    due: datetime
    """The next attempt, while it waits."""
    tried: datetime | None
    code: int | None
    """HTTP status of the last answer."""
    reason: str | None
    """Why the last attempt was in vain."""


class Result(NamedTuple):
    """What came of an attempt."""

    status: Status
    """`waiting` where it is tried again, `stopped` where the webhook asks for no more."""
    due: datetime
    code: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of an installation. Methods raise StoreError where the database is away."""

    url: str

    def notice(self, capability: str, hook: Webhook, now: datetime) -> int:
        """Put every verdict that a webhook is to be told of on its way; returns how many.

        A webhook that was never seen before is told of what comes from now on.
        """
        with reading(self.url) as connection:
            known = _hook(connection, capability, hook)
            same = known is not None and known.gone in (None, _place(hook))
            if known is not None and same and not any(_missing(connection, known, hook)):
                return 0
        with transaction(self.url) as connection:
            known = _hook(connection, capability, hook) or _first_seen(connection, capability, hook)
            if known.gone not in (None, _place(hook)):
                _set_gone(connection, capability, hook.name, None)
                gone = False
            else:
                gone = known.gone is not None
            rows = [_new(known, *one, gone, now) for one in _missing(connection, known, hook)]
            return sum(add_new(connection, deliveries, row) for row in rows)

    def due(self, capability: str, hook: str, now: datetime, limit: int) -> Listed:
        """Those to be attempted now, the one that has waited longest first."""
        at, never = moment_text(now), moment_text(now + LONGEST)
        query = select(deliveries).where(
            deliveries.c.capability == capability,
            deliveries.c.hook == hook,
            deliveries.c.status == "waiting",
            (deliveries.c.due <= at) | (deliveries.c.due > never),
        )
        return self._read(query.order_by(deliveries.c.due, deliveries.c.id).limit(limit))

    def claim(self, delivery: Delivery, now: datetime) -> Delivery | None:
        """Begin an attempt; None where another sender began it."""
        mine = update(deliveries).where(
            deliveries.c.id == delivery.id,
            deliveries.c.status == "waiting",
            deliveries.c.attempts == delivery.attempts,
        )
        begun = {"attempts": delivery.attempts + 1, "tried": moment_text(now)}
        with transaction(self.url) as connection:
            if not connection.execute(mine.values(**begun, due=moment_text(now + LEASE))).rowcount:
                return None
        return self.get(delivery.id)

    def settle(self, delivery: Delivery, hook: Webhook, result: Result) -> None:
        """Keep what came of an attempt.

        That it arrived counts however late it is heard; that it did not, only while no other
        sender has begun the next attempt.
        """
        row = deliveries.c.id == delivery.id
        if result.status != "delivered":
            row &= deliveries.c.attempts == delivery.attempts
            row &= deliveries.c.status == "waiting"
        values = {"status": result.status, "code": result.code, "reason": result.reason}
        with transaction(self.url) as connection:
            connection.execute(
                update(deliveries).where(row).values(**values, due=moment_text(result.due))
            )
            if result.status == "stopped":
                _set_gone(connection, delivery.capability, hook.name, _place(hook))
                others = (deliveries.c.hook == hook.name, deliveries.c.status == "waiting")
                connection.execute(
                    update(deliveries)
                    .where(deliveries.c.capability == delivery.capability, *others)
                    .values(status="stopped", reason=result.reason)
                )

    def reopen(self, id: str, now: datetime) -> Delivery:
        """Let a delivery begin anew, whatever came of it, and its webhook be asked again.

        Raises NotFound for an unknown one.
        """
        with transaction(self.url) as connection:
            found = _find(connection, id)
            _set_gone(connection, found.capability, found.hook, None)
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == id)
                .values(status="waiting", attempts=0, due=moment_text(now), reason=None, code=None)
            )
        return self.get(id)

    def get(self, id: str) -> Delivery:
        """One delivery; raises NotFound."""
        with reading(self.url) as connection:
            return _find(connection, id)

    def newest(self, capability: str | None = None, hook: str | None = None) -> Listed:
        """The newest 200, of all, of a capability or of one of its webhooks; the newest first."""
        query = select(deliveries)
        if capability is not None:
            query = query.where(deliveries.c.capability == capability)
        if hook is not None:
            query = query.where(deliveries.c.hook == hook)
        return self._read(query.order_by(deliveries.c.created.desc(), deliveries.c.id).limit(200))

    def gone(self, capability: str, hook: Webhook) -> bool:
        """Whether the webhook, at the address it has now, has asked for no more."""
        with reading(self.url) as connection:
            known = _hook(connection, capability, hook)
        return known is not None and known.gone == _place(hook)

    def _read(self, query: Select[Any]) -> Listed:
        with reading(self.url) as connection:
            return [_delivery(row) for row in connection.execute(query)]


Listed = list[Delivery]


def _place(hook: Webhook) -> str:
    return digest_of(hook.url)


def _hook(connection: Connection, capability: str, hook: Webhook) -> Row[Any] | None:
    query = select(webhooks).where(
        webhooks.c.capability == capability, webhooks.c.name == hook.name
    )
    return connection.execute(query).first()


def _first_seen(connection: Connection, capability: str, hook: Webhook) -> Row[Any]:
    since = connection.scalar(select(func.coalesce(func.max(verdicts.c.sequence), 0)))
    row = {"capability": capability, "name": hook.name, "since": since, "gone": None}
    add_new(connection, webhooks, row)
    found = _hook(connection, capability, hook)
    assert found is not None
    return found


def _set_gone(connection: Connection, capability: str, hook: str, place: str | None) -> None:
    its = (webhooks.c.capability == capability, webhooks.c.name == hook)
    connection.execute(update(webhooks).where(*its).values(gone=place))


def _missing(
    connection: Connection, known: Row[Any], hook: Webhook
) -> Iterator[tuple[HookEvent, str]]:
    """Verdicts that the webhook is to be told of and that are not on their way, as ids."""
    there = exists().where(
        deliveries.c.capability == known.capability,
        deliveries.c.hook == known.name,
        deliveries.c.verdict == verdicts.c.id,
    )
    since = (verdicts.c.capability == known.capability, verdicts.c.sequence > known.since)
    for event in hook.events:
        query = select(verdicts.c.id).where(*since, *_is(event), ~there)
        query = query.order_by(verdicts.c.sequence).limit(PORTION)
        yield from ((event, id) for id in connection.scalars(query).all())


def _is(event: HookEvent) -> list[ColumnElement[bool]]:
    heard, outcome = HEARD[event], verdicts.c.record["outcome"].as_string()
    tests: list[ColumnElement[bool]] = [verdicts.c.kind == heard.kind.value]
    if heard.outcomes:
        tests.append(outcome.in_(heard.outcomes))
    if heard.but:
        tests.append(outcome.not_in(heard.but))
    return tests


def _new(
    known: Row[Any], event: HookEvent, verdict: str, gone: bool, now: datetime
) -> dict[str, Any]:
    return {
        "id": digest_of(known.capability, known.name, verdict),
        "capability": known.capability,
        "hook": known.name,
        "event": event.value,
        "verdict": verdict,
        "status": "stopped" if gone else "waiting",
        "attempts": 0,
        "created": moment_text(now),
        "due": moment_text(now),
        "reason": "the webhook has asked for no more" if gone else None,
    }


def _find(connection: Connection, id: str) -> Delivery:
    row = connection.execute(select(deliveries).where(deliveries.c.id == id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {id}: `opslayer webhooks list` shows them")
    return _delivery(row)


def _delivery(row: Row[Any]) -> Delivery:
    times = {
        name: datetime.fromisoformat(text) if (text := getattr(row, name)) else None
        for name in ("created", "due", "tried")
    }
    return Delivery(**{**row._asdict(), **times, "event": HookEvent(row.event)})
