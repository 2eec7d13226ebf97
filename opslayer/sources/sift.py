"""A typed chunk against the lake: what is new, what is there already, what contradicts it.

Nothing is stored twice, whatever came before: a row is known by its id, a tag by its id, a bad
row by its file, line, reason and text. So a batch that was cut off may be read again in any form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability
from opslayer.records import TagSource
from opslayer.sources.chunk import Fault, shortened
from opslayer.sources.contract import Typed, contents_of_rows
from opslayer.sources.present import Present
from opslayer.stores.lake import Lake, literal, moment, schema


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of it: read = stored + present + quarantined + statements + remarks + expired."""

    read: int = 0
    """Rows of sources, and entries of the interaction log."""
    stored: int = 0
    """Rows new in the lake."""
    present: int = 0
    """Rows, feedback and bad rows that were there already."""
    quarantined: int = 0
    """Bad rows, new in the quarantine."""
    statements: int = 0
    """Feedback that states a target, new as a tag."""
    remarks: int = 0
    """What is no row and states no target; it stays in the interaction log."""
    expired: int = 0
    """What is from before the capability's horizon: retention has removed it, or would."""
    tags: int = 0
    """Tags new in the lake: from targets in rows, and from statements."""
    corrections: int = 0
    """Those of them that supersede what the same source had said."""

    @classmethod
    def of(cls, kept: Mapping[str, int]) -> Counts:
        """The counts that a batch's record holds; an older record may lack some."""
        return cls(**{field.name: kept.get(field.name, 0) for field in fields(cls)})

    def __add__(self, other: Counts) -> Counts:
        names = [field.name for field in fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def balanced(self) -> bool:
        """Whether all that was read is accounted for."""
        kept = self.stored + self.present + self.quarantined + self.statements + self.remarks
        return self.read == kept + self.expired


@dataclass(frozen=True, slots=True)
class Sifted:
    """What is to be written, by table, and the counts."""

    quarantine: pa.Table
    tags: pa.Table
    answers: pa.Table
    rows: pa.Table
    counts: Counts

    @property
    def tables(self) -> dict[str, pa.Table]:
        """What is to be written, by table."""
        return {name: getattr(self, name) for name in ("quarantine", "tags", "answers", "rows")}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not any(map(len, self.tables.values()))


@dataclass(frozen=True, slots=True)
class Sieve:
    """Sifts the chunks of one source."""

    capability: Capability
    lake: Lake
    source: str
    as_of: datetime
    """A correction is known from here on, unless its source says since when."""
    since: datetime | None = None
    """Nothing that happened before is taken."""

    def sift(self, typed: Typed) -> Sifted:
        """Part a chunk. Reads the lake, writes nothing."""
        everything = typed
        typed = everything.since(self.since) if self.since else everything
        new, contrary = self._compare(typed)
        tags = _Stated(typed, self, contrary).tags()
        every = len(new) == len(typed.rows)
        rows = typed.rows if every else typed.rows.take(pa.array(new, pa.int64()))
        bad = [*typed.faults, *contrary.values()]
        quarantine = self.quarantine(bad)
        said = self._unknown("tags", "id", typed.statements)
        counts = Counts(
            read=typed.read,
            stored=len(rows),
            # Of the good ones those neither stored nor contrary, of the bad ones those held.
            present=typed.good - len(rows) - len(said) - len(contrary) + len(bad) - len(quarantine),
            quarantined=len(quarantine),
            statements=len(said),
            remarks=typed.remarks,
            expired=everything.good - typed.good + len(everything.faults) - len(typed.faults),
            tags=len(tags) + len(said),
            corrections=len(tags) - tags.column("supersedes").null_count,
        )
        answers = self._answers(typed, set(contrary))
        return Sifted(quarantine, pa.concat_tables([tags, said]), answers, rows, counts)

    def _answers(self, typed: Typed, contrary: set[int]) -> pa.Table:
        """What was served for the rows that are good."""
        new = self._unknown("answers", "row_id", typed.answers)
        if typed.answers is None or (len(typed.answers) == len(typed.rows) and not contrary):
            return new  # every row that has one is good
        ids = typed.rows.column("row_id").to_pylist()
        good = pa.array([id for at, id in enumerate(ids) if at not in contrary], pa.string())
        return new.filter(pc.is_in(new.column("row_id"), good))

    @property
    def present(self) -> Present:
        """The lake's holdings."""
        return Present(self.capability, self.lake)

    def _compare(self, typed: Typed) -> tuple[list[int], dict[int, Fault]]:
        """Which rows are new, and which repeat an id with other content; the rest is present."""
        held = self._held(typed)
        ids = typed.rows.column("row_id").to_pylist()
        if not len(held) and len({*ids}) == len(ids):
            return [*range(len(ids))], {}  # nothing to compare a content with
        contents = dict(zip(held.column("row_id").to_pylist(), contents_of_rows(held), strict=True))
        new, contrary = [], {}
        for at, (id, content) in enumerate(zip(ids, typed.contents, strict=True)):
            first = contents.setdefault(id, content)
            if first is content:
                new.append(at)
            elif first != content:
                contrary[at] = _contrary(typed, at, "duplicate id, with other inputs or time")
        return new, contrary

    def _held(self, typed: Typed) -> pa.Table:
        """Those rows, as the lake holds them."""
        ids = typed.rows.column("row_id").combine_chunks()
        event = typed.rows.column("event_time")
        where = "true"
        if len(ids) and not typed.declared_id:
            first, last = (moment(pc.min_max(event)[end].as_py()) for end in ("min", "max"))
            where = f"event_time BETWEEN {first} AND {last}"
        return self.present.rows("rows", "row_id", ids, where).combine_chunks()

    def _unknown(self, table: str, key: str, found: pa.Table | None) -> pa.Table:
        if found is None:
            return schema(self.capability, table).empty_table()
        held = self.present.rows(table, key, found.column(key).combine_chunks())
        return found.filter(pc.invert(pc.is_in(found.column(key), held.column(key))))

    def quarantine(self, faults: Sequence[Fault]) -> pa.Table:
        """Those of some bad rows that the quarantine does not hold."""
        wanted = schema(self.capability, "quarantine")
        names = [name for name in wanted.names if name != "event_time"]
        held = self._held_faults(faults, names)
        rows = [
            {"source": self.source, **asdict(one), "event_time": one.event_time or self.as_of}
            for one in faults
        ]
        new = [row for row in rows if tuple(row[name] for name in names) not in held]
        return pa.Table.from_pylist(new, wanted)

    def _held_faults(self, faults: Sequence[Fault], names: list[str]) -> set[tuple[Any, ...]]:
        if not faults:
            return set()
        lines = [fault.line for fault in faults]
        where = f"source = {literal(self.source)} AND line BETWEEN {min(lines)} AND {max(lines)}"
        files = {fault.file for fault in faults}
        if len(files) == 1:
            where += f" AND file = {literal(files.pop())}"
        held = self.present.stream("quarantine", names, where)
        return {tuple(row.values()) for part in held for row in part.to_pylist()}


class _Stated:
    """The targets that rows state, against what their source has stated of the same rows.

    The first statement about a row is a tag, an equal one is nothing new, another one in a later
    version or file corrects the earlier. Another one for an id that repeats in one file is a
    contradiction: that row goes to quarantine.
    """

    def __init__(self, typed: Typed, sieve: Sieve, contrary: dict[int, Fault]) -> None:
        self._typed, self._sieve, self._contrary = typed, sieve, contrary
        stated = np.flatnonzero(pc.is_valid(typed.targets).to_numpy(zero_copy_only=False))
        self._at = [at for at in stated.tolist() if at not in contrary]

    def tags(self) -> pa.Table:
        """The new tags; a contradiction is added to the contrary rows."""
        if not self._at:
            return schema(self._sieve.capability, "tags").empty_table()
        ids = self._typed.rows.column("row_id").to_pylist()
        targets, current = self._typed.targets.to_pylist(), self._current()
        made: list[tuple[int, str, str | None]] = []
        for at in self._at:
            earlier, value = current.get(ids[at]), targets[at]
            if earlier and earlier[1] == value:
                continue
            if earlier and self._typed.repeated[at]:
                reason = "duplicate id, with another target"
                self._contrary[at] = _contrary(self._typed, at, reason)
                continue
            before = earlier[0] if earlier else None
            tag = _digest(self._sieve.source, ids[at], repr(value), before or "")
            current[ids[at]] = (tag, value)
            made.append((at, tag, before))
        return self._table(made)

    def _current(self) -> dict[str, tuple[str, Any]]:
        """By row id the tag of this source that none of its later ones supersedes."""
        source = literal(TagSource.OUTCOME.value)
        where = f'source = {source} AND "by" = {literal(self._sieve.source)}'
        ids = self._typed.rows.column("row_id").take(pa.array(self._at, pa.int64()))
        held = self._sieve.present.rows("tags", "row_id", ids.combine_chunks(), where).to_pylist()
        superseded = {tag["supersedes"] for tag in held}
        return {
            tag["row_id"]: (tag["id"], tag["value"]) for tag in held if tag["id"] not in superseded
        }

    def _table(self, made: list[tuple[int, str, str | None]]) -> pa.Table:
        at = pa.array([index for index, _, _ in made], pa.int64())
        before = pa.array([tag for _, _, tag in made], pa.string())
        known = self._typed.known.take(at)
        if not self._typed.declared_known:
            learnt = pa.scalar(self._sieve.as_of, known.type)
            early = pc.and_(pc.is_valid(before), pc.less(known, learnt))
            known = pc.if_else(early, learnt, known)
        rows = self._typed.rows.take(at)
        columns = {
            "id": pa.array([tag for _, tag, _ in made], pa.string()),
            "row_id": rows.column("row_id"),
            "value": self._typed.targets.take(at),
            "source": pa.repeat(pa.scalar(TagSource.OUTCOME.value), len(made)),
            "by": pa.repeat(pa.scalar(self._sieve.source), len(made)),
            "confidence": pa.repeat(pa.scalar(1.0), len(made)),
            "event_time": rows.column("event_time"),
            "known_time": known,
            "supersedes": before,
        }
        return pa.table(columns, schema=schema(self._sieve.capability, "tags"))


def _contrary(typed: Typed, at: int, reason: str) -> Fault:
    row = typed.rows.slice(at, 1).to_pylist()[0]
    raw = json.dumps({**row, "target": typed.targets[at].as_py()}, default=str, ensure_ascii=False)
    text = f"{reason}: {row['row_id']} is in the lake, or came before in the file"
    return Fault(row["file"], row["line"], "", text, shortened(raw), row["event_time"])


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
