"""Taking turns where a database lets several transactions write at once.

SQLite has one writer, so whoever has begun a transaction that may write sees everything that came
before it and nothing comes between. PostgreSQL has many: what one of them read may be untrue by the
time that it writes, and two that are to be the first both find nothing. So whoever writes what
follows from what they have read says here what that is about, and waits for the others.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import Connection, func, select

LOG = "log"
"""What the log takes in: whoever appends shares it, whoever says what is refused has it alone."""


def take_turn(connection: Connection, *about: str) -> None:
    """Keep others who say the same waiting until this transaction's end, and wait for those who
    said it before: what is read from here on holds their work."""
    _lock(connection, "pg_advisory_xact_lock", about)


def share_turn(connection: Connection, *about: str) -> None:
    """As `take_turn`, beside others who share it: only who takes it keeps them waiting."""
    _lock(connection, "pg_advisory_xact_lock_shared", about)


def _lock(connection: Connection, function: str, about: tuple[str, ...]) -> None:
    if connection.dialect.name != "postgresql":
        return
    # 64 bits of a hash: two subjects that meet by chance only wait for each other.
    number = int.from_bytes(sha256("\0".join(("opslayer", *about)).encode()).digest()[:8], "big")
    connection.execute(select(getattr(func, function)(number - 2**63)))
