"""Streams of labelled rows: two real ones, and made ones whose drift is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.data import DATA

Reals = NDArray[np.float64]
COLUMNS = 6
HISTORY, WINDOWS, ROWS = 2_000, 80, 250
"""Rows before the first window, windows, and rows in each, of a made stream."""
NOISE = 0.1
"""Share of labels that are turned over, where nothing else is said."""


@dataclass(frozen=True)
class Stream:
    """Rows in order of time; labels are 0 or 1."""

    name: str
    features: Reals
    """n x columns."""
    labels: NDArray[np.int64]
    history: int
    rows_per_window: int


def elec2() -> Stream:
    """The New South Wales electricity market in weeks; a tenth is history."""
    table = pd.read_csv(DATA / "elec2/elec.csv.gz")
    features = table.drop(columns="class").to_numpy(float)
    return Stream("elec2", features, table["class"].to_numpy(), 4_531, 336)


def bike_sharing() -> Stream:
    """Washington's bike share in weeks: are there more users than in the median hour?"""
    table = pd.read_csv(DATA / "bike_sharing/hourly.csv.gz").drop(columns="date_time")
    labels = (table["users"] > table["users"].median()).to_numpy(np.int64)
    features = pd.get_dummies(table.drop(columns="users")).to_numpy(float)
    return Stream("bike_sharing", features, labels, 1_754, 168)


Drift = Callable[[float], tuple[float, float, float]]
"""From the share of the stream that has passed: how far the concept has turned (radians), how far
the inputs have moved (deviations), and the share of labels that are noise."""


def _sudden(t: float) -> tuple[float, float, float]:
    return (1.5 if t >= 0.4 else 0.0), 0.0, NOISE


def _gradual(t: float) -> tuple[float, float, float]:
    return 1.8 * min(1.0, max(0.0, (t - 0.2) / 0.6)), 0.0, NOISE


def _recurring(t: float) -> tuple[float, float, float]:
    return (1.5 if int(t * 5) % 2 else 0.0), 0.0, NOISE


MADE: dict[str, Drift] = {
    "none": lambda _: (0.0, 0.0, NOISE),
    "sudden": _sudden,
    "gradual": _gradual,
    "recurring": _recurring,
    "harmless shift": lambda t: (0.0, 1.0 if t >= 0.4 else 0.0, NOISE),
    "noise step": lambda t: (0.0, 0.0, 0.25 if t >= 0.5 else NOISE),
    "late onset": lambda t: (1.5 if t >= 0.8 else 0.0, 0.0, NOISE),
}


def made(name: str, seed: int = 0) -> Stream:
    """A stream by its name in `MADE`.

    The label says on which side of a plane bent along one column a row lies; drift turns the plane,
    a harmless shift moves the rows along a direction that the label doesn't depend on.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    n = HISTORY + WINDOWS * ROWS
    passed = np.clip((np.arange(n) - HISTORY) / (n - HISTORY), 0, None)
    turn, moved, noise = np.array([MADE[name](t) for t in passed]).T
    features = rng.normal(size=(n, COLUMNS))
    features[:, 5] += moved
    along = np.cos(turn) * features[:, 0] + np.sin(turn) * features[:, 1]
    truth = along + 0.5 * np.sin(2 * features[:, 2]) + 0.3 * features[:, 3] > 0
    labels = truth ^ (rng.random(n) < noise)
    return Stream(name, features, labels.astype(np.int64), HISTORY, ROWS)
