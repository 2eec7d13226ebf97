"""Runs the migrations inside the transaction that `opslayer.stores.ledger.migrate` has begun."""

from alembic import context

from opslayer.stores.ledger.migrate import VERSION_TABLE
from opslayer.stores.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
