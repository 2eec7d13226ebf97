"""A chunk by the capability's contract: typed rows, their ids, their targets, and faults.

A row is taken whole or not at all: one whose target, time or id is wrong is as bad as one whose
input is, and goes to quarantine with every reason. Columns the contract doesn't name are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability, ColumnType, Input, Kind, Source
from opslayer.records import digest_of
from opslayer.sources.cells import Cells, convert
from opslayer.sources.chunk import Chunk, Fault
from opslayer.sources.moments import moments
from opslayer.sources.seen import Seen
from opslayer.stores.lake import INPUT, MOMENT, schema, value_type


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a source mean what."""

    source: str
    event_time: str
    known_time: str | None = None
    id: str | None = None
    target: str | None = None

    @classmethod
    def of(cls, capability: Capability, source: Source) -> Layout:
        """The layout that a capability's file declares."""
        target = capability.target if capability.predictor else None
        return cls(source.name, source.event_time, source.known_time, source.id, target)

    def wanted(self, capability: Capability) -> tuple[str, ...]:
        """Every column that is read if the source has it."""
        own = (self.event_time, self.known_time, self.id, self.target)
        return tuple(dict.fromkeys([*capability.columns, *(name for name in own if name)]))

    def absent(self, capability: Capability, header: Iterable[str]) -> list[str]:
        """Columns that a source must have and lacks.

        The target may be absent as a whole (it comes later); its time then may be too.
        """
        there = set(header)
        free = {self.target} if self.target in there else {self.target, self.known_time}
        return [name for name in self.wanted(capability) if name not in there | free]


@dataclass(frozen=True, slots=True)
class Typed:
    """A chunk converted. The arrays have the length of `rows`."""

    rows: pa.Table
    """The good rows, by the schema of the lake's `rows`."""
    digests: list[bytes] | None
    """Each row's content, where row ids are made of it."""
    repeated: np.ndarray
    """Whether a row's declared id came before in the same file; asked where rows state targets."""
    targets: pa.Array
    """By the lake's value type; null where the source states none."""
    known: pa.Array
    """When each target was known; null where the target is."""
    faults: tuple[Fault, ...]
    declared_id: bool
    """Whether row ids come from the source; otherwise equal ids have equal contents and times."""
    declared_known: bool
    """Whether the source says since when a target is known."""
    read: int
    """Rows and entries that the source had here, good and bad."""
    answers: pa.Table | None = None
    """What was served for these rows, by the schema of `answers`."""
    statements: pa.Table | None = None
    """What feedback says, by the schema of `tags`."""
    remarks: int = 0
    """Feedback that states no target: it stays in the interaction log alone."""

    def since(self, moment: datetime) -> Typed:
        """What happened from a moment on, and what doesn't say when it did."""
        kept = _from(self.rows, moment)
        at = np.flatnonzero(kept.to_numpy(zero_copy_only=False))
        return replace(
            self,
            rows=self.rows.filter(kept),
            digests=self.digests and [self.digests[index] for index in at.tolist()],
            repeated=self.repeated[at],
            targets=self.targets.take(pa.array(at)),
            known=self.known.take(pa.array(at)),
            faults=tuple(
                one for one in self.faults if not one.event_time or one.event_time >= moment
            ),
            answers=self.answers and self.answers.filter(_from(self.answers, moment)),
            statements=self.statements and self.statements.filter(_from(self.statements, moment)),
        )

    @property
    def contents(self) -> list[bytes]:
        """Digest of each row's event time and inputs, whatever the source."""
        return contents_of_rows(self.rows) if self.digests is None else self.digests

    @property
    def good(self) -> int:
        """Good rows and statements."""
        return len(self.rows) + (0 if self.statements is None else len(self.statements))


def _from(rows: pa.Table, moment: datetime) -> pa.Array:
    """Which rows happened from a moment on."""
    kept = pc.greater_equal(rows.column("event_time"), pa.scalar(moment, MOMENT))
    return pc.fill_null(kept, True).combine_chunks()


