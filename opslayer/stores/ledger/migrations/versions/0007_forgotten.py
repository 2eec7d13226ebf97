"""Which models are gone since somebody was erased: what serves must not name them again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ERASURES = sa.table("erasures", sa.column("id"), sa.column("record", sa.JSON))


def upgrade() -> None:
    """Create the table and fill it from the receipts."""
    forgotten = op.create_table(
        "forgotten",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("erasure", sa.String(16), nullable=False),
    )
    connection = op.get_bind()
    gone = {
        (name, number): id
        for id, record in connection.execute(sa.select(ERASURES.c.id, ERASURES.c.record))
        for name, numbers in record.get("forgotten", {}).items()
        for number in numbers
    }
    for (name, number), id in gone.items():
        row = {"capability": name, "version": number, "erasure": id}
        connection.execute(sa.insert(forgotten).values(row))
