"""Entries of the log as ingest needs them, read several times as fast as `Event.record` reads them.

What these readers take they read to the same values; whatever they do not take is left to the
record's own class, which says what is wrong with it. They look at one thing less, how a time is
written: that is asked of a whole column (`not_in_utc`), many times as fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.records import Feedback, FeedbackKind, Interaction, Status, Value
from opslayer.stores.lake import MOMENT

MARKS = ((10, b"T"), (16, b":"))
"""Where records that write a time have these, so that what Arrow reads is what they say."""
SMALLEST, LARGEST = 1e-4, 1e16
"""Between these Python writes a number without an exponent."""


class Tried(Struct, forbid_unknown_fields=True, gc=False):
    """As `opslayer.records.Attempt`."""

    variant: str
    outcome: str
    upstream: str | None = None
    latency_ms: float = 0.0
    cost: float = 0.0


class Used(Struct, forbid_unknown_fields=True, gc=False):
    """As `opslayer.records.Usage`."""

    input: int = 0
    output: int = 0
    estimated: bool = False


class Call(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """As `opslayer.records.Interaction`, field by field: a test holds them to each other."""

    id: str
    capability: str
    input: Any
    """A struct with a field for each input column, `place(0)` the first: `Readers.of`."""
    output: dict[str, Any]
    variant: str
    release: int
    event_time: str
    subject: str | None = None
    assigned: str = ""
    arms: dict[str, str] = {}
    ruled: bool = False
    guards: tuple[str, ...] = ()
    latency_ms: float = 0.0
    cost: float = 0.0
    tenant: str = ""
    status: Status = Status.ANSWERED
    fallback: str | None = None
    attempts: tuple[Tried, ...] = ()
    usage: Used = msgspec.field(default_factory=Used)
    stream: bool = False


class Told(Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """As `opslayer.records.Feedback`, field by field."""

    id: str
    capability: str
    interaction_id: str
    kind: FeedbackKind
    value: Value
    event_time: str
    known_time: str
    by: str = "application"
    tenant: str = ""


def place(index: int) -> str:
    """The field of an input column: columns may be called what no field can."""
    return f"column_{index}"


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads the entries of one capability. Each raises ValueError for what it does not
    take.
    """

    call: msgspec.json.Decoder[Call]
    told: msgspec.json.Decoder[Told]
    input: type[Struct]

    @classmethod
    def of(cls, capability: Capability) -> Readers:
        """For calls whose inputs are of the contract's types, and its columns alone."""
        if capability.kind is Kind.IMAGE:  # no row is made of it
            return cls(msgspec.json.Decoder(Call), msgspec.json.Decoder(Told), Struct)
        columns = tuple((name, _kinds(one.type)) for name, one in capability.inputs.items())
        if capability.kind is Kind.CHAT and "messages" not in capability.inputs:
            columns = (*columns, ("messages", list[Any] | None))
        return _readers(columns)

    def as_call(self, record: Interaction, names: Sequence[str]) -> Call:
        """A record as the reader of calls would have read it."""
        columns = {place(at): record.input.get(name) for at, name in enumerate(names)}
        return Call(
            id=record.id,
            capability=record.capability,
            input=self.input(**columns),
            output=record.output,
            variant=record.variant,
            release=record.release,
            event_time=record.event_time.isoformat(),
            status=record.status,
        )


@lru_cache(maxsize=64)
def _readers(columns: tuple[tuple[str, Any], ...]) -> Readers:
    fields = [(place(at), kind, None) for at, (_, kind) in enumerate(columns)]
    named = {place(at): name for at, (name, _) in enumerate(columns)}
    # A column that the contract does not name may hold anything: the record's class looks at it.
    asked = msgspec.defstruct("Asked", fields, rename=named, forbid_unknown_fields=True, gc=False)
    of = msgspec.defstruct(
        "CallOf", [("input", asked)], bases=(Call,), kw_only=True, forbid_unknown_fields=True
    )
    return Readers(msgspec.json.Decoder(of), msgspec.json.Decoder(Told), asked)


def _kinds(column: ColumnType) -> Any:
    """What a value may be, as JSON says it."""
    if column is ColumnType.BOOLEAN:
        return bool | int | float | None
    return int | float | None if column.numeric else str | int | None


def as_told(record: Feedback) -> Told:
    """A record as the reader of feedback would have read it."""
    values = {name: getattr(record, name) for name in Feedback.model_fields}
    times = {name: values[name].isoformat() for name in ("event_time", "known_time")}
    return Told(**{**values, **times})


def not_in_utc(written: pa.Array) -> list[int]:
    """Which times are not written as records write them, of which `times` knows nothing: it takes
    other zones, a space before the hour and a time without seconds, and raises for all else."""
    its = written.cast(pa.binary())
    zone = pc.or_(pc.ends_with(written, "Z"), pc.ends_with(written, "+00:00"))
    hour, second = (pc.equal(pc.binary_slice(its, at, at + 1), what) for at, what in MARKS)
    alike = pc.and_(zone, pc.and_(hour, second))
    return np.flatnonzero(~alike.to_numpy(zero_copy_only=False)).tolist()


def times(written: pa.Array) -> pa.Array:
    """Times as they are written. Raises ArrowInvalid for a day that no calendar has, and for
    digits after the microsecond, which a record cuts."""
    return written.cast(MOMENT)


def texts(values: Sequence[str]) -> pa.Array:
    """Texts as a column."""
    return pa.array(values, pa.string())


def numbers_as_json(values: Sequence[float]) -> pa.Array:
    """Finite numbers as `json.dumps` writes them; where none needs an exponent, of which there are
    two ways to write it, all of them at once.
    """
    sizes = np.abs(np.array(values))
    if not values or not ((sizes == 0) | ((sizes >= SMALLEST) & (sizes < LARGEST))).all():
        return texts([*map(repr, values)])
    listed = msgspec.json.encode(values)[1:-1].decode()
    return pc.split_pattern(pa.array([listed]), ",").flatten()
