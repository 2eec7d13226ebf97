"""Calls by variant and hour, counted from what is logged so far."""

import sqlalchemy as sa
from alembic import op

from opslayer.stores.events import fields_of
from opslayer.stores.traffic import count

revision = "0003"
down_revision = "0002"

PAGE = 10_000
"""Interactions that are counted at once."""


def upgrade() -> None:
    """Create the table and count the log."""
    op.create_table(
        "traffic",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("hour", sa.String(13), primary_key=True),
        sa.Column("variant", sa.String(255), primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("unanswered", sa.BigInteger, nullable=False),
        sa.Column("fallbacks", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("latency_us", sa.BigInteger, nullable=False),
    )
    connection = op.get_bind()
    query = sa.text("SELECT record FROM events WHERE kind = 'interaction'")
    for some in connection.execute(query).scalars().partitions(PAGE):
        count(connection, map(fields_of, some))
