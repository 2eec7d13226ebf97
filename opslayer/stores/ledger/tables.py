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

# What others name as they like. SQLite looks at no length; PostgreSQL refuses what is longer.
NAMED = String(64).with_variant(Text(), "postgresql")

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
    Column("about", NAMED),
    Column("answered_by", Text),
    # When it was true; of what names no time, when it was logged. By it an entry grows old.
    Column("event_time", String(32)),
    UniqueConstraint("kind", "id"),
    Index("events_by_capability", "capability", "writer", "number"),
    Index("events_by_age", "capability", "event_time"),
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

erasures = Table(
    "erasures",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("subject", String(32), nullable=False),
    Column("at", String(32), nullable=False),
    Column("done", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Index("erasures_by_subject", "subject", "at"),
)

erased = Table(
    "erased",
    metadata,
    # Ids of interactions that are gone: what is said of them later, or replayed, is not taken in.
    Column("id", String(64), primary_key=True),
    Column("erasure", String(16), nullable=False),
    Index("erased_by_erasure", "erasure"),
)

forgotten = Table(
    "forgotten",
    metadata,
    # Model versions whose files are gone, and why.
    Column("capability", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("why", Text, nullable=False),
)

expiries = Table(
    "expiries",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("capability", String(64), nullable=False),
    Column("at", String(32), nullable=False),
    Column("done", Integer, nullable=False),
    Column("record", JSON, nullable=False),
    Index("expiries_by_capability", "capability", "at"),
)

horizons = Table(
    "horizons",
    metadata,
    # Nothing of a capability that is older is kept, or taken in again, whoever replays it.
    Column("capability", String(64), primary_key=True),
    Column("what", String(16), primary_key=True),  # interactions, rows, models, reports
    Column("since", String(32), nullable=False),
)

traffic = Table(
    "traffic",
    metadata,
    Column("capability", String(64), primary_key=True),
    Column("hour", String(13), primary_key=True),
    Column("variant", String(255), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("unanswered", BigInteger, nullable=False),
    Column("fallbacks", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),  # in billionths, as budgets are
    Column("latency_us", BigInteger, nullable=False),  # of all calls together
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

queue = Table(
    "queue",
    metadata,
    # What reviewers are to look at, best first; made anew as a whole.
    Column("capability", String(64), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("row_id", Text, nullable=False),
    Column("built", String(32), nullable=False),
    Column("record", JSON, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("capability", String(64), primary_key=True),
    Column("row_id", Text, primary_key=True),
    Column("reviewer", NAMED, primary_key=True),
    # The seat at the row: two reviewers want the same one, and the database lets one have it. Null
    # for whoever skipped it, or let the claim lapse until another one took the seat.
    Column("seat", Integer),
    Column("status", String(16), nullable=False),  # claimed, answered, skipped
    Column("at", String(32), nullable=False),
    Column("until", String(32)),  # of a claim
    Column("said", Integer, nullable=False),  # statements made so far, those taken back included
    Column("due", Integer, nullable=False),  # how many reviewers the row is for
    Column("record", JSON, nullable=False),
    UniqueConstraint("capability", "row_id", "seat"),
    Index("reviews_by_reviewer", "capability", "reviewer", "status", "at"),
)

positions = Table(
    "positions",
    metadata,
    # How far a reader has come in the interaction log.
    Column("capability", String(64), primary_key=True),
    Column("reader", String(64), primary_key=True),
    Column("positions", JSON, nullable=False),  # by writer, the number of the last entry read
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("capability", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("since", Integer, nullable=False),  # the newest verdict's sequence when first seen
    Column("gone", String(16)),  # digest of the address that asked for no more
)

deliveries = Table(
    "deliveries",
    metadata,
    # One verdict on its way to one webhook, whoever sends it and however often.
    Column("id", String(16), primary_key=True),
    Column("capability", String(64), nullable=False),
    Column("hook", String(64), nullable=False),
    Column("event", String(16), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("status", String(16), nullable=False),  # waiting, delivered, failed, stopped
    Column("attempts", Integer, nullable=False),
    Column("created", String(32), nullable=False),
    Column("due", String(32), nullable=False),  # of the next attempt
    Column("tried", String(32)),  # when the last one began
    Column("code", Integer),  # HTTP status of the last answer
    Column("reason", Text),  # why the last attempt was in vain
    UniqueConstraint("capability", "hook", "verdict"),
    Index("deliveries_due", "capability", "hook", "status", "due"),
    Index("deliveries_by_time", "created"),
)

topics = Table(
    "topics",
    metadata,
    # (capability, number): two that learn at once want the same number, and one gets it.
    Column("capability", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", JSON, nullable=False),
)
