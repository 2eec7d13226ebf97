"""Lineage both ways, by row: from an answer to the rows that its model learnt from, and from a row
to every answer of a model that learnt from it.

What lists can grow without bound comes as a count and a first page. No row's content is in a
lineage: `contents` reads it for whoever may see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opslayer.capability import Capability
from opslayer.errors import NotFound, OpslayerError, StoreError
from opslayer.judgement.assignment import every_variant
from opslayer.records import (
    Interaction,
    Release,
    Snapshot,
    Variant,
    Verdict,
    VerdictKind,
    Version,
    verdict_id,
)
from opslayer.stores import Stores
from opslayer.stores.journal import drain

if TYPE_CHECKING:
    import pyarrow as pa

PAGE = 20
"""Entries of a first page."""
LONGEST = 1_000
"""Characters of a row's id, at most."""

Found = dict[str, Any]


def lineage(stores: Stores, one: Interaction) -> Found:
    """From an answer to its model, that one's training rows, and what its promotion rests on.

    Where no model of ours answered, `model` is None and `reason` says what did. Where the lake
    can't be read, `rows` has a `fault` in place of a first page. Raises StoreError where the ledger
    is away.
    """
    found = answerer(stores, one)
    if found is None or found[1].model_version is None:
        return {"model": None, "reason": _no_model(one, found[1] if found else None)}
    release, variant = found
    assert variant.model_version is not None
    version = stores.ledger.versions.get(one.capability, variant.model_version)
    record = stores.ledger.snapshots.get(one.capability, version.snapshot)
    return {
        "model": _model(version),
        "variant": {"name": variant.name, "release": release.number},
        "cause": _cause(stores, version),
        "snapshot": _snapshot(record),
        "rows": _rows(stores, record),
        "evidence": [_judged(each) for each in evidence(stores, release, version)],
    }


def answerer(stores: Stores, one: Interaction) -> tuple[Release, Variant] | None:
    """The variant that answered, or was asked last, and the release that has it.

    That is the interaction's own, or an earlier one whose champion stood in. None for the fixed
    rule, a pool that only stands in, or a release that is not there.
    """
    if not one.release:
        return None
    release = stores.ledger.releases.get(one.capability, one.release)
    for each in every_variant(release):
        if each.name == one.variant:
            return release, each
    earlier = stores.ledger.releases.previous(release)
    if earlier is not None and earlier.champion.name == one.variant:
        return earlier, earlier.champion
    return None


def evidence(stores: Stores, release: Release, version: Version) -> list[Verdict]:
    """The verdicts by which a version came to serve: the gate's, what the release that brought it
    rests on, that release's own, and what led to the release in question."""
    name = version.capability
    brought = stores.ledger.releases.streak(
        release, lambda earlier: version.version in earlier.model_versions
    )[0]
    ids = [verdict_id(name, VerdictKind.GATE, f"version {version.version}")]
    for each in {one.number: one for one in (brought, release)}.values():
        made = verdict_id(name, VerdictKind.PROMOTION, f"release {each.number}")
        ids += [*each.evidence, made]
    return stores.ledger.verdicts.of(list(dict.fromkeys(ids)))


def row_ids(stores: Stores, record: Snapshot) -> list[str]:
    """The id of every row of a snapshot, in its order. Raises StoreError."""
    found = stores.lake.look(
        record.capability,
        f"SELECT row_id FROM ({_held(record)}) ORDER BY event_time, row_id",  # noqa: S608
        {"snapshots": None},
    )
    return list(found["row_id"].to_pylist())


def contents(
    capability: Capability, stores: Stores, record: Snapshot, limit: int = PAGE
) -> list[Found]:
    """The first rows of a snapshot with all that was learnt from and who says so: the inputs, the
    label, where the row came from, and each tag that was known when it was taken.

    They are read as the lake was when it was taken, or as it is where that is gone. Raises
    StoreError where the lake can't be read.
    """
    from opslayer.stores.lake import listed

    some = _rebuilt(capability, stores, record, limit)[0].to_pylist()
    where = f"row_id IN ({listed(row['row_id'] for row in some)})"
    origins = _look(stores, record, f"SELECT row_id, {ORIGIN} FROM rows WHERE {where}", "rows")  # noqa: S608
    made = {each["row_id"]: each for each in origins.to_pylist()}
    tags = _look(stores, record, _tags_sql(record, where), "tags").to_pylist()
    return [
        {
            **row,
            **made.get(row["row_id"], {}),
            "tags": [tag for tag in tags if tag["row_id"] == row["row_id"]],
        }
        for row in some
    ]


ORIGIN = "source, file, line"