def contract_of(capability: Capability) -> str:
    """A digest of all that decides what a row turns into."""
    inputs = {name: column.model_dump() for name, column in sorted(capability.inputs.items())}
    sources = [source.model_dump(exclude={"url"}) for source in capability.sources]
    return digest_of(
        inputs, capability.task, capability.target, capability.classes, capability.labels.delay,
        sources,
    )  # fmt: skip


def typed(capability: Capability, layout: Layout, chunk: Chunk, seen: Seen) -> Typed:
    """Convert a chunk. `seen` holds what came before it in the same file.

    A row's inputs are known when it happens: its `known_time` is its `event_time`.
    """
    inputs = {
        name: convert(_column(chunk, name), column) for name, column in capability.inputs.items()
    }
    own = _own(capability, layout, chunk)
    named = [(name or layout.known_time or name, done) for name, done in own.items()]
    faults = _faults(chunk, [*inputs.items(), *named], own[layout.event_time].values)
    good = np.delete(np.arange(len(chunk.lines)), [index for index, _ in faults])
    kept = {name: _taken(done.values, good) for name, done in own.items()}
    values = {INPUT + name: _taken(done.values, good) for name, done in inputs.items()}
    contents = None if layout.id else contents_of(kept[layout.event_time], values)
    ids, repeated = _ids(layout, kept, contents or [], seen)
    columns = {**_places(layout, chunk, good), **values, "row_id": ids}
    columns |= dict.fromkeys(("event_time", "known_time"), kept[layout.event_time])
    return Typed(
        rows=pa.table(columns, schema=schema(capability, "rows")),
        digests=contents,
        repeated=repeated,
        targets=kept.get(layout.target or "", pa.nulls(len(good), value_type(capability))),
        known=kept.get(KNOWN, pa.nulls(len(good), MOMENT)),
        faults=(*chunk.faults, *(fault for _, fault in faults)),
        declared_id=layout.id is not None,
        declared_known=layout.known_time is not None,
        read=chunk.read,
    )


def _taken(values: pa.Array, good: np.ndarray) -> pa.Array:
    """The good ones of a column; mostly all are."""
    return values if len(good) == len(values) else values.take(pa.array(good))


def _places(layout: Layout, chunk: Chunk, good: np.ndarray) -> dict[str, pa.Array]:
    """Where each row stands in its source."""
    if isinstance(chunk.files, str):
        files = pa.repeat(pa.scalar(chunk.files), len(good))
    else:
        files = _taken(pa.array(chunk.files, pa.string()), good)
    return {
        "source": pa.repeat(pa.scalar(layout.source), len(good)),
        "file": files,
        "line": _taken(pa.array(chunk.lines, pa.int64()), good),
    }


KNOWN = ""
"""Name of the moment a target was known, declared or derived: no column can be called so."""


def _own(capability: Capability, layout: Layout, chunk: Chunk) -> dict[str, Cells]:
    event = _required(moments(_column(chunk, layout.event_time)))
    done = {layout.event_time: event}
    if layout.id:
        done[layout.id] = convert(_column(chunk, layout.id), Input(type=ColumnType.TEXT))
    if layout.target:
        done[layout.target] = convert(_column(chunk, layout.target), _target(capability))
        stated = pc.is_valid(done[layout.target].values)
        known = _known(capability, layout, chunk, event)
        late = known.fault(pc.and_(stated, pc.less(known.values, event.values)), EARLY)
        absent = pc.and_(stated, pc.and_(pc.is_null(late.values), pc.is_valid(event.values)))
        late = late.fault(pc.and_(absent, pa.array(~late.wrong)), "missing")
        done[KNOWN] = late.with_values(pc.if_else(stated, late.values, None))
    return done


EARLY = "before the event: a target can't be known before it is true"


