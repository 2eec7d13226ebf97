"""A SQLite database as it was at one moment, copied while others write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opslayer.errors import StoreError
from opslayer.stores.ledger.database import BUSY_MS


@dataclass(frozen=True, slots=True)
class Frozen:
    """A database at the moment at which it was frozen."""

    path: Path
    _reader: sqlite3.Connection
    _writer: sqlite3.Connection

    def release(self) -> None:
        """Let others write again; this stays as it was."""
        self._writer.rollback()

    def copy(self, target: Path) -> None:
        """Write it to a new file. Raises StoreError where it is damaged."""
        _copy(self._reader, target)


@contextmanager
def frozen(path: Path) -> Iterator[Frozen]:
    """Freeze a database in WAL mode, and keep everybody from writing it until `release`.

    Raises StoreError where somebody writes it all the time.
    """
    with _told(path), closing(_connect(path)) as writer, closing(_connect(path)) as reader:
        writer.execute("BEGIN IMMEDIATE")
        reader.execute("BEGIN")
        # The first statement that reads is what takes the snapshot, not the BEGIN.
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield Frozen(path, reader, writer)


def copy(path: Path, target: Path) -> None:
    """Write a database, as it is now, to a new file. Raises StoreError where it is damaged, or
    somebody writes it all the time."""
    with _told(path), closing(_connect(path)) as reader:
        _copy(reader, target)


def column(path: Path, query: str) -> list[str]:
    """The first column of a query's answer, of a database that nobody has upgraded yet; nothing
    where it has no such table. Raises StoreError where it can't be read."""
    with _told(path), closing(_connect(path)) as reader:
        try:
            return [str(row[0]) for row in reader.execute(query)]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


def _connect(path: Path) -> sqlite3.Connection:
    # Never made here: a missing database is no empty one.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_MS / 1000)


def _copy(reader: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target, isolation_level=None)) as into:
        into.execute("PRAGMA synchronous=OFF")  # whoever packs the copy makes that durable
        reader.backup(into)
        into.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        (said,) = into.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(said)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"database {path} can't be copied: {error}") from error
