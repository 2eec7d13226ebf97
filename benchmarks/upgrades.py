"""P31: what every earlier schema holds is there after an upgrade, wherever that is killed.

For each schema, on SQLite and on PostgreSQL: a database that has come to it by its migrations, with
calls, feedback, a release and some rows in every other table. The way from there to this code's
schema is killed before every statement and commit. What is left is the old schema or the new one,
with all rows as they were, and whoever comes next finishes it. A database of a later schema is
refused by name, and left as it is.

`STEP=10` tries every tenth statement.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Engine, Integer, MetaData, Table, create_engine, insert, select, text

from benchmarks.bars import Bar, finish, say
from benchmarks.first_home import FIRST, filled
from benchmarks.kills import dies
from benchmarks.servers import POSTGRES, Server
from opslayer.stores.events import Events
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.database import close
from opslayer.stores.ledger.migrate import HEAD, MIGRATIONS, VERSION_TABLE, version
from tests import backend

LATER = "0999"
STEP = int(os.environ.get("STEP", "1"))
CALLS = 50
ROWS = 3
"""In every table that no call, feedback or release fills."""
Row = dict[str, Any]
Content = dict[str, list[Row]]
"""The rows of each table."""


@dataclass(frozen=True)
class Databases:
    """Where a database can be had again and again."""

    name: str
    at: Callable[[str], str]
    """The address of the database of a name."""
    copy: Callable[[str, str], None]
    """Make the second of these what the first is; nothing may be connected to that."""
    drop: Callable[[str], None]


def sqlite(folder: Path) -> Databases:
    """Files in a folder."""

    def drop(name: str) -> None:
        for path in folder.glob(f"{name}.db*"):
            path.unlink()

    return Databases(
        name="sqlite",
        at=lambda name: f"sqlite:///{folder}/{name}.db",
        copy=lambda one, other: (
            shutil.copyfile(folder / f"{one}.db", folder / f"{other}.db") and None
        ),
        drop=drop,
    )


@contextmanager
def postgres(folder: Path) -> Iterator[Databases]:
    """A server of our own."""
    made, owner = backend.postgres(folder, POSTGRES)
    log, at = folder / "postgres.log", owner.partition("@")[2]
    server = Server("postgres", made, f"tcp://{at}", log, user=backend.server_user())
    server.start()

    def ask(sql: str) -> None:
        import psycopg

        with psycopg.connect(f"postgresql://{owner}/postgres", autocommit=True) as connection:
            connection.execute(sql.encode())

    try:
        yield Databases(
            name="postgres",
            at=lambda name: f"postgresql+psycopg://{owner}/{name}",
            copy=lambda one, other: ask(f"CREATE DATABASE {other} TEMPLATE {one}"),
            drop=lambda name: ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
    finally:
        server.stop()


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """An engine of its own, that holds nothing afterwards."""
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def schemas() -> list[str]:
    """Every schema before this one, the first first."""
    known = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return sorted(script.revision for script in known)[:-1]


def make(url: str, schema: str) -> None:
    """A database of an earlier schema, which began with the first."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with opened(url) as engine:
        for revision, fill in ((FIRST, filled), (schema, _rows)):
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                fill(connection, CALLS)


def _rows(connection: Any, _calls: int) -> None:
    """Some rows in every table that is empty: what they say is nobody's business here."""
    for table in _tables(connection):
        if connection.execute(select(table).limit(1)).first() is None:
            rows = [{one.name: _value(one, number) for one in table.c} for number in range(ROWS)]
            connection.execute(insert(table), rows)


def _value(column: Any, number: int) -> Any:
    if isinstance(column.type, JSON):
        return {"number": number}
    if isinstance(column.type, Integer):
        return number + 1
    if column.name == "record":
        return json.dumps({"number": number})
    if column.name.endswith(("_at", "_time", "_until")) or column.name == "at":
        return datetime(2026, 1, 1 + number, tzinfo=UTC).isoformat()
    return f"{column.name} {number}"


def _tables(connection: Any) -> list[Table]:
    there = MetaData()
    there.reflect(connection)
    return [table for table in there.sorted_tables if table.name != VERSION_TABLE]


def content(url: str) -> Content:
    """Every row of every table."""
    with opened(url) as engine, engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in _tables(connection)
        }


