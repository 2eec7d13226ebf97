"""The ledger's tables. A change here needs a migration in `migrations/`.

Times are stored as ISO 8601 UTC text with microseconds, which sorts as it reads in SQLite and
PostgreSQL alike.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

releases = Table(
    "releases",
    metadata,
    # (capability, number) with number = parent + 1 is the compare-and-set: two promotions from
    # one parent want the same key, and the database lets one have it.
    Column("capability", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("cause", String(32)),
    Column("record", JSON, nullable=False),
    UniqueConstraint("capability", "cause"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("sequence", Integer, primary_key=True),  # the database counts: the order of writing
    Column("id", String(16), nullable=False, unique=True),
    Column("capability", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", String(32), nullable=False),
    Column("record", JSON, nullable=False),
    Index("verdicts_by_kind", "capability", "kind", "sequence"),
)

causes = Table(
    "causes",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("capability", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # open, claimed, done, refused
    Column("owner", String(64)),
    Column("lease_until", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("result", Text),
    Column("record", JSON, nullable=False),
    Index("causes_by_status", "capability", "status"),
)

versions = Table(
    "versions",
    metadata,
    Column("capability", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("cause", String(32), nullable=False),
    Column("recipe", String(16), nullable=False),
    Column("trained_at", String(32), nullable=False),
    Column("record", JSON, nullable=False),
    # One training per cause and recipe, however often a killed run is taken up again.
    UniqueConstraint("capability", "cause", "recipe"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("capability", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("recipe", String(16), nullable=False),
    Column("record", JSON, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    # What one ingest is about to write, recorded before it writes: a killed ingest is finished
    # from here with the same rows.
    Column("capability", String(64), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    # begun, done, refused, closing, interrupted
    Column("status", String(16), nullable=False),
    Column("begin", JSON, nullable=False),  # where reading starts
    Column("end", JSON, nullable=False),  # where the next batch starts
    Column("counts", JSON, nullable=False),
    Column("reason", Text),
)

events = Table(
    "events",
    metadata,
    # Each writer numbers its own events, so a reader's position per writer never skips an event
    # that was numbered early and committed late.
    Column("writer", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("capability", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # interaction, feedback
    Column("id", String(64), nullable=False),
    Column("record", Text, nullable=False),
    # Taken out of the record, so that lineage need not read a whole log: of feedback the
    # interaction it is about, of an interaction the variant whose answer somebody got.
    Column("about", String(64)),
    Column("answered_by", Text),
    UniqueConstraint("kind", "id"),
    Index("events_by_capability", "capability", "writer", "number"),
)
Index(
    "events_about",
    events.c.about,
    sqlite_where=events.c.about.is_not(None),
    postgresql_where=events.c.about.is_not(None),
)
Index(
    "events_by_answerer",
    events.c.capability,
    events.c.answered_by,
    events.c.id,
    sqlite_where=events.c.answered_by.is_not(None),
    postgresql_where=events.c.answered_by.is_not(None),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    # In billionths of the money's unit: sums of whole numbers are exact in every database.
    Column("budget", BigInteger),
    Column("spent", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),  # of the caller's key
    Column("body", String(64), nullable=False),  # its digest
    Column("interaction", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("status", String(16), nullable=False),  # begun, done
    Index("idempotency_by_time", "at"),
)
