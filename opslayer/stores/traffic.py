"""How many calls each variant got, by the hour: counted as they are logged, so that nobody has to
read the log to know. No count names anybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, update

from opslayer.stores.ledger.database import add_new, reading
from opslayer.stores.ledger.money import amount_of, billionths
from opslayer.stores.ledger.tables import traffic

ANSWERED = "answered"


class Calls(NamedTuple):
    """What a variant was asked in some time."""

    variant: str
    calls: int
    unanswered: int
    """Of them, those that came to no answer: refused, failed, broken off or left."""
    fallbacks: int
    """Of them, those that a later variant of the chain answered."""
    cost: float
    latency_ms: float
    """The mean."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The address of the counts."""

    url: str

    def by_variant(self, capability: str, since: datetime) -> list[Calls]:
        """By variant, everything from the hour of a moment on; the busiest first."""
        total = func.sum(traffic.c.calls)
        query = (
            select(traffic.c.variant, *(func.sum(column) for column in SUMS))
            .where(traffic.c.capability == capability, traffic.c.hour >= hour_of(since))
            .group_by(traffic.c.variant)
            .order_by(total.desc())
        )
        with reading(self.url) as connection:
            return [_calls(*row) for row in connection.execute(query)]

    def calls(self, capability: str, since: datetime) -> int:
        """How many calls there were from the hour of a moment on."""
        query = select(func.sum(traffic.c.calls)).where(
            traffic.c.capability == capability, traffic.c.hour >= hour_of(since)
        )
        with reading(self.url) as connection:
            return int(connection.scalar(query) or 0)


def count(connection: Connection, records: Iterable[Mapping[str, Any]]) -> None:
    """Count interactions that are logged in the same transaction, as their JSON says them."""
    added: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * len(SUMS))
    for record in records:
        try:
            key, values = _counted(record)
        except (ValueError, KeyError, TypeError):
            continue  # written by another version of this code: ingest tells of it
        added[key] = [old + new for old, new in zip(added[key], values, strict=True)]
    for (capability, hour, variant), values in sorted(added.items()):
        _add(connection, {"capability": capability, "hour": hour, "variant": variant}, values)


SUMS = (
    traffic.c.calls,
    traffic.c.unanswered,
    traffic.c.fallbacks,
    traffic.c.cost,
    traffic.c.latency_us,
)


def _counted(record: Mapping[str, Any]) -> tuple[tuple[str, str, str], list[int]]:
    at = datetime.fromisoformat(record["event_time"])
    values = [
        1,
        int(record.get("status", ANSWERED) != ANSWERED),
        int(record.get("fallback") is not None),
        billionths(record.get("cost", 0.0)),
        round(1_000 * record.get("latency_ms", 0.0)),
    ]
    return (record["capability"], hour_of(at), record["variant"]), values


def _add(connection: Connection, key: dict[str, str], values: list[int]) -> None:
    there = [traffic.c[name] == said for name, said in key.items()]
    more = {column.name: column + value for column, value in zip(SUMS, values, strict=True)}
    grown = update(traffic).where(*there).values(more)
    if connection.execute(grown).rowcount:
        return
    first = {column.name: value for column, value in zip(SUMS, values, strict=True)}
    if not add_new(connection, traffic, {**key, **first}):
        connection.execute(grown)  # another process has begun this hour just now


def hour_of(moment: datetime) -> str:
    """The hour of a moment as the table keeps it: `2026-05-06T07`, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H}"


def _calls(variant: str, *sums: Any) -> Calls:
    calls, unanswered, fallbacks, cost, latency = (int(one) for one in sums)
    mean = latency / calls / 1_000 if calls else 0.0
    return Calls(variant, calls, unanswered, fallbacks, amount_of(cost), mean)
