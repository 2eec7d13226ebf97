"""What lineage asks the log for: feedback by its interaction, interactions by who answered."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

PORTION = 5_000
EVENTS = sa.table(
    "events",
    *(sa.column(name) for name in ("writer", "number", "kind", "record", "about", "answered_by")),
)


def upgrade() -> None:
    """Add both columns, fill them from the records, and index them."""
    op.add_column("events", sa.Column("about", sa.String(64)))
    op.add_column("events", sa.Column("answered_by", sa.Text))
    _fill(op.get_bind())
    for name, columns in (
        ("events_about", ["about"]),
        ("events_by_answerer", ["capability", "answered_by", "id"]),
    ):
        kept = sa.column("answered_by" if "answered_by" in columns else "about").is_not(None)
        op.create_index(name, "events", columns, sqlite_where=kept, postgresql_where=kept)


def _fill(connection: sa.Connection) -> None:
    place = sa.tuple_(EVENTS.c.writer, EVENTS.c.number)
    last: tuple[str, int] = ("", -1)
    query = sa.select(EVENTS.c.writer, EVENTS.c.number, EVENTS.c.kind, EVENTS.c.record)
    query = query.where(EVENTS.c.kind.in_(["interaction", "feedback"])).order_by(
        EVENTS.c.writer, EVENTS.c.number
    )
    change = (
        sa.update(EVENTS)
        .where(EVENTS.c.writer == sa.bindparam("at"), EVENTS.c.number == sa.bindparam("place"))
        .values(about=sa.bindparam("said_of"), answered_by=sa.bindparam("answerer"))
    )
    while rows := connection.execute(query.where(place > sa.tuple_(*last)).limit(PORTION)).all():
        found = [_found(*row) for row in rows]
        connection.execute(change, found)
        last = (rows[-1].writer, rows[-1].number)


def _found(writer: str, number: int, kind: str, text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:  # written by something else: it is found by its id, as before
        said = None
    record = said if isinstance(said, dict) else {}
    heard = record.get("status", "answered") in ("answered", "incomplete")
    return {
        "at": writer,
        "place": number,
        "said_of": record.get("interaction_id") if kind == "feedback" else None,
        "answerer": record.get("variant") if kind == "interaction" and heard else None,
    }
