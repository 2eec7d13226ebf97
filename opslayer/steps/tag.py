"""Tagging rows by the rules of a capability's file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability, Condition, TagRule
from opslayer.engine import HERE, Executor
from opslayer.judgement.labels import rule_digest, rule_tag_id
from opslayer.records import TagSource
from opslayer.steps.inputs import read_inputs
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, Staged, moment, schema

SLICE = 100_000
"""Rows that are tagged at once, where an hour has no more."""
HOUR = timedelta(hours=1)

Earlier = dict[tuple[str, str], list[str]]
"""Ids of the tags that earlier versions of a rule gave to a row, by (row_id, rule)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of some time: what one piece of a tagging is about."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"the rows from {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}"

    @property
    def where(self) -> str:
        """Which rows, and tags of rows, these are, in the lake's SQL."""
        return f"event_time >= {moment(self.since)} AND event_time < {moment(self.until)}"


def tag(capability: Capability, stores: Stores, as_of: datetime, executor: Executor = HERE) -> int:
    """Apply `labels.rules` to every row known at `as_of`; returns how many tags were appended.

    A tag says: source `rule`, by the rule's name, with its confidence, known since the row was. Its
    id follows from the row and the rule's wording, and all tags of a run are one commit, so that a
    second run and one after a kill append only what is missing. A reworded rule's tag supersedes
    the old wording's. A rule taken out needs no withdrawal: views leave out tags whose rule is not
    in the file, word for word (`opslayer.judgement.labels.in_force`).

    A missing value meets no condition. Patterns are RE2, and were compiled once when the file was
    read, so a wrong one is refused there.

    Slices of the rows are tagged by `executor`, which lays their tags beside the table, unseen.
    Raises StoreError where the lake, or the engine, is away.
    """
    if not capability.labels.rules:
        return 0
    slices = _slices(capability, stores, as_of)
    if len(slices) == 1 and not executor.elsewhere:
        fresh = _fresh(capability, stores, as_of, slices[0])
        stores.lake.append(capability, "tags", fresh)
        return int(fresh.num_rows)
    staged: list[tuple[Staged, int]] = []
    try:
        for one in executor.map(partial(_stage, capability, stores, as_of), slices):
            staged += one
        if staged:
            stores.lake.commit(capability, "tags", [one for one, _ in staged])
    except BaseException:
        stores.lake.discard(capability, "tags", [one for one, _ in staged])
        raise
    return sum(count for _, count in staged)


def _slices(capability: Capability, stores: Stores, as_of: datetime) -> list[Slice]:
    """The rows' whole time, in slices of whole hours with some `SLICE` rows each."""
    sql = f"""
        SELECT date_trunc('hour', event_time) AS hour, count(*) AS rows
        FROM rows WHERE {_known(as_of)} GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - nothing but times
    slices: list[Slice] = []
    begin, held = None, 0
    for hour in stores.lake.query(capability, sql, ("rows",)).to_pylist():
        begin, held = begin or hour["hour"], held + hour["rows"]
        if held >= SLICE:
            slices.append(Slice(begin, hour["hour"] + HOUR))
            begin, held = None, 0
    if begin is not None:
        slices.append(Slice(begin, hour["hour"] + HOUR))
    return slices


def _known(as_of: datetime) -> str:
    return f"known_time <= {moment(as_of)} AND event_time <= {moment(as_of)}"


def _stage(
    capability: Capability, stores: Stores, as_of: datetime, part: Slice
) -> list[tuple[Staged, int]]:
    """Lay a slice's new tags beside the table; nothing where there are none."""
    fresh = _fresh(capability, stores, as_of, part)
    return [(stores.lake.stage(capability, "tags", fresh), len(fresh))] if len(fresh) else []


def _fresh(capability: Capability, stores: Stores, as_of: datetime, part: Slice) -> pa.Table:
    """The tags of a slice's rows that are not in the lake."""
    rules = capability.labels.rules
    columns = dict.fromkeys(rule.when.column for rule in rules)
    rows = read_inputs(capability, stores, columns, f"{_known(as_of)} AND {part.where}")
    given, earlier = _given(capability, stores, part)
    fresh = pa.concat_tables(
        _tags(capability, rule, rows.filter(_meets(rows, rule.when)), earlier) for rule in rules
    )
    return fresh.filter(pc.invert(pc.is_in(fresh["id"], value_set=given)))


def _meets(rows: pa.Table, when: Condition) -> pa.ChunkedArray:
    values = rows[INPUT + when.column]
    if when.matches is not None:
        return pc.match_substring_regex(values, when.matches)
    if when.equals is not None:
        return pc.equal(values, when.equals)
    if when.above is not None:
        return pc.greater(values, when.above)
    return pc.less(values, when.below)


def _given(capability: Capability, stores: Stores, part: Slice) -> tuple[pa.Array, Earlier]:
    """Ids of every rule tag of a slice's rows, and those that nothing supersedes yet."""
    sql = f"""
        SELECT id, row_id, "by", supersedes FROM tags
        WHERE source = '{TagSource.RULE.value}' AND {part.where}
    """  # noqa: S608 - a constant and times
    tags = stores.lake.query(capability, sql, ("tags",))
    superseded = pc.is_in(tags["id"], value_set=tags["supersedes"].combine_chunks().drop_null())
    earlier: Earlier = {}
    for made in tags.filter(pc.invert(superseded)).to_pylist():
        earlier.setdefault((made["row_id"], made["by"]), []).append(made["id"])
    return tags["id"].combine_chunks(), earlier


def _tags(capability: Capability, rule: TagRule, rows: pa.Table, earlier: Earlier) -> pa.Table:
    row_ids = rows["row_id"].to_pylist()
    digest = rule_digest(rule)
    count = len(row_ids)
    columns = {
        "id": [rule_tag_id(row_id, rule.name, digest) for row_id in row_ids],
        "row_id": rows["row_id"],
        "value": [rule.value] * count,
        "source": [TagSource.RULE.value] * count,
        "by": [rule.name] * count,
        "confidence": [rule.confidence] * count,
        "event_time": rows["event_time"],
        "known_time": rows["known_time"],
        "supersedes": [
            max(earlier.get((row_id, rule.name), ()), default=None) for row_id in row_ids
        ],
    }
    return pa.table(columns, schema=schema(capability, "tags"))
