"""Which webhooks there are, and what is on its way to each."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "webhooks",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("gone", sa.String(16)),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("hook", sa.String(64), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("due", sa.String(32), nullable=False),
        sa.Column("tried", sa.String(32)),
        sa.Column("code", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("capability", "hook", "verdict"),
        sa.Index("deliveries_due", "capability", "hook", "status", "due"),
        sa.Index("deliveries_by_time", "created"),
    )
