"""Brings a database to this code's schema, in one transaction, before anything else reads it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from opslayer.errors import StoreError
from opslayer.stores.ledger.turns import take_turn

HEAD = "0011"
"""The newest revision in `migrations/versions`."""

VERSION_TABLE = "opslayer_version"
"""Ours alone, so that MLflow or Prefect in the same database keep their own."""

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Upgrade the database's schema to `HEAD`; one select where there is nothing to do.

    Several processes may start at once: one upgrades, the others wait and find it done. A kill in
    the middle leaves the old schema. Raises StoreError where the database is newer than this code.
    """
    if version(engine) == HEAD:
        return
    for last in (False, True):
        try:
            with engine.execution_options(opslayer_writes=True).begin() as connection:
                _upgrade(connection)
            return
        except DBAPIError:
            # PostgreSQL lets two processes create one table and fails the later one.
            if last or version(engine) != HEAD:
                raise


def version(engine: Engine) -> str | None:
    """The revision of a database's schema; None where it has no schema of ours yet."""
    try:
        with engine.connect() as connection:
            found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    except (OperationalError, ProgrammingError):  # no such table; a real fault shows again soon
        return None
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    take_turn(connection, "schema")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = _locked_version(connection)
    if found is not None and found not in known:
        where = connection.engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"database {where} has schema {found}, and this Opslayer knows schemas up to {HEAD}: "
            "a newer Opslayer wrote it. Install that one again, or restore a backup made before "
            "the upgrade with `opslayer restore`"
        )
    command.upgrade(config, "head")


def _locked_version(connection: Connection) -> str | None:
    """The revision as it is now that this transaction holds the write lock."""
    from sqlalchemy import inspect

    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return found
