"""One engine per database and process, and transactions that are durable before they return.

Everything SQLite needs to hear is said here, so that the doors speak SQL any database knows.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, insert, make_url

from opslayer.errors import StoreError
from opslayer.stores.ledger.migrate import migrate

CHECKPOINT = 250
"""Pages, 1 MB, after which the log of changes goes into the database: by default it grows to four
times as much, and where a disk is nearly full that is the room in which it would go on."""
CONNECT_S = 5
"""Seconds after which a server that says nothing is away, as one that refuses is."""
BUSY_MS = 30_000
"""How long a writer waits for another one's transaction: longer than any of ours takes."""

WRITES = "opslayer_writes"
"""Execution option of a transaction that will write."""

UNKEPT = "\ufffd"
"""What stands for a character that PostgreSQL's texts can't hold: NUL, and half of a pair."""
PERSONAL = ("events", "idempotency", "queue", "reviews", "topics")
"""Tables from which an erasure or an expiry removes what is somebody's."""

ONE_MOMENT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""What makes several queries of one reading see one moment in PostgreSQL, as they do in SQLite."""


@lru_cache(maxsize=8)
def engine(url: str) -> Engine:
    """The process's engine for a database, its schema brought up to this code's first.

    Raises StoreError where the database is newer than this code.
    """
    patience = connect_args(url, CONNECT_S)
    made = create_engine(
        url, pool_pre_ping=True, pool_size=8, max_overflow=64, connect_args=patience
    )
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _make_durable)
        event.listen(made, "begin", _begin)
    elif made.dialect.name == "postgresql":
        event.listen(made, "before_cursor_execute", _hold, retval=True)
    _made.add(made)
    migrate(made)
    return made


def connect_args(url: str, seconds: int) -> dict[str, int]:
    """What an engine is told, so that a server that says nothing for so many seconds is away."""
    is_server = make_url(url).get_backend_name() == "postgresql"
    return {"connect_timeout": seconds} if is_server else {}


def _make_durable(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")  # first: the next one may have to wait
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL loses acknowledged rows at a power cut
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")


def _use_wal(connection: Any) -> None:
    """Readers and a writer side by side.

    Two processes that switch a new file at once may hear "locked" without the busy timeout
    being waited for, so we wait ourselves.
    """
    from sqlite3 import OperationalError

    end = time.monotonic() + BUSY_MS / 1000
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail with "locked" instead of waiting,
    # so a writer takes its lock at once; a reader never takes it.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _hold(*call: Any) -> tuple[Any, Any]:
    """Let every text be one that PostgreSQL can hold: what is looked for with another one is not
    there, and is no fault of the database."""
    statement, said = call[2], call[3]
    return statement, [_held(row) for row in said] if isinstance(said, list) else _held(said)


def _held(row: Any) -> Any:
    if isinstance(row, Mapping):
        return {name: _holdable(value) for name, value in row.items()}
    return tuple(_holdable(value) for value in row) if row else row


def _holdable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    whole = value.replace("\0", UNKEPT)
    if whole.isascii():
        return whole
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_made: WeakSet[Engine] = WeakSet()


def _close_all(close: bool = True) -> None:
    for made in list(_made):
        made.dispose(close=close)


# SQLite's locks don't survive a fork, while its memory of holding them does: a child must inherit
# no open connection (sqlite.org/howtocorrupt.html, 2.6).
os.register_at_fork(before=_close_all, after_in_child=lambda: _close_all(close=False))


@contextmanager
def transaction(url: str) -> Iterator[Connection]:
    """A transaction that may write: committed and durable at the end of the block, rolled back
    at an exception. On SQLite it holds the one write lock from its start.

    Raises StoreError where the database is away, full, locked for too long or not ours.
    """
    with _connected(url, writes=True) as connection:
        yield connection


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A transaction that only reads; it waits for no writer and no writer waits for it.

    Raises StoreError where the database is away or not ours.
    """
    with _connected(url, writes=False) as connection:
        yield connection


@contextmanager
def _connected(url: str, writes: bool) -> Iterator[Connection]:
    with _speaking(url):
        made = _engine(url)
        alike = {} if writes or made.dialect.name != "postgresql" else ONE_MOMENT
        with made.execution_options(**{WRITES: writes}, **alike).begin() as connection:
            yield connection


@contextmanager
def _speaking(url: str) -> Iterator[None]:
    """What a database raises as our errors, but for what a statement of ours says about itself."""
    try:
        yield
    except (exc.IntegrityError, exc.ProgrammingError):
        raise
    except exc.DBAPIError as error:
        raise StoreError(f"database {shown(url)} did not answer: {error.orig}") from error
    except exc.TimeoutError as error:
        raise StoreError(f"database {shown(url)}: every connection is in use: {error}") from error
    except exc.ArgumentError as error:
        raise StoreError(f"OPSLAYER_DATABASE_URL is no database URL: {error}") from error


def _engine(url: str) -> Engine:
    try:
        return engine(url)
    except ImportError as error:
        name = make_url(url).drivername
        raise StoreError(
            f"OPSLAYER_DATABASE_URL names {name}, whose driver is not installed ({error}): "
            f"pip install {error.name}"
        ) from error


def shown(url: str) -> str:
    """A database's URL for a message: the password is hidden."""
    return make_url(url).render_as_string(hide_password=True)


def forget_changes(url: str) -> None:
    """Leave no copy of removed rows in SQLite's write-ahead log; pages are overwritten anyway.

    Waits for readers, each of which may hold the log for a moment. Raises StoreError where one
    holds it for too long. Nothing for PostgreSQL, see `forget_removed`.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return
    end = time.monotonic() + BUSY_MS / 1000
    with _engine(url).connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        while raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > end:
                raise StoreError(f"database {shown(url)}: a reader holds its log: ask again")
            time.sleep(0.05)


def forget_removed(url: str) -> None:
    """As `forget_changes`, at the end of an erasure or an expiry: in PostgreSQL the versions of
    rows that nobody can see any more go at once, with what the indexes hold of them.

    Left to itself it does so once a fifth of a table has changed, which is never in a large log.
    Its own log of changes and what was copied from it are kept as its server says. Raises
    StoreError.
    """
    forget_changes(url)
    if make_url(url).get_backend_name() == "postgresql":
        with _speaking(url), _engine(url).connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.exec_driver_sql(f"VACUUM (INDEX_CLEANUP ON) {', '.join(PERSONAL)}")


def close(url: str) -> None:
    """Close this process's connections to a database, so that its file can be moved: SQLite then
    writes its log of changes into it."""
    _engine(url).dispose()


def add_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique key says that it is there; returns whether it was inserted."""
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(dict(row)))
    except exc.IntegrityError:
        return False
    return True


def moment_text(moment: datetime) -> str:
    """A time as the tables keep it: ISO 8601 UTC with microseconds, 32 characters."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