def verify(capability: Capability, stores: Stores, digest: str) -> Found:
    """Build a snapshot again from its row ids and the lake's version, and hold its digest against
    the recorded one.

    Of one that held rows of somebody who was erased, that is the digest of what was left. `lake` is
    the version of the rows' table that was read; None where it is as it is now, since
    that version's files are gone. Raises NotFound for an unknown digest, StoreError where the lake
    can't be read.
    """
    from opslayer.steps.snapshot import content_digest

    record = stores.ledger.snapshots.get(capability.name, digest)
    content, version = _rebuilt(capability, stores, record)
    made = content_digest(content, record.capability, record.recipe)
    recorded = record.left or record.digest
    return {
        "digest": made,
        "recorded": recorded,
        "equal": made == recorded,
        "rows": content.num_rows,
        "of": record.rows,
        "lake": version,
    }


def descendants(stores: Stores, capability: str, row_id: str) -> Found:
    """From a row to the snapshots that hold it, the models trained on them, the releases that have
    one of those, and the interactions that they answered.

    Models that it only judged (it was in their exam) are `judged`: no answer comes from it there.
    Raises NotFound for a row that the lake does not hold, StoreError where a store is away.
    """
    row = _row(stores, capability, row_id)
    held = stores.ledger.snapshots.of(capability, _holders(stores, capability, row))
    digests = {one.digest for one in held}
    versions = stores.ledger.versions.all(capability)[::-1]
    learnt = [one for one in versions if one.snapshot in digests]
    numbers = {one.version for one in learnt}
    every = stores.ledger.releases.all(capability)[::-1] if learnt else []
    releases = [one for one in every if one.model_versions & numbers]
    drain(stores.journal, stores.events)
    names = sorted(_names(releases, numbers))
    count, answered = stores.events.answered_by(capability, names, PAGE)
    return {
        "row": row,
        "snapshots": _page([_snapshot(one) for one in held]),
        "models": _page([_model(one) for one in learnt]),
        "judged": _page([_model(one) for one in versions if one.exam in digests]),
        "releases": _page([_release(one, numbers) for one in releases]),
        "interactions": {"count": count, "first": [_answered(one) for one in answered]},
    }


def _no_model(one: Interaction, variant: Variant | None) -> str:
    """What answered, where it was no model of ours."""
    if not one.release:
        return "nothing was released yet: there was no model to ask"
    if variant is not None and variant.pool is not None:
        prompt = f" with version {variant.prompt_version} of the prompt {variant.prompt}"
        return f"the pool {variant.pool} answered{prompt if variant.prompt else ''}"
    if not one.variant:
        return "nobody was asked"
    return f"{one.variant} answered, which is no model that was trained here"


def _model(version: Version) -> Found:
    return {
        "version": version.version,
        "run_id": version.run_id,
        "recipe": version.recipe.value,
        "snapshot": version.snapshot,
        "exam": version.exam,
        "trained_at": version.trained_at.isoformat(),
        "cut": version.cut.isoformat(),
    }


def _cause(stores: Stores, version: Version) -> Found:
    """Why it was trained; a training from outside the loop has an id alone."""
    try:
        cause = stores.ledger.causes.get(version.cause).cause
    except NotFound:
        return {"id": version.cause}
    return {"id": cause.id, "kind": cause.kind.value, "about": cause.about, "by": cause.by}


def _snapshot(record: Snapshot) -> Found:
    return {
        **record.model_dump(mode="json", exclude={"capability", "columns"}),
        "columns": list(record.columns),
    }


def _rows(stores: Stores, record: Snapshot) -> Found:
    """How many rows, the first of them, and how many came from each source and kind of tag; and
    what has expired, in words."""
    gone = {"expired": str(record.expired)} if record.expired else {}
    try:
        sources = _counts(stores, record, _sources_sql(record), "rows")
        tags = _counts(stores, record, _tagged_sql(record), "tags")
        sql = f"SELECT row_id FROM ({_held(record)}) ORDER BY event_time, row_id LIMIT {PAGE}"  # noqa: S608
        first = _look(stores, record, sql).to_pydict()["row_id"]
    except OpslayerError:
        fault = "the lake can't be read now, or holds them no more"
        return {"count": record.rows, **gone, "fault": fault}
    return {"count": record.rows, **gone, "first": first, "sources": sources, "tags": tags}


def _held(record: Snapshot) -> str:
    """What the lake holds of a snapshot."""
    from opslayer.stores.lake import literal, moment

    return f"""
        SELECT DISTINCT row_id, event_time, known_time, label FROM snapshots
        WHERE snapshot = {literal(record.digest)} AND event_time >= {moment(record.since)}
          AND event_time < {moment(record.until)}
    """  # noqa: S608 - a digest and times from our own ledger


def _within(record: Snapshot) -> str:
    from opslayer.stores.lake import moment

    since, until = moment(record.since), moment(record.until)
    return f"event_time >= {since} AND event_time < {until}"


def _sources_sql(record: Snapshot) -> str:
    return f"""
        SELECT source AS name, count(*) AS rows FROM rows
        WHERE {_within(record)} AND row_id IN (SELECT row_id FROM ({_held(record)}))
        GROUP BY source ORDER BY rows DESC, name
    """  # noqa: S608


