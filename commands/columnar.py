"""Rows written out for other programs by column: Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.output import jsonable
from commands.sheet import opened
from opslayer.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa

    from opslayer.steps.export import Type

PORTION = 5_000
"""Rows that are held at once: one row group of the file."""


def write_parquet(
    types: Mapping[str, Type], rows: Iterable[Mapping[str, Any]], output: Path
) -> int:
    """Write rows to a Parquet file, as a whole or not at all; returns how many there were.

    Times are microseconds in UTC, what has parts of its own is JSON text, and what is missing or
    no number is null. Raises Refused for a value that its column can't hold, and what `opened`
    raises.
    """
    import pyarrow.parquet as pq

    schema, left, count = _schema(types), iter(rows), 0
    with opened(output, "wb") as file, pq.ParquetWriter(file, schema) as writer:
        while portion := list(islice(left, PORTION)):
            writer.write_table(_table(types, schema, portion))
            count += len(portion)
    return count


def _schema(types: Mapping[str, Type]) -> pa.Schema:
    import pyarrow as pa

    held = {
        "text": pa.string(),
        "number": pa.float64(),
        "integer": pa.int64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("us", "UTC"),
        "json": pa.string(),
    }
    return pa.schema([(name, held[kind]) for name, kind in types.items()])


def _table(
    types: Mapping[str, Type], schema: pa.Schema, rows: Sequence[Mapping[str, Any]]
) -> pa.Table:
    import pyarrow as pa

    columns = []
    for name, kind in types.items():
        try:
            values = [_cell(row.get(name), kind) for row in rows]
            columns.append(pa.array(values, schema.field(name).type, from_pandas=True))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise Refused(
                f"{name}: a value is no {kind}, as a newer Opslayer may have written it "
                f"({error}): write it with --format jsonl"
            ) from error
    return pa.table(columns, schema=schema)


def _cell(value: Any, kind: Type) -> Any:
    if value is None:
        return None
    if kind == "json":
        return json.dumps(jsonable(value), allow_nan=False)
    if kind == "time" and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value
