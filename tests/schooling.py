"""A capability's first training through the same steps as the flows run, without Prefect."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from backend import SERVER
from composed import ROOT
from once import once
from taught import give_database

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Recipe
from opslayer.settings import Settings
from opslayer.steps.ask import Asker, ask
from opslayer.steps.ingest import ingest
from opslayer.steps.judge import judge
from opslayer.steps.settle import Judged, Settled, settle
from opslayer.steps.snapshot import take
from opslayer.steps.succession import cut
from opslayer.steps.tag import tag
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores
from opslayer.stores.ledger.database import close

SHIPPED = ("bike-demand", "support-chat", "digit-images", "guard-injection", "guard-content")
"""What `configs/` declares."""


def shipped(folder: Path) -> Stores:
    """The stores of a home with every capability of `configs/` trained, in `home` below a folder;
    the files that declare them are in `configs`."""
    if SERVER:  # whose databases go with each file of tests
        _school_shipped(folder)
    else:
        shutil.copytree(once("shipped", _school_shipped), folder, dirs_exist_ok=True)
    return _stores(folder)


def _school_shipped(folder: Path) -> None:
    capabilities = folder / "configs" / "capabilities"
    capabilities.mkdir(parents=True)
    for path in (ROOT / "configs" / "capabilities").glob("*.yaml"):
        text = path.read_text().replace("examples/data", str(ROOT / "examples" / "data"))
        (capabilities / path.name).write_text(text)
    stores = give_database(_stores(folder))
    now = datetime.now(UTC)
    for name in SHIPPED:
        settled = school(load_capability(name, folder / "configs"), stores, now)
        assert settled.release is not None, settled.reason
    close(stores.ledger.url)


def _stores(folder: Path) -> Stores:
    return Stores.at(Settings(home=folder / "home", configs=folder / "configs"))


def school(capability: Capability, stores: Stores, now: datetime) -> Settled:
    """Take in what its sources hold, train on it, judge, and release what passed."""
    ingest(capability, stores, now)
    tag(capability, stores, now)
    cause = ask(capability, stores, now, Asker("test"))
    begin = cut(capability, stores, cause)
    exam = take(capability, stores, now, Recipe.EXAM, begin)
    snapshot = take(capability, stores, now, Recipe.ALL, begin)
    version = train(capability, snapshot, stores, TrainingOrder(cause, Recipe.ALL, exam))
    judged = Judged(version, judge(capability, version, cause, stores))
    return settle(capability, cause, [judged], stores)