def _known(capability: Capability, layout: Layout, chunk: Chunk, event: Cells) -> Cells:
    if layout.known_time:
        return moments(_column(chunk, layout.known_time))
    delay = pa.scalar(capability.labels.delay, pa.duration("us"))
    return Cells(pc.add(event.values, delay))


def _target(capability: Capability) -> Input:
    if capability.task is Kind.CLASSIFICATION:
        return Input(type=ColumnType.CATEGORY, choices=capability.classes, missing=True)
    return Input(type=ColumnType.NUMBER, missing=True)


def _required(done: Cells) -> Cells:
    return done.fault(pc.and_(pc.is_null(done.values), pa.array(~done.wrong)), "missing")


def _column(chunk: Chunk, name: str) -> pa.Array:
    found = chunk.columns.get(name)
    return pa.nulls(len(chunk.lines)) if found is None else found


def _faults(
    chunk: Chunk, columns: Iterable[tuple[str, Cells]], event_time: pa.Array
) -> list[tuple[int, Fault]]:
    """One fault for each bad row, with every column and reason."""
    found: dict[int, dict[str, str]] = {}
    for name, done in columns:
        for indices, reason in done.faults:
            for index in indices.tolist():
                found.setdefault(index, {})[name] = reason
    return [
        (
            index,
            Fault(
                chunk.file(index),
                chunk.lines[index],
                ", ".join(reasons),
                "; ".join(f"{name}: {reason}" for name, reason in reasons.items()),
                chunk.raw(index),
                event_time[index].as_py(),
            ),
        )
        for index, reasons in sorted(found.items())
    ]


def _ids(
    layout: Layout, kept: Mapping[str, pa.Array], contents: list[bytes], seen: Seen
) -> tuple[pa.Array, np.ndarray]:
    """Row ids, and which of them came before in the file.

    Without a declared id: a digest of the source, the content and how often this content came
    before in the file, so that a file that has grown gives its old rows their old ids.
    """
    if layout.id:
        given = kept[layout.id]
        if layout.target is None:  # then nobody asks which came before
            return given, np.zeros(len(given), dtype=bool)
        hashes = [blake2b(id.encode(), digest_size=8).digest() for id in given.to_pylist()]
        return given, seen.earlier(_numbers(hashes)) > 0
    prefix = f"{layout.source}\x1f".encode()
    counts = seen.earlier(_numbers([content[:8] for content in contents]))
    ids = [
        blake2b(prefix + content + b"%d" % count, digest_size=16).hexdigest()
        for content, count in zip(contents, counts.tolist(), strict=True)
    ]
    return pa.array(ids, pa.string()), np.zeros(len(ids), dtype=bool)


def _numbers(hashes: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), dtype=np.uint64)


def contents_of(event: pa.Array, values: Mapping[str, pa.Array]) -> list[bytes]:
    """Digest of each row's event time and inputs; a missing input is as one never declared."""
    parts = [pc.cast(event.cast(pa.int64()), pa.string())]
    for name in sorted(values):
        text = _canonical(values[name])
        length = pc.utf8_length(text).cast(pa.string())
        parts.append(pc.binary_join_element_wise(pa.scalar(f"\n{name}"), length, text, ":"))
    joined = pc.binary_join_element_wise(*parts, "", null_handling="skip")
    return [blake2b(text.encode(), digest_size=16).digest() for text in joined.to_pylist()]


def contents_of_rows(rows: pa.Table) -> list[bytes]:
    """As `contents_of`, of rows of the lake."""
    columns = {
        name: rows.column(name).combine_chunks()
        for name in rows.column_names
        if name.startswith(INPUT)
    }
    return contents_of(rows.column("event_time").combine_chunks(), columns)


def _canonical(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type):
        return values
    encoded = pc.add(values, 0.0).dictionary_encode()  # -0.0 becomes 0.0
    texts = pa.array([repr(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return texts.take(encoded.indices)