def _tagged_sql(record: Snapshot) -> str:
    from opslayer.stores.lake import moment

    return f"""
        SELECT source AS name, count(*) AS rows FROM tags
        WHERE known_time <= {moment(record.as_of)}
          AND row_id IN (SELECT row_id FROM ({_held(record)}))
        GROUP BY source ORDER BY rows DESC, name
    """  # noqa: S608


def _tags_sql(record: Snapshot, where: str) -> str:
    from opslayer.stores.lake import moment

    return f"""
        SELECT row_id, id, value, source, "by", confidence, known_time FROM tags
        WHERE {where} AND known_time <= {moment(record.as_of)} ORDER BY known_time, id
    """  # noqa: S608


def _look(stores: Stores, record: Snapshot, sql: str, *tables: str) -> pa.Table:
    return stores.lake.look(record.capability, sql, dict.fromkeys(("snapshots", *tables)))


def _counts(stores: Stores, record: Snapshot, sql: str, table: str) -> dict[str, int]:
    return {row["name"]: row["rows"] for row in _look(stores, record, sql, table).to_pylist()}


def _rebuilt(
    capability: Capability, stores: Stores, record: Snapshot, limit: int | None = None
) -> tuple[pa.Table, int | None]:
    """A snapshot's content (or its first rows) from the lake's version, and which one was read."""
    pinned = record.tables.get("rows")
    for version in dict.fromkeys((pinned, None)):
        try:
            sql = _content_sql(capability, stores, record, version)
            content = stores.lake.look(
                record.capability,
                sql if limit is None else f"{sql} LIMIT {limit:d}",
                {"snapshots": None, "rows": version},
            )
        except StoreError:
            if version is None:
                raise
        else:
            return content, version
    raise AssertionError("the loop ends by itself")


def _content_sql(
    capability: Capability, stores: Stores, record: Snapshot, version: int | None
) -> str:
    """The snapshot's rows joined with their inputs, in the order in which they are hashed."""
    from opslayer.steps.inputs import column_sql

    there = stores.lake.look(record.capability, "SELECT * FROM rows LIMIT 0", {"rows": version})
    named = [column_sql(capability, name, there.column_names) for name in record.columns]
    columns = ", ".join(["held.row_id", "held.event_time", "held.known_time", "held.label", *named])
    return f"""
        SELECT {columns} FROM ({_held(record)}) AS held
        JOIN (SELECT * FROM rows WHERE {_within(record)}) AS rows ON rows.row_id = held.row_id
        ORDER BY held.event_time, held.row_id
    """  # noqa: S608 - names are quoted


def _row(stores: Stores, capability: str, row_id: str) -> Found:
    """Where a row came from, without its content."""
    from opslayer.stores.lake import literal

    sql = f"""
        SELECT row_id, event_time, known_time, {ORIGIN} FROM rows
        WHERE row_id = {literal(row_id[:LONGEST])} LIMIT 1
    """  # noqa: S608 - quoted
    found = stores.lake.look(capability, sql, {"rows": None}).to_pylist()
    if not found:
        raise NotFound(
            f"{capability} has no row {row_id[:64]}: it was never taken in, or was removed. "
            f"`opslayer export labels {capability}` writes out the ids that there are"
        )
    return dict(found[0])


def _holders(stores: Stores, capability: str, row: Found) -> list[str]:
    """Digests of the snapshots that hold a row; the time spares reading most of the others."""
    from opslayer.stores.lake import literal, moment

    where = f"event_time = {moment(row['event_time'])} AND row_id = {literal(row['row_id'])}"
    return stores.lake.snapshots_with(capability, where)


def _names(releases: Sequence[Release], numbers: set[int]) -> set[str]:
    """What variants made of these model versions are called."""
    every = (one for release in releases for one in every_variant(release))
    return {one.name for one in every if one.model_version in numbers}


def _release(release: Release, numbers: set[int]) -> Found:
    return {
        "number": release.number,
        "at": release.at.isoformat(),
        "by": release.by,
        "versions": sorted(release.model_versions & numbers),
    }


def _answered(one: Interaction) -> Found:
    return {
        "id": one.id,
        "event_time": one.event_time.isoformat(),
        "release": one.release,
        "variant": one.variant,
    }


def _judged(verdict: Verdict) -> Found:
    """A verdict with those of its numbers that are single values."""
    plain = str | int | float | bool | None
    numbers = {name: value for name, value in verdict.numbers.items() if isinstance(value, plain)}
    return {
        "id": verdict.id,
        **verdict.model_dump(mode="json", exclude={"capability", "numbers"}),
        "numbers": numbers,
    }


def _page(entries: Sequence[Found]) -> Found:
    return {"count": len(entries), "first": list(entries[:PAGE])}
