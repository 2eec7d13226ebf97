"""The schema's way from nothing to now, whoever starts it and whenever it is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest
from alembic import command
from alembic.config import Config
from backend import database_at, local_only
from sqlalchemy import Connection, create_engine, event, text

from benchmarks import upgrades
from opslayer.errors import StoreError
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.database import engine, reading, transaction
from opslayer.stores.ledger.migrate import HEAD, MIGRATIONS, VERSION_TABLE, migrate, version
from opslayer.stores.ledger.tables import metadata

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_at(tmp_path / "ledger.db", schema=False)


def test_the_migrations_end_at_the_tables_that_the_code_reads(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading(url) as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_head_names_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_database_that_is_up_to_date_costs_one_select_and_no_alembic(url: str) -> None:
    Ledger(url).releases.newest("bike-demand")
    script = (
        "import sys\n"
        "from sqlalchemy import create_engine, event\n"
        "from opslayer.stores.ledger.migrate import migrate\n"
        "made, said = create_engine(sys.argv[1]), []\n"
        "event.listen(made, 'before_cursor_execute', lambda *call: said.append(call[2]))\n"
        "migrate(made)\n"
        "print(len(said), 'alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, url], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]


def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    start = FORK.Event()
    results = FORK.Queue()

    def first_use() -> None:
        start.wait()
        try:
            Ledger(url).releases.newest("bike-demand")
            results.put("")
        except BaseException as error:
            results.put(repr(error))

    workers = [FORK.Process(target=first_use) for _ in range(6)]
    for worker in workers:
        worker.start()
    start.set()
    assert [results.get(timeout=60) for _ in workers] == [""] * 6
    for worker in workers:
        worker.join()
    assert version(engine(url)) == HEAD


def _migrating(path: Path, reached: Callable[[int], None]) -> bool:
    """Migrate in a child that tells of each statement before it runs; whether it died."""
    child = os.fork()
    if child == 0:
        made = create_engine(f"sqlite:///{path}")
        seen = [0]

        def count(*_: object) -> None:
            seen[0] += 1
            reached(seen[0])

        @event.listens_for(made, "connect")
        def _(connection: sqlite3.Connection, __: object) -> None:
            connection.isolation_level = None

        @event.listens_for(made, "begin")
        def _(connection: object) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

        event.listen(made, "before_cursor_execute", count)
        event.listen(made, "commit", count)
        try:
            migrate(made)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _old_or_new(path: Path, opened: bool) -> bool:
    """Whether the tables are there, all or none of them; and what `opened` makes of it is whole."""
    with sqlite3.connect(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    ours = tables & set(metadata.tables)
    assert ours in (set(), set(metadata.tables))
    assert (VERSION_TABLE in tables) == bool(ours)
    if ours or opened:
        assert Ledger(f"sqlite:///{path}").releases.newest("bike-demand") is None
    return bool(ours)


@local_only("SQLite's files after a kill")
def test_a_migration_killed_at_any_statement_leaves_old_or_new(tmp_path: Path) -> None:
    """The files as they are before a statement are what a kill there leaves; some are such."""
    whole, left = tmp_path / "whole" / "ledger.db", tmp_path / "left"
    whole.parent.mkdir()
    assert not _migrating(whole, lambda at: copytree(whole.parent, left / str(at)) and None)
    assert _old_or_new(whole, opened=True)
    statements = len([*left.iterdir()])
    assert statements > len(metadata.tables)
    for at in range(1, statements + 1):
        _old_or_new(left / str(at) / whole.name, opened=at % 8 == 1)
    for at in (1, statements // 3, 2 * statements // 3, statements):
        killed = tmp_path / f"{at}.db"
        assert _migrating(killed, lambda now, at=at: _die() if now == at else None)  # type: ignore[misc]
        _old_or_new(killed, opened=True)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@local_only("SQLite's files after a kill")
def test_an_upgrade_from_the_schema_before_that_is_killed_loses_no_row(tmp_path: Path) -> None:
    tally = upgrades.Tally()
    upgrades.upgrade(upgrades.sqlite(tmp_path), upgrades.schemas()[-1], tally, step=2)
    assert tally.kills > 1
    assert (tally.between, tally.spoilt, tally.unread) == (0, 0, 0)


def test_a_database_from_a_newer_opslayer_is_refused_by_name(url: str) -> None:
    Ledger(url).releases.newest("bike-demand")
    with transaction(url) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0999'"))
    engine.cache_clear()
    with pytest.raises(StoreError, match=f"schema 0999.*up to {HEAD}.*restore"):
        Ledger(url).releases.newest("bike-demand")
    assert version(create_engine(url)) == "0999"


def test_tables_of_other_tools_in_the_same_database_stay(url: str) -> None:
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('mlflow')"))
    Ledger(url).releases.newest("bike-demand")
    with reading(url) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "mlflow"


def test_what_was_logged_before_lineage_is_found_by_it_afterwards(url: str) -> None:
    made = create_engine(url)
    with made.begin() as connection:
        upgrade(connection, "0002")
        for number, (kind, record) in enumerate(LOGGED, 1):
            connection.execute(
                text(
                    "INSERT INTO events (writer, number, capability, kind, id, record)"
                    " VALUES ('w', :number, 'desk', :kind, :id, :record)"
                ),
                {"number": number, "kind": kind, "id": f"{number}", "record": json.dumps(record)},
            )
    made.dispose()
    Ledger(url).releases.newest("desk")
    with reading(url) as connection:
        found = connection.execute(text("SELECT about, answered_by FROM events ORDER BY number"))
        assert [tuple(row) for row in found] == [
            (None, "main"),
            (None, "big"),
            (None, None),
            ("1", None),
            (None, None),
            (None, None),
        ]


def test_what_was_logged_before_retention_has_its_age_afterwards(url: str) -> None:
    made, before = create_engine(url), datetime.now(UTC)
    said = [{"event_time": "2024-01-01T02:00:00+02:00"}, {"event_time": "long ago"}, ["no record"]]
    with made.begin() as connection:
        upgrade(connection, "0006")
        for number, record in enumerate(said, 1):
            connection.execute(
                text(
                    "INSERT INTO events (writer, number, capability, kind, id, record)"
                    " VALUES ('w', :number, 'desk', 'interaction', :id, :record)"
                ),
                {"number": number, "id": f"{number}", "record": json.dumps(record)},
            )
    made.dispose()
    Ledger(url).releases.newest("desk")
    with reading(url) as connection:
        found = connection.scalars(text("SELECT event_time FROM events ORDER BY number"))
        first, *others = (datetime.fromisoformat(one) for one in found)
    assert first == datetime(2024, 1, 1, tzinfo=UTC)
    assert all(one >= before for one in others), "as old as what has just come"


LOGGED = [
    ("interaction", {"variant": "main"}),
    ("interaction", {"variant": "big", "status": "incomplete"}),
    ("interaction", {"variant": "big", "status": "failed"}),
    ("feedback", {"interaction_id": "1", "variant": "main"}),
    ("shadow", {"variant": "main"}),
    ("interaction", ["from", "elsewhere"]),
]


def upgrade(connection: Connection, revision: str) -> None:
    """Bring a database to an earlier schema than this code's."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
