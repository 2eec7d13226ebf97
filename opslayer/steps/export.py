"""Give out what is kept, row by row: interactions, labels, a training set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime

from opslayer.capability import Capability
from opslayer.records import Interaction, Snapshot, Status
from opslayer.stores import Stores
from opslayer.stores.events import Event
from opslayer.stores.journal import drain
from opslayer.stores.lake import INPUT

if TYPE_CHECKING:
    import pandas as pd

PAGE = 2_000
"""Entries of the log that are held at once."""
UNKNOWN = "unknown"
"""The status of a call that was begun and, as far as the log tells, never ended."""
DEFAULTS = {
    name: field.get_default(call_default_factory=True)
    for name, field in Interaction.model_fields.items()
    if not field.is_required()
}
Type = Literal["text", "number", "integer", "truth", "time", "json"]
"""What a column holds: `json` whatever has parts of its own."""
TYPES: dict[Any, Type] = {
    str: "text",
    str | None: "text",
    Status: "text",
    float: "number",
    int: "integer",
    bool: "truth",
    AwareDatetime: "time",
}
LABEL_COLUMNS = ("row_id", "value", "event_time", "known_time", "source", "confidence")
ERASURE_COLUMNS: dict[str, Type] = {
    "secret": "text",
    "id": "text",
    "subject": "text",
    "at": "time",
    "ids": "json",
    "forget": "truth",
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Export:
    """Rows to be given out, made as they are read."""

    types: Mapping[str, Type]
    """The columns that every row has, in order, and what each holds."""
    rows: Iterator[Row]
    snapshot: Snapshot | None = None
    """Of a training set, which one it is."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What every row has, in order."""
        return tuple(self.types)


def export_interactions(capability: Capability, stores: Stores) -> Export:
    """Every interaction with all its fields, those still in the journal included.

    A call that was begun and has no interaction is there with the status `unknown`: its process
    was killed meanwhile, or it is under way. Raises StoreError where the log is away.
    """
    drain(stores.journal, stores.events)
    types = {
        name: TYPES.get(field.annotation, "json")
        for name, field in Interaction.model_fields.items()
    }
    return Export(types, _interactions(capability, stores))


def export_labels(capability: Capability, stores: Stores, as_of: datetime) -> Export:
    """The labels of all rows as known at a moment, sorted by (event_time, row_id)."""
    from opslayer.steps.labels import labels

    known = labels(capability, stores, as_of)
    return _table({name: known[name] for name in LABEL_COLUMNS})


def export_snapshot(capability: Capability, stores: Stores, digest: str | None = None) -> Export:
    """A training set as it was learnt from, its inputs prefixed with `in:`; the newest without a
    digest. Raises NotFound, and StoreError where the lake no longer holds its content.
    """
    from opslayer.steps.snapshot import load

    snapshots, name = stores.ledger.snapshots, capability.name
    record = snapshots.get(name, digest) if digest else snapshots.newest(name)
    frame = load(capability, record.digest, stores)
    columns = {
        "row_id": frame.row_ids,
        "event_time": frame.event_time,
        "known_time": frame.known_time,
        "label": frame.target,
        **{INPUT + name: frame.features[name] for name in record.columns},
    }
    return replace(_table(columns), snapshot=record)


def export_erasures(stores: Stores, secret: str) -> Export:
    """Who was erased, for a restore elsewhere: hashes and ids, with the fingerprint of the secret
    that they were made with. Raises StoreError where the ledger is away."""
    rows = (
        {"secret": secret, **one.model_dump(exclude={"by", "reason"})}
        for one in stores.ledger.erasures.tombstones()
    )
    return Export(ERASURE_COLUMNS, rows)


def _table(columns: Mapping[str, pd.Series[Any]]) -> Export:
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    types = {name: _type(column) for name, column in columns.items()}
    return Export(types, (dict(zip(columns, row, strict=True)) for row in values))


def _type(column: pd.Series[Any]) -> Type:
    """What a column of the lake holds: it has texts, numbers and times alone."""
    kinds: dict[str, Type] = {"f": "number", "M": "time"}
    return kinds.get(column.dtype.kind, "text")


def _interactions(capability: Capability, stores: Stores) -> Iterator[Row]:
    for batch in stores.events.pages(capability.name, {}, PAGE):
        yield from _page(batch.events, stores)


def _page(page: Sequence[Event], stores: Stores) -> Iterator[Row]:
    begun = [event.id for event in page if event.kind == "start"]
    ended = stores.events.known("interaction", begun)
    for event in page:
        if event.kind == "interaction":
            yield _complete(json.loads(event.text))
        elif event.kind == "start" and event.id not in ended:
            nothing: Row = {"output": {}, "status": UNKNOWN, "latency_ms": None, "cost": None}
            yield _complete({**json.loads(event.text), **nothing, "usage": None, "stream": True})


def _complete(said: Row) -> Row:
    """A record in the order of its fields; an older one may lack some."""
    return {name: said.get(name, DEFAULTS.get(name)) for name in Interaction.model_fields} | said
