"""What a reader yields: cells as the source wrote them, a bounded number of rows at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

ROWS = 100_000
"""Rows of a chunk: what one ingest holds in memory, and what one batch writes."""

RAW = 10_000
"""Characters of a bad row that the quarantine keeps."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row was not taken."""

    file: str
    line: int
    """Line of the file (its header is line 1), row of a Parquet file, number in the log; from 1."""
    column: str
    """The columns at fault; empty where the row as a whole is."""
    reason: str
    raw: str
    """What the source said, shortened to `RAW` characters."""
    event_time: datetime | None = None
    """When it was true; None where it doesn't say so."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows of a source. Every column has the length of `lines`."""

    files: Sequence[str] | str
    """The file of all rows, or of each."""
    lines: Sequence[int]
    columns: Mapping[str, pa.Array]
    """Text as it stands in the source, or typed values; a column the source lacks is absent."""
    faults: Sequence[Fault] = ()
    """Rows that could not be cut into cells at all; they are in no column."""

    @property
    def read(self) -> int:
        """How many rows the source had here, good and bad."""
        return len(self.lines) + len(self.faults)

    def file(self, index: int) -> str:
        """The file of a row."""
        return self.files if isinstance(self.files, str) else self.files[index]

    def raw(self, index: int) -> str:
        """A row's cells as JSON."""
        cells = {name: _shown(column[index]) for name, column in self.columns.items()}
        return shortened(json.dumps(cells, default=str, ensure_ascii=False))


def _shown(cell: pa.Scalar) -> object:
    try:
        return cell.as_py()
    except ValueError:  # a time that Python can't hold, text that is no UTF-8
        return f"<{cell.type} that can't be shown>"


def shortened(raw: str) -> str:
    """At most `RAW` characters that any encoder takes; broken bytes as `\\xNN`."""
    plain = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return plain if len(plain) <= RAW else plain[: RAW - 1] + "…"
