"""A capability with a boosted model on ten numbers, trained through the loop's own steps."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from opslayer.configuration import load_capability
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.tracking import make_database

COLUMNS = tuple(f"x{place}" for place in range(10))
ROWS = 5_000
FILE = """\
name: grown
kind: regression
inputs:
{inputs}
target: y
sources:
  - {{name: made, path: {path}, event_time: at}}
training: {{estimator: sklearn.ensemble.HistGradientBoostingRegressor, params: {{max_iter: 60}}}}
gate: {{metric: mae}}
fallback: [{{rule: {{constant: 0}}}}]
"""


def make_predictor(home: Path, configs: Path) -> None:
    """Write the capability's file and data, and train its first release into a home."""
    from tests.schooling import school

    folder = configs / "capabilities"
    folder.mkdir(parents=True)
    data = configs / "made.csv"
    draw = np.random.default_rng(0)
    with data.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["at", *COLUMNS, "y"])
        for number, row in enumerate(draw.normal(size=(ROWS, len(COLUMNS)))):
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            writer.writerow([at.isoformat(), *row.round(6), round(float(row.sum()), 6)])
    inputs = "\n".join(f"  {name}: {{type: number}}" for name in COLUMNS)
    (folder / "grown.yaml").write_text(FILE.format(inputs=inputs, path=data))
    stores = Stores.at(Settings(home=home, configs=configs))
    make_database(stores.models.tracking_uri)
    settled = school(load_capability("grown", configs), stores, datetime.now(UTC))
    assert settled.release is not None, settled.reason
