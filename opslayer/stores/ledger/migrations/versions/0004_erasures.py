"""Who was erased, and which interactions are gone with them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(32), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Index("erasures_by_subject", "subject", "at"),
    )
    op.create_table(
        "erased",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("erasure", sa.String(16), nullable=False),
        sa.Index("erased_by_erasure", "erasure"),
    )
