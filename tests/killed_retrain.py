"""Run by test_retrain_resumed: retrains that are killed at each of their steps, and taken up again.

    python killed_retrain.py FOLDER

prints, per kill, one JSON line with what is there after the cause was taken up again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import great_expectations  # noqa: F401 - imported once here, and not again in every forked process
import matplotlib.backends.backend_agg  # noqa: F401
import mlflow.models
import mlflow.sklearn
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from killed_training import in_a_process

import opslayer.judgement.contract
import opslayer.judgement.gate
import opslayer.learners.figures
import opslayer.learners.importance
import opslayer.learners.tabular  # noqa: F401
from benchmarks.harmed import NAME, ground_at, harm, prepare, without_prefect
from benchmarks.one_run_per_cause import forgotten, strays
from flows import retrain_model
from opslayer.errors import Refused
from opslayer.records import Recipe
from opslayer.stores.lake import Lake
from opslayer.stores.ledger.causes import Causes
from opslayer.stores.ledger.releases import Releases
from opslayer.stores.ledger.snapshots import Snapshots
from opslayer.stores.ledger.verdicts import Verdicts
from opslayer.stores.ledger.versions import Versions
from opslayer.stores.models import Models
from opslayer.stores.reports import Reports

LEASE = 0.3
"""Seconds: what lapses while the next process starts."""

CAUSE = harm(1)
"""The second harm: it asks for two models, and one serves already."""

CALLS = [
    *((Causes, name) for name in ("claim", "finish")),
    *((Verdicts, name) for name in ("record", "record_next")),
    *((Models, name) for name in ("register", "note", "keep_only", "set_champion")),
    (Lake, "append"),
    (Reports, "write"),
    (Releases, "publish"),
    (Snapshots, "add"),
    (Versions, "add"),
]
STEPS = ("cut", "take", "validate", "train", "judge", "settle")


class Countdown:
    """Kills its process at the N-th moment: a moment is before and after each call."""

    def __init__(self, last: int) -> None:
        self.left, self.said = last, ""

    def moment(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            print(json.dumps(name), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, owner: Any, name: str, edges: tuple[str, ...]) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            title = f"{getattr(owner, '__name__', owner)}.{name}"
            if "before" in edges:
                self.moment(f"before {title}")
            result = call(*args, **kwargs)
            if "after" in edges:
                self.moment(f"after {title}")
            return result

        setattr(owner, name, counted)


def die_at(last: int) -> None:
    """Count the edges of the flow's steps, and what comes before each write inside them."""
    count = Countdown(last)
    for name in STEPS:
        count.wrap(retrain_model.loop, name, ("after",))  # type: ignore[attr-defined]
    for owner, name in CALLS:
        edges = ("before", "after") if owner is Causes else ("before",)
        count.wrap(owner, name, edges)


def first(home: Path) -> None:
    """An installation whose first harm has led to a first release, and whose second one waits."""
    without_prefect(LEASE)
    here = prepare(str(home), 1)
    for cause in (harm(0), CAUSE):
        here.stores.ledger.causes.open(cause)
    retrain_model.run_once(here, harm(0).id)


def run(home: Path) -> None:
    without_prefect(LEASE)
    here = ground_at(str(home))
    try:
        retrain_model.run_once(here, CAUSE.id)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)


def report(home: Path) -> None:
    """Take the cause up again, and say what there is."""
    run(home)
    here = ground_at(str(home))
    ledger = here.stores.ledger
    row = ledger.causes.get(CAUSE.id)
    versions = ledger.versions.for_cause(NAME, CAUSE.id)
    verdicts = [one for one in ledger.verdicts.list(NAME) if one.cause == CAUSE.id]
    newest = ledger.releases.newest(NAME)
    said = {
        "status": row.status,
        "result": row.result,
        "recipes": sorted(version.recipe for version in versions),
        "cuts": sorted({version.cut.isoformat() for version in versions}),
        "snapshots": sorted(version.snapshot for version in versions),
        "exams": sorted({version.exam for version in versions}),
        "releases": [one.cause for one in ledger.releases.all(NAME)].count(CAUSE.id),
        "verdicts": sorted((one.kind, one.outcome) for one in verdicts),
        "strays": strays(here),
        "forgotten": forgotten(here),
        "champion": [here.stores.models.champion(NAME), newest and newest.champion.model_version],
        "served": [v.recipe for v in versions if newest and v.version == newest.champion.model_version],
        "aside": [path.name for path in Path(here.stores.models.root, ".writing").glob("*")],
        "reports": sorted(p.suffix for p in here.stores.reports.root.rglob("*.*")),
    }
    print(json.dumps(said), flush=True)


def main(root: Path) -> None:
    template, at = root / "template", 0
    assert in_a_process(lambda: first(template)) == 0
    while True:
        home, at = root / f"kill-{at}", at + 1
        shutil.copytree(template, home)

        def killed(home: Path = home, at: int = at) -> None:
            die_at(at)
            run(home)

        status = in_a_process(killed)
        if not os.WIFSIGNALED(status):
            assert status == 0, status
            print(json.dumps("never"), flush=True)
        time.sleep(LEASE)
        assert in_a_process(lambda home=home: report(home)) == 0  # type: ignore[misc]
        shutil.rmtree(home)
        if not os.WIFSIGNALED(status):
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