def lost(before: Content, after: Content) -> int:
    """Rows of which not every value is there again, and rows that are new. A migration may add
    columns, and fill those that were empty."""
    return sum(_missing(rows, after.get(table, [])) for table, rows in before.items())


def _missing(before: Sequence[Row], after: Sequence[Row]) -> int:
    left, missing = list(after), 0
    for row in before:
        said = {name: value for name, value in row.items() if value is not None}.items()
        same = next((one for one in left if said <= one.items()), None)
        if same is None:
            missing += 1
        else:
            left.remove(same)
    return missing + len(left)


def migrate(url: str) -> None:
    """As the first use of a newer version does."""
    assert Ledger(url).releases.newest("grown") is not None


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    between: int = 0
    """Kills that left neither the old schema nor the new one."""
    spoilt: int = 0
    """Kills after which a row was lost, or is there twice, before or after who came next."""
    unread: int = 0
    """Upgraded databases in which the calls are not found by what answered them."""


def upgrade(there: Databases, schema: str, tally: Tally, step: int = STEP) -> None:
    """Every kill on the way from one schema to this code's, or every so many."""
    source, point, died = f"from_{schema}", 1, True
    there.drop(source)
    if there.name == "postgres":
        there.copy("template0", source)
    make(there.at(source), schema)
    before = content(there.at(source))
    while died:
        name = f"at_{schema}_{point}"
        url = there.at(name)
        there.copy(source, name)
        died = dies(point, migrate, url)
        tally.kills += died
        with opened(url) as engine:
            tally.between += version(engine) not in (schema, HEAD)
        spoilt = lost(before, content(url))
        migrate(url)
        tally.spoilt += bool(spoilt or lost(before, content(url)))
        tally.unread += Events(url).answered_by("grown", ["constant"], 1)[0] != CALLS
        close(url)
        there.drop(name)
        point += step
    say(f"{there.name}, from {schema}: {len(before)} tables, "
        f"{sum(map(len, before.values()))} rows, killed at {(point - 1) // step - 1} "
        f"statements")  # fmt: skip


CREATE = ("keys", "create", "--name", "shop", "--role", "call")
ASKED = (("export", "erasures"), ("keys", "list"), CREATE)
"""What a person of an earlier version may ask of a later database."""


def refused(there: Databases) -> int:
    """Of `ASKED`, what a later schema refuses by name, saying what to do; the database stays as it
    is."""
    there.drop("later")
    there.copy(f"from_{FIRST}", "later")
    url = there.at("later")
    migrate(url)
    close(url)
    with opened(url) as engine, engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{LATER}'"))
    before = content(url)
    said = [opslayer(url, *words) for words in ASKED]
    for words, one in zip(ASKED, said, strict=True):
        say(f"{' '.join(words)}: {one.returncode} {one.stderr.strip()[:200]}")
    told = [
        one.returncode == 1 and all(word in one.stderr for word in (LATER, HEAD, "restore"))
        for one in said
    ]
    return sum(told) if content(url) == before else 0


def opslayer(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a database, with an empty home."""
    command = [sys.executable, "-m", "commands", *words]
    with tempfile.TemporaryDirectory() as home:
        told = {"OPSLAYER_HOME": home, "OPSLAYER_CONFIGS": home, "OPSLAYER_DATABASE_URL": url}
        environment = {**os.environ, **told}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def run(there: Databases) -> list[Bar]:
    """Every schema on one kind of database; the bars."""
    tally = Tally()
    for schema in schemas():
        upgrade(there, schema, tally)
    name, of = there.name, tally.kills
    return [
        Bar(f"{name}_schemas", len(schemas()), ">= 10"),
        Bar(f"{name}_killed_between_two_schemas", tally.between, "<= 0", of=of),
        Bar(f"{name}_killed_and_lost", tally.spoilt, "<= 0", of=of),
        Bar(f"{name}_upgraded_and_not_found", tally.unread, "<= 0", of=of),
        Bar(f"{name}_later_not_refused", len(ASKED) - refused(there), "<= 0", of=len(ASKED)),
    ]


def main() -> int:
    """On SQLite, then on PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="opslayer-upgrades-") as folder:
        found = run(sqlite(Path(folder)))
        with postgres(Path(folder)) as there:
            found += run(there)
    return finish("upgrades", sum(bar.of or 0 for bar in found if "and_lost" in bar.name), found)


if __name__ == "__main__":
    sys.exit(main())
