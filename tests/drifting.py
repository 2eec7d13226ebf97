"""A data set nobody tuned anything for: eight numbers an hour, and a world that turns over once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

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
training: {{estimator: sklearn.ensemble.HistGradientBoostingRegressor, params: {{max_iter: 40}}}}
gate: {{metric: mae}}
monitor: {{window: 2d, report: on_alarm}}
retrain: {{policy: pays, cooldown: 1d, budget: {{runs: 12, per: 30d}}}}
"""


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


def write(folder: Path, frame: pd.DataFrame) -> Path:
    """One CSV and one YAML file, as a user would write them; returns the configs folder."""
    data = folder / "plant.csv"
    frame.to_csv(data, index=False)
    configs = folder / "configs"
    (configs / "capabilities").mkdir(parents=True)
    inputs = "\n".join(f"  {name}: {{type: number}}" for name in COLUMNS)
    text = FILE.format(name=NAME, inputs=inputs, path=data)
    (configs / "capabilities" / f"{NAME}.yaml").write_text(text)
    return configs
