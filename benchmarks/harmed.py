"""A small capability that is harmed again and again, and the real retrain for each harm.

24 labelled rows a day come in from a CSV file; each harm is found a day after the one before. What
runs for it is the flow's own body, with or without Prefect around it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from prefect import Task

from benchmarks.kills import FRESH, PRELOADED
from flows.ground import Ground
from opslayer.configuration import load_capability
from opslayer.records import Cause, CauseKind, Recipe
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.tag import tag
from opslayer.stores import Stores
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.causes import LEASE, Causes
from opslayer.stores.tracking import client
from tasks import loop

FRESH.set_forkserver_preload(
    [
        *PRELOADED,
        "benchmarks.harmed",
        "flows.retrain_model",
        "deltalake",
        "great_expectations",
        "matplotlib.backends.backend_agg",
        "mlflow.models",
        "opslayer.judgement.contract",
        "opslayer.judgement.gate",
        "opslayer.learners.figures",
        "opslayer.learners.importance",
        "opslayer.learners.tabular",
        "skops.io",
    ]
)

NAME = "harmed"
START = datetime(2024, 1, 1, tzinfo=UTC)
HISTORY = 20
"""Days of rows before the first harm."""

CAPABILITY = f"""
name: {NAME}
kind: regression
inputs:
  size: {{type: number}}
  colour: {{type: category, choices: [red, blue]}}
target: price
sources:
  - {{name: feed, path: FOLDER/feed.csv, event_time: at}}
labels: {{delay: 1h}}
training: {{estimator: sklearn.linear_model.Ridge}}
gate: {{metric: mae, min_labels: 60}}
monitor: {{window: 1d}}
retrain: {{cooldown: 0s, budget: {{runs: 1000, per: 1d}}}}
"""


def prepare(home: str, harms: int) -> Ground:
    """An installation with the rows of every harm's past in its lake, and nothing trained."""
    folder = Path(home)
    (folder / "capabilities").mkdir(parents=True, exist_ok=True)
    (folder / "feed.csv").write_text(_rows(HISTORY + harms), encoding="utf-8")
    declared = folder / "capabilities" / f"{NAME}.yaml"
    declared.write_text(CAPABILITY.replace("FOLDER", str(folder)), encoding="utf-8")
    here = ground_at(home)
    for step in (ingest, tag):
        step(here.capability, here.stores, harm(harms).at)
    client(here.stores.models.tracking_uri)  # makes its database
    return here


def ground_at(home: str) -> Ground:
    """The capability and the stores of an installation."""
    settings = Settings(home=Path(home), configs=Path(home))
    return Ground(load_capability(NAME, settings.configs), Stores.at(settings))


def harm(number: int) -> Cause:
    """The harm found on one day: every delivery of it is the same cause. Each second one asks for
    a model of all rows and for one of the newest."""
    return Cause(
        capability=NAME,
        kind=CauseKind.HARM,
        about=f"window {HISTORY + number} under policy pays",
        at=START + timedelta(days=HISTORY + number),
        recipes=(Recipe.ALL, Recipe.LAST) if number % 2 else (Recipe.ALL,),
    )


def without_prefect(lease: float = LEASE) -> None:
    """Let this process run the flow's steps themselves: a server would take most of the time.

    A lease other than the usual lets a test see it lapse.
    """
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    for name, task in list(vars(loop).items()):
        if isinstance(task, Task):
            setattr(loop, name, task.fn)
    if lease != LEASE:
        Ledger.causes = property(lambda self: Causes(self.url, lease))  # type: ignore[method-assign, assignment]


def _rows(days: int) -> str:
    draw, lines = np.random.default_rng(26), ["at,size,colour,price"]
    for hour in range(24 * days):
        size, colour = draw.normal(), draw.choice(["red", "blue"])
        price = 3 * size + (colour == "red") + 0.3 * draw.normal()
        lines.append(f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M},{size},{colour},{price}")
    return "\n".join([*lines, ""])
