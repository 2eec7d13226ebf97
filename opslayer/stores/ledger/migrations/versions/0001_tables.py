"""The first schema. It is written out: later changes to tables.py must not change it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    _create_decisions()
    _create_causes()
    _create_trainings()
    _create_intake()


def _create_decisions() -> None:
    op.create_table(
        "releases",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("cause", sa.String(32)),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("capability", "cause"),
    )
    op.create_table(
        "verdicts",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(16), nullable=False, unique=True),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Index("verdicts_by_kind", "capability", "kind", "sequence"),
    )


def _create_causes() -> None:
    op.create_table(
        "causes",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("lease_until", sa.String(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Index("causes_by_status", "capability", "status"),
    )


def _create_trainings() -> None:
    op.create_table(
        "versions",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("recipe", sa.String(16), nullable=False),
        sa.Column("trained_at", sa.String(32), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.UniqueConstraint("capability", "cause", "recipe"),
    )
    op.create_table(
        "snapshots",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("recipe", sa.String(16), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )


def _create_intake() -> None:
    op.create_table(
        "batches",
        sa.Column("capability", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("begin", sa.JSON, nullable=False),
        sa.Column("end", sa.JSON, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "events",
        sa.Column("writer", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.UniqueConstraint("kind", "id"),
        sa.Index("events_by_capability", "capability", "writer", "number"),
    )
