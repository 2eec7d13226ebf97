"""Rows and tags written straight into a lake, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.records import Tag
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, schema

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
LATER = START + timedelta(days=3650)


def capability(kind: str = "classification", **sections: Any) -> Capability:
    """A capability with a number, a category and a text; one-day blocks, exams of 30 rows."""
    metric = "accuracy" if kind == "classification" else "mae"
    return Capability.model_validate(
        {
            "name": "made",
            "kind": kind,
            "inputs": {
                "size": {"type": "number", "missing": True},
                "colour": {"type": "category", "missing": True},
                "text": {"type": "text", "missing": True},
            },
            "target": "y",
            "training": {"estimator": "sklearn.dummy.DummyClassifier"},
            "gate": {"metric": metric, "min_labels": 30},
            **sections,
        }
    )


def row(row_id: str, event_time: datetime, **inputs: Any) -> dict[str, Any]:
    """One row, known when it happened unless `known_time` says otherwise."""
    known = inputs.pop("known_time", event_time)
    return {
        "row_id": row_id,
        "event_time": event_time,
        "known_time": known,
        "source": "test",
        "file": "test.csv",
        "line": 1,
        **{INPUT + name: value for name, value in inputs.items()},
    }


def add_rows(stores: Stores, spec: Capability, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows in one commit; inputs that a row lacks are missing."""
    stores.lake.append(spec, "rows", pa.Table.from_pylist(list(rows), schema(spec, "rows")))


def outcome(
    row_id: str, value: Any, event_time: datetime, known_time: datetime, **more: Any
) -> Tag:
    """The true value of a row, as a source tells it; `more` overrides any field."""
    fields = {
        "id": f"{row_id}:{value}:{known_time.isoformat()}",
        "row_id": row_id,
        "value": value,
        "source": "outcome",
        "by": "source",
        "confidence": 1.0,
        "event_time": event_time,
        "known_time": known_time,
    }
    return Tag.model_validate({**fields, **more})


def tag_table(spec: Capability, tags: Sequence[Tag]) -> pa.Table:
    """Tags as the lake holds them."""
    return pa.Table.from_pylist([tag.model_dump() for tag in tags], schema(spec, "tags"))


def add_tags(stores: Stores, spec: Capability, tags: Sequence[Tag]) -> None:
    """Append tags in one commit."""
    stores.lake.append(spec, "tags", tag_table(spec, tags))


def labelled_rows(
    stores: Stores, spec: Capability, times: Sequence[datetime], delay: timedelta = timedelta(0)
) -> None:
    """One row per time, r00000 on, each with an outcome known `delay` later."""
    named = [(f"r{at:05}", time) for at, time in enumerate(times)]
    add_rows(
        stores, spec, [row(name, time, size=float(at)) for at, (name, time) in enumerate(named)]
    )
    values = ("a", "b") if spec.kind == "classification" else (1.0, 2.0)
    add_tags(
        stores,
        spec,
        [
            outcome(name, values[at % 2], time, time + delay)
            for at, (name, time) in enumerate(named)
        ],
    )
