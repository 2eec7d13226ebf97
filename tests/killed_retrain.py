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
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import great_expectations  # noqa: F401 - imported once here, and not again in every forked process
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import mlflow.models
import mlflow.pyfunc
import mlflow.sklearn
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import skops.io  # noqa: F401
import stamina  # noqa: F401
from killed_training import in_a_process
from taught import give_database_at

import opslayer.judgement.contract
import opslayer.judgement.gate
import opslayer.learners.figures
import opslayer.learners.importance
import opslayer.learners.tabular
import opslayer.reports.validation_page  # noqa: F401
from benchmarks.harmed import ground_at, harm, prepare, without_prefect
from benchmarks.killed_steps import CAUSE, STEPS, account
from flows import retrain_model
from opslayer.errors import Refused
from opslayer.stores.ledger.causes import Causes
from opslayer.stores.ledger.releases import Releases
from opslayer.stores.ledger.verdicts import Verdicts
from opslayer.stores.ledger.versions import Versions
from opslayer.stores.models import Models

LEASE = 0.3
"""Seconds: what lapses while the next process starts."""

WRITES = [
    (Versions, "add"),
    (Models, "keep_only"),
    (Releases, "publish"),
    (Models, "set_champion"),
    (Verdicts, "record_next"),
]
"""Inside the steps that write more than once; a kill before their first write is one between
two steps."""


class Countdown:
    """Kills its process at the N-th moment that it is told of, and says which that was.

    Of moments of one name the first counts, and the second training's end: between two models.
    """

    def __init__(self, last: int) -> None:
        self.left, self.seen = last, Counter[str]()

    def moment(self, name: str) -> None:
        self.seen[name] += 1
        if self.seen[name] > (2 if name == "after train" else 1):
            return
        self.left -= 1
        if self.left == 0:
            print(json.dumps(name), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, owner: Any, name: str, edge: str) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            if edge == "before":
                self.moment(f"before {name}")
            result = call(*args, **kwargs)
            if edge == "after":
                self.moment(f"after {name}")
            return result

        setattr(owner, name, counted)


def die_at(last: int) -> None:
    """Count what lies between the flow's steps, and before each write inside them."""
    count = Countdown(last)
    for name in STEPS:
        count.wrap(retrain_model.loop, name, "after")  # type: ignore[attr-defined]
    for name in ("claim", "finish"):
        count.wrap(Causes, name, "after")
    for owner, name in WRITES:
        count.wrap(owner, name, "before")


def first(home: Path) -> None:
    """An installation whose first harm has led to a first release, and whose second one waits."""
    home.mkdir()
    give_database_at(home / "mlflow.db")
    here = prepare(str(home), 1)
    for cause in (harm(0), CAUSE):
        here.stores.ledger.causes.open(cause)
    retrain_model.run_once(here, harm(0).id)


def run(home: Path) -> None:
    here = ground_at(str(home))
    try:
        retrain_model.run_once(here, CAUSE.id)
    except Refused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)


def report(home: Path) -> None:
    """Take the cause up again, and say what there is."""
    run(home)
    print(json.dumps(account(ground_at(str(home)))), flush=True)


def main(root: Path) -> None:
    without_prefect(LEASE)
    template, homes = root / "template", list[Path]()
    assert in_a_process(lambda: first(template)) == 0
    status: int = signal.SIGKILL
    while status == signal.SIGKILL:
        homes.append(root / f"kill-{len(homes) + 1}")
        shutil.copytree(template, homes[-1])

        def killed(home: Path = homes[-1], at: int = len(homes)) -> None:
            die_at(at)
            run(home)

        status = in_a_process(killed)
    assert status == 0, status
    time.sleep(LEASE)
    assert in_a_process(lambda: report_all(homes)) == 0


def report_all(homes: list[Path]) -> None:
    """All in one process: what is slow the first time is so once."""
    for home in homes:
        report(home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
