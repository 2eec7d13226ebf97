"""Room for names of any length: rows of sources, and reviewers by the name of their key."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """SQLite looks at no length; PostgreSQL changes the type alone and rewrites no row."""
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("events", "about"), ("reviews", "reviewer")):
            op.alter_column(table, column, type_=sa.Text())
