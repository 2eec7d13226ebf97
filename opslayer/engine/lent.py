"""Rows that workers are to read and no store holds as they are: laid into the lake for a while.

They lie below `LENT` in the lake's own folder or bucket, which every worker reaches, and are taken
away when the work is done. What a killed process left there goes with the next loan a day later, or
with the next erasure, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from opslayer.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import PyFileSystem

LENT = ".lent"
"""No capability can be called so."""
FORGOTTEN = timedelta(days=1)
"""Age from which a loan's owner is dead: no step takes as long."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The address of lent rows."""

    lake: str
    name: str

    def table(self) -> pa.Table:
        """The rows, kept in this process for its next piece. Raises StoreError if they are gone."""
        return _read(self)


@dataclass(frozen=True, slots=True)
class Held:
    """Rows lent to this process itself."""

    rows: pa.Table

    def table(self) -> pa.Table:
        """The rows."""
        return self.rows


Lent = Kept | Held


@contextmanager
def kept(lake: str, rows: pa.Table) -> Iterator[Kept]:
    """Lay rows into the lake for as long as the block lasts. Raises StoreError."""
    from pyarrow import parquet

    clear(lake, datetime.now(UTC) - FORGOTTEN)
    lent = Kept(lake, f"{uuid4().hex}.parquet")
    files = _files(lake)
    try:
        with files.open_output_stream(lent.name) as file:
            parquet.write_table(rows, file)
    except OSError as error:
        raise StoreError(f"rows can't be lent to the engine: {error}") from error
    try:
        yield lent
    finally:
        with suppress(OSError):  # an erasure may have been faster
            files.delete_file(lent.name)


def clear(lake: str, before: datetime) -> int:
    """Take away what was lent before a moment; returns how many loans."""
    from pyarrow.fs import FileSelector

    if "://" not in lake and not Path(lake, LENT).is_dir():
        return 0
    files, gone = _files(lake), 0
    for one in files.get_file_info(FileSelector("", allow_not_found=True)):
        if one.is_file and one.mtime and one.mtime < before:
            with suppress(OSError):
                files.delete_file(one.path)
                gone += 1
    return gone


@lru_cache(maxsize=1)
def _read(lent: Kept) -> pa.Table:
    from pyarrow import parquet

    try:
        with _files(lent.lake).open_input_file(lent.name) as file:
            return parquet.read_table(file)
    except OSError as error:
        raise StoreError(
            f"the rows that were lent to the engine are not in {lent.lake}/{LENT} any more, or "
            "this worker does not reach that folder: give OPSLAYER_LAKE_URL an address that every "
            f"worker reaches, and ask again ({error})"
        ) from error


def _files(lake: str) -> PyFileSystem:
    """The lake's folder for loans, reached as its tables are."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    root = f"{lake}/{LENT}"
    if "://" not in lake:
        Path(root).mkdir(parents=True, exist_ok=True)
    return PyFileSystem(DeltaStorageHandler(root))
