"""Where MLflow's database says that files lie: absolute paths, which a restore has to change.

A home that was moved before says several roots, some of them perhaps another home's by now: so
each path is known by its last parts, which are below the models' folder wherever that is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from opslayer.settings import LAKE
from opslayer.stores.run import MODEL, RUN, local_path

MODELS = "models"


class Place(NamedTuple):
    """A column that holds a path or a `file://` address, and how many parts of it are ours."""

    table: str
    column: str
    depth: int


PLACES = (
    Place("experiments", "artifact_location", 1),  # CAPABILITY
    Place("runs", "artifact_uri", RUN),
    Place("logged_models", "artifact_location", MODEL),
    Place("model_versions", "source", MODEL),
    Place("model_versions", "storage_location", MODEL),
)
SOURCES = Place("datasets", "dataset_source", 2)
"""JSON with the path of a table of the lake: CAPABILITY/TABLE."""


@dataclass(frozen=True, slots=True)
class Move:
    """From one data folder to another."""

    old: Path
    new: Path
    now: Path
    """Where the files lie at this moment."""

    def run(self, database: Path) -> None:
        """Let every path that MLflow's database holds be one below the new folder, if what it
        names was below the old one or is there now; in one transaction."""
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("PRAGMA secure_delete=ON")
            for place in (*PLACES, SOURCES):
                changed = list(self._changed(connection, place))
                sql = f"UPDATE {place.table} SET {place.column} = ? WHERE {place.column} = ?"  # noqa: S608
                connection.executemany(sql, changed)

    def _changed(self, connection: sqlite3.Connection, place: Place) -> Iterator[tuple[str, str]]:
        sql = f"SELECT DISTINCT {place.column} FROM {place.table}"  # noqa: S608 - our own names
        for (text,) in connection.execute(sql):
            path = _path(text, place)
            if path is None:
                continue
            below = LAKE if place is SOURCES else MODELS
            tail = Path(below, *path.parts[-place.depth :])
            if path == self.old / tail or (self.now / tail).exists():
                yield _said(text, self.new / tail, place), text


def _path(text: str | None, place: Place) -> Path | None:
    """The path in a column's text; None where it holds no local one."""
    if place is SOURCES:
        said = json.loads(text or "{}")
        text = said.get("path") if isinstance(said, dict) else None
    local = text and text.startswith(("/", "file:"))
    return local_path(text) if text and local else None


def _said(before: str, path: Path, place: Place) -> str:
    """The same with another path."""
    if place is SOURCES:
        return json.dumps({**json.loads(before), "path": str(path)})
    return path.as_uri() if before.startswith("file:") else str(path)
