"""A data folder as the first released schema wrote it, made anew by its own migration."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

FIRST = "0001"
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_first_home(home: Path, calls: int) -> set[tuple[str, str]]:
    """A data folder with `filled`'s content."""
    home.mkdir(parents=True)
    path = home / "opslayer.db"
    _migrate_to_first(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    made = create_engine(f"sqlite:///{path}")
    with made.begin() as connection:
        entries = filled(connection, calls)
    made.dispose()
    return entries


def filled(connection: Connection, calls: int) -> set[tuple[str, str]]:
    """Log calls with what was said of them, a release and its verdict, in a database of the first
    schema; the kind and id of each entry of the log."""
    entries = [entry for number in range(calls) for entry in _said(number)]
    connection.execute(
        text(
            "INSERT INTO events (writer, number, capability, kind, id, record)"
            " VALUES ('gateway-1', :number, 'grown', :kind, :id, :record)"
        ),
        [
            {"number": place, "kind": kind, "id": record["id"], "record": _json(record)}
            for place, (kind, record) in enumerate(entries, 1)
        ],
    )
    _decide(connection)
    return {(kind, str(record["id"])) for kind, record in entries}


def _json(record: dict[str, object]) -> str:
    return json.dumps(record, separators=(",", ":"))


def _migrate_to_first(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from opslayer.stores.ledger.migrate import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    made = create_engine(f"sqlite:///{path}")
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, FIRST)
    made.dispose()


def _said(number: int) -> list[tuple[str, dict[str, object]]]:
    """A call and its true value, with the fields that records had from the first."""
    at = (START + timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
    call = {
        "id": f"call-{number:08}",
        "capability": "grown",
        "event_time": at,
        "input": {"x0": number % 7, "x1": 0.5},
        "output": {"value": number % 11},
        "variant": "constant",
        "release": 1,
    }
    told = {
        "id": f"told-{number:08}",
        "capability": "grown",
        "interaction_id": call["id"],
        "kind": "true_value",
        "value": number % 5,
        "event_time": at,
        "known_time": at,
    }
    return [("interaction", call), ("feedback", told)]


def _decide(connection: Connection) -> None:
    release = {
        "capability": "grown",
        "number": 1,
        "parent": 0,
        "at": START.isoformat(),
        "by": "ann",
        "reason": "the first",
        "variants": [{"name": "constant"}],
    }
    connection.execute(
        text("INSERT INTO releases (capability, number, record) VALUES ('grown', 1, :record)"),
        {"record": json.dumps(release)},
    )
