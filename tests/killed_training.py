"""Run by test_train: trainings that are killed before each of their writes, and done again.

    python killed_training.py HOME [WRITE …]

prints, per kill, one JSON line with what is there after the training was done again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake  # noqa: F401 - imported once here, and not again in every forked process
import matplotlib.backends.backend_agg  # noqa: F401
import mlflow.models
import mlflow.sklearn
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from mlflow import MlflowClient
from taught import give_database, order, shop, teach, train

import opslayer.judgement.losses
import opslayer.learners.figures
import opslayer.learners.importance  # noqa: F401
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.ledger.versions import Versions
from opslayer.stores.models import Models

WRITES = [
    (MlflowClient, "create_experiment"),
    (MlflowClient, "create_run"),
    (MlflowClient, "create_logged_model"),
    (MlflowClient, "log_model_artifacts"),
    (MlflowClient, "finalize_logged_model"),
    (MlflowClient, "log_batch"),
    (MlflowClient, "log_inputs"),
    (MlflowClient, "create_registered_model"),
    (MlflowClient, "create_model_version"),
    (MlflowClient, "set_terminated"),
    (Versions, "add"),
    (Models, "keep_only"),
]


def in_a_process(work: Callable[[], None]) -> int:
    """Do something in a process of its own, which may die of it; its wait status."""
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        work()
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def deadly(owner: type, name: str) -> None:
    """Let a method kill its process instead of doing anything."""

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)


def stores_at(home: Path) -> Stores:
    return Stores.at(Settings(home=home))


def prepare(home: Path) -> None:
    stores = give_database(stores_at(home))
    teach(stores, shop(), 10)
    order(stores, shop(), 10)


def do(home: Path) -> None:
    stores = stores_at(home)
    snapshot, ordered = order(stores, shop(), 10)
    train(shop(), snapshot, stores, ordered)


def report(home: Path, name: str) -> None:
    stores = stores_at(home)
    do(home)
    (version,) = stores.ledger.versions.all("shop")
    client = MlflowClient(stores.models.tracking_uri, stores.models.tracking_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == "shop")
    runs = client.search_runs([experiment.experiment_id])
    folders = list(Path(stores.models.root, "shop", "models").glob("*/artifacts/MLmodel"))
    said = {
        "killed_before": name,
        "registered": [int(v.version) for v in client.search_model_versions("name = 'shop'")],
        "version": version.version,
        "runs": [run.info.run_id for run in runs],
        "run_id": version.run_id,
        "status": [run.info.status for run in runs],
        "folders": len(folders),
        "half_written": [p.name for p in Path(stores.models.root, ".writing").glob("*")],
        "metrics": version.metrics,
        "loads": bool(stores.models.load(version)),
    }
    print(json.dumps(said))


def main(root: Path, *chosen: str) -> None:
    template = root / "template"
    in_a_process(lambda: prepare(template))
    for owner, name in WRITES:
        if chosen and name not in chosen:
            continue
        home = root / name
        shutil.copytree(template, home)

        def killed(owner: type = owner, name: str = name, home: Path = home) -> None:
            deadly(owner, name)
            do(home)

        status = in_a_process(killed)
        assert os.WIFSIGNALED(status), f"{name} was never called"
        in_a_process(lambda name=name, home=home: report(home, name))  # type: ignore[misc]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
