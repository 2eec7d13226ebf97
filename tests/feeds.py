"""What the ingest tests share: a small capability, its files, and the lake's content as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opslayer.capability import Capability
from opslayer.stores import Stores

NOW = datetime(2024, 6, 1, tzinfo=UTC)
HEADER = "at,temp,rain,town,users"
GOOD = ("2024-01-01 00:00,9.5,true,Ghent,12", "2024-01-01 01:00,10,false,NA,13")


def capability(path: Path | str | None, **source: Any) -> Capability:
    """Bike demand in small; `source` adds to its one source, `feed`."""
    return declared(str(path) if path else None, source)


def declared(path: str | None, source: dict[str, Any], **sections: Any) -> Capability:
    """The same, with other sections."""
    return Capability.model_validate(
        {
            "name": "bikes",
            "kind": "regression",
            "inputs": {
                "temp": {"type": "number", "min": -20, "max": 50, "missing": True},
                "rain": {"type": "boolean"},
                "town": {"type": "text", "max_length": 20},
            },
            "target": "users",
            "sources": [{"name": "feed", "path": path, "event_time": "at", **source}],
            "labels": {"delay": "24h"},
            "training": {"estimator": "sklearn.linear_model.LinearRegression"},
            "gate": {"metric": "mae"},
            **sections,
        }
    )


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    """A CSV file of these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path


def content(stores: Stores, of: Capability, table: str, columns: Sequence[str]) -> list[Any]:
    """A lake table's rows as sorted tuples."""
    found = stores.lake.query(of, f"SELECT * FROM {table}", [table]).to_pylist()
    return ordered(tuple(row.get(name) for name in columns) for row in found)


def everything(stores: Stores, of: Capability) -> dict[str, list[Any]]:
    """All that ingest wrote, without the order of writing."""
    return {
        table: ordered(
            tuple(sorted(row.items()))
            for row in stores.lake.query(of, f"SELECT * FROM {table}", [table]).to_pylist()
        )
        for table in ("rows", "answers", "tags", "quarantine")
    }


def ordered(rows: Iterable[Any]) -> list[Any]:
    """Sorted, whatever the types."""
    return sorted(rows, key=repr)


def faults(stores: Stores, of: Capability) -> list[tuple[int, str, str]]:
    """Line, column and reason of every row in quarantine."""
    return content(stores, of, "quarantine", ("line", "column", "reason"))
