"""What the taggers said: of one call, and of all lately."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from opslayer.errors import NotFound, OpslayerError
from opslayer.records import Interaction
from opslayer.stores import Stores

Found = dict[str, Any]


class Count(NamedTuple):
    """How many calls a tagger gave a value."""

    value: str
    calls: int


def facets_of(stores: Stores, one: Interaction) -> list[Found] | None:
    """A call's facets, each by its tagger's newest version that has spoken; None where the lake
    can't be read."""
    from opslayer.stores.lake import literal, moment

    sql = f"""
        SELECT name, value, confidence, source, "by", known_time FROM facets
        WHERE known_time >= {moment(one.event_time)} AND row_id = {literal(one.id)}
        ORDER BY name, confidence DESC, value
    """  # noqa: S608 - quoted
    try:
        rows = stores.lake.look(one.capability, sql, {"facets": None}).to_pylist()
    except NotFound:
        return []
    except OpslayerError:
        return None
    return [{**row, "known_time": row["known_time"].isoformat()} for row in _newest(rows)]


def facet_counts(stores: Stores, capability: str, since: datetime) -> dict[str, list[Count]]:
    """By facet, how often its tagger's newest version gave each value to calls since a moment; the
    most frequent first. A call may have several failures, and guard hits.

    Raises StoreError where the lake can't be read.
    """
    from opslayer.stores.lake import moment

    sql = f"""
        SELECT name, "by", value, count(*) AS calls FROM facets
        WHERE known_time >= {moment(since)} AND event_time >= {moment(since)}
        GROUP BY name, "by", value ORDER BY name, calls DESC, value
    """  # noqa: S608 - a time
    try:
        rows = stores.lake.look(capability, sql, {"facets": None}).to_pylist()
    except NotFound:
        return {}
    found: dict[str, list[Count]] = {}
    for row in _newest(rows):
        found.setdefault(row["name"], []).append(Count(row["value"], row["calls"]))
    return found


def _newest(rows: Iterable[Found]) -> list[Found]:
    """Those by the newest version of each tagger."""
    every = list(rows)
    newest: dict[str, int] = {}
    for row in every:
        newest[row["name"]] = max(newest.get(row["name"], 0), _version(row))
    return [row for row in every if _version(row) == newest[row["name"]]]


def _version(row: Found) -> int:
    return int(row["by"].rpartition("@")[2])
