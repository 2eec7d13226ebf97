"""What has grown too old: runs that removed it, horizons, and the age of the log's entries."""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

PORTION = 5_000
EVENTS = sa.table(
    "events", *(sa.column(name) for name in ("writer", "number", "record", "event_time"))
)


def upgrade() -> None:
    """Create both tables; add the column, fill it from the records, and index it."""
    op.create_table(
        "expiries",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Index("expiries_by_capability", "capability", "at"),
    )
    op.create_table(
        "horizons",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("what", sa.String(16), primary_key=True),
        sa.Column("since", sa.String(32), nullable=False),
    )
    op.add_column("events", sa.Column("event_time", sa.String(32)))
    _fill(op.get_bind())
    op.create_index("events_by_age", "events", ["capability", "event_time"])


def _fill(connection: sa.Connection) -> None:
    place = sa.tuple_(EVENTS.c.writer, EVENTS.c.number)
    last: tuple[str, int] = ("", -1)
    query = sa.select(EVENTS.c.writer, EVENTS.c.number, EVENTS.c.record)
    query = query.order_by(EVENTS.c.writer, EVENTS.c.number)
    change = (
        sa.update(EVENTS)
        .where(EVENTS.c.writer == sa.bindparam("at"), EVENTS.c.number == sa.bindparam("place"))
        .values(event_time=sa.bindparam("true_at"))
    )
    now = _text(datetime.now(UTC))
    while rows := connection.execute(query.where(place > sa.tuple_(*last)).limit(PORTION)).all():
        found = [
            {"at": row.writer, "place": row.number, "true_at": _said(row.record) or now}
            for row in rows
        ]
        connection.execute(change, found)
        last = (rows[-1].writer, rows[-1].number)


def _said(text: str) -> str | None:
    """The record's own time; None where it can't be read, or names none."""
    try:
        return _text(datetime.fromisoformat(json.loads(text)["event_time"]))
    except (ValueError, TypeError, KeyError):
        return None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
