"""Tagging rows by the rules of a capability's file."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability, Condition, TagRule
from opslayer.judgement.labels import rule_digest, rule_tag_id
from opslayer.records import TagSource
from opslayer.steps.inputs import read_inputs
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, moment, schema

Earlier = dict[tuple[str, str], list[str]]
"""Ids of the tags that earlier versions of a rule gave to a row, by (row_id, rule)."""


def tag(capability: Capability, stores: Stores, as_of: datetime) -> int:
    """Apply `labels.rules` to every row known at `as_of`; returns how many tags were appended.

    A tag says: source `rule`, by the rule's name, with its confidence, known since the row was. Its
    id follows from the row and the rule's wording, and all tags of a run are one commit, so that a
    second run and one after a kill append only what is missing. A reworded rule's tag supersedes
    the old wording's. A rule taken out needs no withdrawal: views leave out tags whose rule is not
    in the file, word for word (`opslayer.judgement.labels.in_force`).

    A missing value meets no condition. Patterns are RE2, and were compiled once when the file was
    read, so a wrong one is refused there.
    """
    rules = capability.labels.rules
    if not rules:
        return 0
    known = f"known_time <= {moment(as_of)} AND event_time <= {moment(as_of)}"
    columns = dict.fromkeys(rule.when.column for rule in rules)
    rows = read_inputs(capability, stores, columns, known)
    given, earlier = _given(capability, stores)
    fresh = pa.concat_tables(
        _tags(capability, rule, rows.filter(_meets(rows, rule.when)), earlier) for rule in rules
    )
    fresh = fresh.filter(pc.invert(pc.is_in(fresh["id"], value_set=given)))
    stores.lake.append(capability, "tags", fresh)
    return int(fresh.num_rows)


def _meets(rows: pa.Table, when: Condition) -> pa.ChunkedArray:
    values = rows[INPUT + when.column]
    if when.matches is not None:
        return pc.match_substring_regex(values, when.matches)
    if when.equals is not None:
        return pc.equal(values, when.equals)
    if when.above is not None:
        return pc.greater(values, when.above)
    return pc.less(values, when.below)


def _given(capability: Capability, stores: Stores) -> tuple[pa.Array, Earlier]:
    """Ids of every rule tag in the lake, and those that nothing supersedes yet."""
    sql = f"""
        SELECT id, row_id, "by", supersedes FROM tags WHERE source = '{TagSource.RULE.value}'
    """  # noqa: S608 - a constant
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
