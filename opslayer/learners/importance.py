"""How much a model relies on each input column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from opslayer.learners.tabular import predict

ROWS = 1000
"""Rows that are asked again for each column."""
COLUMNS = 100
"""Above so many columns it is not measured: each costs one round of answers."""


def importance(
    model: Pipeline, features: pd.DataFrame, truth: NDArray[Any], seed: int
) -> dict[str, float]:
    """The rise of the mean error when one column is shuffled over at most 1,000 rows.

    The error of a row is |true - predicted| for numbers, and 1 for a wrong class. Empty for fewer
    than two columns, where there is nothing to compare, and for more than 100. One shuffle each,
    drawn from the seed (Breiman 2001, Random Forests, section 10).
    """
    names = list(features.columns)
    if not 2 <= len(names) <= COLUMNS or not len(truth):
        return {}
    draw = np.random.default_rng(seed)
    chosen = np.sort(draw.choice(len(truth), min(ROWS, len(truth)), replace=False))
    rows, answers = features.iloc[chosen].reset_index(drop=True), truth[chosen]
    usual = _error(model, rows, answers)
    rise = {}
    for name in names:
        shuffled = rows.assign(**{name: rows[name].to_numpy()[draw.permutation(len(rows))]})
        rise[name] = _error(model, shuffled, answers) - usual
    return rise


def _error(model: Pipeline, rows: pd.DataFrame, truth: NDArray[Any]) -> float:
    said = predict(model, rows)
    if said.classes is not None:
        return float(np.mean(said.values.astype(str) != truth.astype(str)))
    return float(np.mean(np.abs(said.values - truth.astype(float))))
