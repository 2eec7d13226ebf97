"""The way to MLflow: its client, its first database, its silence, and its errors as ours."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opslayer.errors import NotFound, StoreError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

HABITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # the default 7 waits four minutes for a dead server
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",  # the default 120 waits eight minutes for one that hangs
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@lru_cache(maxsize=8)
def client(uri: str) -> MlflowClient:
    """The client for a tracking and registry URI; the first one makes the SQLite database."""
    for name, value in HABITS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    _silence()
    make_database(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def make_database(uri: str) -> None:
    """Make MLflow's SQLite database where there is none; nothing for any other URI.

    MLflow itself makes it in fifty steps, in the open: two processes spoil it for each other, and
    a kill in the middle spoils it for good. Here it is made aside, under a lock, and renamed.
    """
    path = _sqlite_file(uri)
    if path is None or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f"{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            partial = path.with_name(f"{path.name}.new")
            partial.unlink(missing_ok=True)
            _make_schema(partial)
            _rename(partial, path)


def bring_forward(path: Path) -> None:
    """Upgrade a SQLite database of an earlier MLflow to this one's schema; raises StoreError for
    one of a later MLflow."""
    from alembic.util.exc import CommandError
    from mlflow.store.db.utils import (
        _get_latest_schema_revision,
        _get_schema_version,
        _upgrade_db,
    )
    from sqlalchemy import create_engine

    _silence()
    engine = create_engine(f"sqlite:///{path}")
    try:
        if _get_schema_version(engine) != _get_latest_schema_revision():
            _upgrade_db(engine)
    except CommandError as error:
        raise StoreError(f"{path.name} is of a newer MLflow: install that one ({error})") from error
    finally:
        engine.dispose()


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into StoreError, or NotFound where it says that there is no such."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        text = f"MLflow at {_without_password(uri)}: {str(error.message).splitlines()[0]}"
        missing = error.error_code == "RESOURCE_DOES_NOT_EXIST"
        raise (NotFound if missing else StoreError)(text) from error


def experiment(mlflow: MlflowClient, name: str, place: str | None) -> Experiment:
    """The experiment of a name, made (its artefacts at `place`) or brought back where needed."""
    from mlflow.exceptions import MlflowException

    found = mlflow.get_experiment_by_name(name)
    if found is None:
        try:
            mlflow.create_experiment(name, place)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return mlflow.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        mlflow.restore_experiment(found.experiment_id)
    return found


def examine(uri: str, patience: float) -> None:
    """Raises StoreError where MLflow is a server that says nothing within so many seconds, which
    its own client waits for far longer; what it says is all the same."""
    if is_local(uri) or not uri.startswith("http"):
        return
    import httpx  # unlike the standard library's client it takes a user from the address

    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=patience)
    except httpx.HTTPError as error:
        raise StoreError(f"MLflow at {_without_password(uri)} does not answer: {error}") from error


def is_local(uri: str) -> bool:
    """Whether the client itself writes the artefacts, and no tracking server decides where to."""
    return not re.match(r"(https?|databricks)\b", uri)


def _sqlite_file(uri: str) -> Path | None:
    from sqlalchemy import make_url

    if not uri.startswith("sqlite"):
        return None
    name = make_url(uri).database
    return Path(name) if name and name != ":memory:" else None


def _make_schema(path: Path) -> None:
    from mlflow.store.db.utils import _initialize_tables
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import create_engine, event

    _silence()
    uri = f"sqlite:///{path}"
    engine = create_engine(uri)
    event.listen(engine, "connect", _write_fast)
    _initialize_tables(engine)
    engine.dispose()
    # It adds the default experiment, for which two processes would compete as well.
    store = SqlAlchemyStore(uri, path.with_name("models").as_uri())
    store.engine.dispose()


def _write_fast(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # one sync at the end does, see _rename


def _rename(partial: Path, path: Path) -> None:
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _silence() -> None:
    """Keep what people don't ask for off their screen; MLFLOW_LOGGING_LEVEL brings it back."""
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        # It prints a traceback for what is raised as well, and said by `answering`.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _without_password(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)
