"""Which models' files are gone, and why: what serves must not name them again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ERASURES = sa.table("erasures", sa.column("id"), sa.column("at"), sa.column("record", sa.JSON))


def upgrade() -> None:
    """Create the table and fill it from the receipts."""
    forgotten = op.create_table(
        "forgotten",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    connection = op.get_bind()
    receipts = connection.execute(sa.select(ERASURES.c.id, ERASURES.c.at, ERASURES.c.record))
    gone = {
        (name, number): (at, f"it had learnt from somebody who was erased (receipt {id})")
        for id, at, record in receipts
        for name, numbers in record.get("forgotten", {}).items()
        for number in numbers
    }
    for (name, number), (at, why) in gone.items():
        row = {"capability": name, "version": number, "at": at, "why": why}
        connection.execute(sa.insert(forgotten).values(row))
