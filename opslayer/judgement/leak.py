"""Does one input column alone tell the label? Then it was written down after the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from opslayer.judgement.soundness import numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

COPY = {"class": 0.98, "number": 0.999}
"""Share told from which a column counts as a copy of the label. Higher for numbers: the value an
hour ago explains 0.98 of an ordinary demand curve without being a leak."""
HINT = {"class": 0.90, "number": 0.99}
"""Share told from which a person should look."""

AMENDED = 0.02
"""Share of rows in which a copy of a number may differ from the label, if of the others …"""
EXACT = 0.9995
"""… it tells this: an honest column that tells 0.999 gains a little by leaving rows out, too."""
BINS = 256
MIN_PAIRS = 60
"""Rows with both the column and the label, below which nothing is said."""
MIN_AVOIDABLE = 10
"""Errors that always answering the commonest class makes, below which nothing is said."""
MAX_ROWS = 50_000


def share_told(column: pd.Series, target: pd.Series) -> float:
    """How much of the target one column tells by itself; 1 is all of it, NaN "can't be judged".

    For classes: the share of the errors of the best constant answer that disappears when each
    level of the column answers with its commonest class. For numbers: the share of variance told,
    the larger of squared Pearson and Spearman correlation, or of the level means for texts. Levels
    are learnt on the earlier half of the rows and scored on the later one and the other way round
    (the better counts), so that an identifier, which is new in every row, tells nothing.

    `column` and `target` have equal length and the same order in time. A float64 target is a
    number, any other a class. Rows beyond 50,000 are thinned evenly.
    """
    step = -(-len(target) // MAX_ROWS) or 1
    column, target = column.iloc[::step], target.iloc[::step]
    known = target.notna().to_numpy()
    column, target = column[known], target[known]
    if not _numeric(target):
        return _classes_told(_levels(column), pd.factorize(target)[0])
    values = _parsed(column)
    wanted = target.to_numpy(dtype=float)
    if values is None:
        return _numbers_told(_levels(column), wanted)
    return _correlation(values, wanted)


def _numeric(series: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series))


def _parsed(column: pd.Series) -> NDArray[np.float64] | None:
    """The column as numbers, where it is one or nearly all its texts are written numbers."""
    if _numeric(column):
        return numbers(column)
    parsed = pd.to_numeric(column, errors="coerce")
    written = int(parsed.notna().sum())
    if written < 0.9 * max(1, int(column.notna().sum())):
        return None
    return numbers(parsed)


def _levels(column: pd.Series) -> NDArray[np.int64]:
    """Each row's level as a number from 0; many numbers are cut at 256 quantiles; 0 is missing."""
    if not _numeric(column):
        return np.asarray(pd.factorize(column.astype(str).where(column.notna()))[0] + 1)
    values = numbers(column)
    given = values[~np.isnan(values)]
    if not len(given):
        return np.zeros(len(values), dtype=np.int64)
    # Quantiles that are observed values: interpolation between two infinities is not a number.
    edges = np.unique(np.quantile(given, np.linspace(0, 1, BINS), method="lower"))
    distinct = np.unique(given)
    edges = distinct if len(distinct) <= BINS else edges
    return np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="right") + 1)


def _halves(count: int) -> tuple[tuple[slice, slice], ...]:
    early, late = slice(0, count // 2), slice(count // 2, count)
    return (early, late), (late, early)


def _classes_told(levels: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    if len(classes) < MIN_PAIRS:
        return np.nan
    told = [_half_told(levels, classes, *halves) for halves in _halves(len(classes))]
    return float(np.nanmax(told)) if not np.all(np.isnan(told)) else np.nan


def _half_told(
    levels: NDArray[np.int64], classes: NDArray[np.int64], learnt: slice, scored: slice
) -> float:
    wanted = classes[scored]
    avoidable = len(wanted) - int(np.bincount(wanted).max())
    if avoidable < MIN_AVOIDABLE:
        return np.nan
    many = int(classes.max()) + 1
    pairs, counts = np.unique(levels[learnt] * many + classes[learnt], return_counts=True)
    pairs = pairs[np.argsort(counts, kind="stable")]
    answers = np.full(int(levels.max()) + 1, np.bincount(classes[learnt]).argmax())
    answers[pairs // many] = pairs % many  # of equal indices the last, so the commonest, stays
    return float(1 - np.count_nonzero(answers[levels[scored]] != wanted) / avoidable)


def _numbers_told(levels: NDArray[np.int64], target: NDArray[np.float64]) -> float:
    if len(target) < MIN_PAIRS or not np.isfinite(target).all():
        return np.nan
    told = []
    for learnt, scored in _halves(len(target)):
        counts = np.bincount(levels[learnt], minlength=int(levels.max()) + 1)
        sums = np.bincount(levels[learnt], target[learnt], minlength=len(counts))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), target[learnt].mean())
        around = target[scored] - target[scored].mean()
        left = target[scored] - means[levels[scored]]
        told.append(1 - (left @ left) / (around @ around) if around @ around > 0 else np.nan)
    return float(np.nanmax(told)) if not np.all(np.isnan(told)) else np.nan


def _correlation(values: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    pairs = np.isfinite(values) & np.isfinite(target)
    left, right = pd.Series(values[pairs]), pd.Series(target[pairs])
    if len(left) < MIN_PAIRS or right.nunique() < 2:
        return np.nan
    if left.nunique() < 2:
        return 0.0
    both = ((left, right), (left.rank(), right.rank()))
    return max(_told(a.to_numpy(float), b.to_numpy(float)) for a, b in both)


def _told(column: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The squared correlation; of all rows but those that lie farthest off the line where that
    leaves a copy: one in which a few rows were amended is still a copy."""
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = ((side - side.mean()) / side.std() for side in (column, target))
        off = np.abs(b - np.mean(a * b) * a)
    if not np.isfinite(off).all():  # numbers whose squares are beyond float64
        return 0.0
    kept = np.argsort(off, kind="stable")[: math.ceil((1 - AMENDED) * len(off))]
    few = np.corrcoef(a[kept], b[kept])[0, 1] ** 2 if a[kept].std() * b[kept].std() else 0.0
    return float(few if few >= EXACT else np.corrcoef(a, b)[0, 1] ** 2)
