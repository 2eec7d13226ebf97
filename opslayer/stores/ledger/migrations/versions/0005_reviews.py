"""What reviewers are to look at, hold and have said; how far readers of the log are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "queue",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("rank", sa.Integer, primary_key=True),
        sa.Column("row_id", sa.Text, nullable=False),
        sa.Column("built", sa.String(32), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("row_id", sa.Text, primary_key=True),
        sa.Column("reviewer", sa.String(64), primary_key=True),
        sa.Column("seat", sa.Integer),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("until", sa.String(32)),
        sa.Column("said", sa.Integer, nullable=False),
        sa.Column("due", sa.Integer, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("capability", "row_id", "seat"),
        sa.Index("reviews_by_reviewer", "capability", "reviewer", "status", "at"),
    )
    op.create_table(
        "positions",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("reader", sa.String(64), primary_key=True),
        sa.Column("positions", sa.JSON, nullable=False),
    )
