"""Parquet by row groups: typed columns or text, the same contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.errors import FileRefused
from opslayer.sources import chunk as chunks
from opslayer.sources.chunk import Chunk
from opslayer.sources.contract import Layout


def check(path: Path, capability: Capability, layout: Layout) -> None:
    """Read every wanted column once. Raises FileRefused where the file is broken (anywhere in
    it), lacks a column, or holds lists, structs or bytes in one.
    """
    with _refusing():
        from pyarrow.parquet import ParquetFile

        schema = ParquetFile(path).schema_arrow
    problems = [f"column {name} is missing" for name in layout.absent(capability, schema.names)]
    problems += [
        f"column {name} holds {schema.field(name).type}: one plain value a row is needed"
        for name in layout.wanted(capability)
        if schema.names.count(name) == 1 and _not_plain(schema.field(name).type)
    ]
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    problems += [f"column {name} occurs twice" for name in twice]
    if problems:
        raise FileRefused("; ".join(problems))
    for _ in read(path, "", capability, layout):
        pass


def read(path: Path, file: str, capability: Capability, layout: Layout) -> Iterator[Chunk]:
    """The rows in chunks; lines are row numbers from 1. `file` is the name that faults carry."""
    from pyarrow.parquet import ParquetFile

    with _refusing(), ParquetFile(path) as opened:
        names = [name for name in layout.wanted(capability) if name in opened.schema_arrow.names]
        start = 1
        for batch in opened.iter_batches(chunks.ROWS, columns=names):
            columns = {name: batch.column(name) for name in names}
            yield Chunk(file, range(start, start + batch.num_rows), columns)
            start += batch.num_rows


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise FileRefused(f"broken Parquet: {error}") from error


def _not_plain(kind: pa.DataType) -> bool:
    plain_dictionary = pa.types.is_dictionary(kind) and not _not_plain(kind.value_type)
    return not plain_dictionary and bool(
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_time(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_dictionary(kind)
    )
