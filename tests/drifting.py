"""A data set nobody tuned anything for: eight numbers an hour, and a world that turns over once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Cause, Recipe
from opslayer.steps.ask import Asker, ask
from opslayer.steps.ingest import ingest
from opslayer.steps.judge import judge
from opslayer.steps.settle import Judged, Settled, settle
from opslayer.steps.snapshot import take
from opslayer.steps.succession import cut
from opslayer.steps.tag import tag
from opslayer.steps.train import TrainingOrder
from opslayer.steps.train import train as fit
from opslayer.stores import Stores

NAME = "tank-level"
COLUMNS = [f"sensor_{number}" for number in range(1, 9)]

FILE = """
name: {name}
kind: regression
inputs:
{inputs}
target: level
sources:
  - {{name: plant, path: {path}, event_time: measured_at}}
labels: {{delay: 2d}}
training: {{{training}}}
gate: {{metric: mae}}
monitor: {{window: 2d, report: on_alarm}}
retrain: {{policy: pays, cooldown: 1d, budget: {{runs: 12, per: 30d}}}}
"""


TREES = "estimator: sklearn.ensemble.HistGradientBoostingRegressor, params: {max_iter: 40}"
LINE = "estimator: sklearn.linear_model.Ridge"
"""Learns the same in a hundredth of the time."""


def rows(days: int = 90, per_day: int = 60, seed: int = 7) -> pd.DataFrame:
    """Rows sorted by time. From the middle on, the sensors mean the opposite of what they meant."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    values = rng.normal(size=(n, 8))
    weights = rng.normal(size=8)
    sign = np.where(np.arange(n) < n / 2, 1.0, -1.0)
    level = sign * (values @ weights) + rng.normal(scale=0.3, size=n)
    times = pd.date_range("2024-01-01", periods=n, freq=f"{24 * 60 // per_day}min")
    frame = pd.DataFrame(values.round(6), columns=COLUMNS)
    return frame.assign(measured_at=times, level=level.round(6))


def write(folder: Path, frame: pd.DataFrame, training: str = TREES) -> Path:
    """One CSV and one YAML file, as a user would write them; returns the configs folder."""
    data = folder / "plant.csv"
    frame.to_csv(data, index=False)
    configs = folder / "configs"
    (configs / "capabilities").mkdir(parents=True)
    inputs = "\n".join(f"  {name}: {{type: number}}" for name in COLUMNS)
    text = FILE.format(name=NAME, inputs=inputs, path=data, training=training)
    (configs / "capabilities" / f"{NAME}.yaml").write_text(text)
    return configs


def capability(configs: Path) -> Capability:
    """The capability as its file declares it."""
    return load_capability(NAME, configs)


def train(spec: Capability, stores: Stores, as_of: datetime, cause: Cause | None = None) -> Settled:
    """What the flow `train_model` does, step by step, without Prefect."""
    ingest(spec, stores, as_of)
    tag(spec, stores, as_of)
    cause = cause or ask(spec, stores, as_of, Asker("Ada"))
    stores.ledger.causes.claim(cause.id, "test", spec.retrain)
    start = cut(spec, stores, cause)
    exam = take(spec, stores, cause.at, Recipe.EXAM, start)
    judged = []
    for recipe in cause.recipes:
        rows = take(spec, stores, cause.at, recipe, start)
        version = fit(spec, rows, stores, TrainingOrder(cause, recipe, exam))
        judged.append(Judged(version, judge(spec, version, cause, stores)))
    settled = settle(spec, cause, judged, stores)
    stores.ledger.causes.finish(cause.id, "test", "done", settled.reason)
    return settled
