"""Do labels confirm that the champion does worse now than on its held-back exam?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from opslayer.judgement import blocks as grouping
from opslayer.judgement.outcome import Outcome

Reals = NDArray[np.float64]

FEWEST_ROWS = 30
FEWEST_BLOCKS = 5
"""A standard error from fewer blocks is hardly one."""


@dataclass(frozen=True)
class _Mean:
    """Mean loss per row of one side, and how well it is known."""

    mean: float
    variance: float
    """Of the mean, with the dependence inside blocks."""
    blocks: int
    rows: int


def judge(  # noqa: PLR0913, PLR0917 (two samples of two arrays, and two numbers with defaults)
    reference_losses: NDArray[Any],
    reference_blocks: NDArray[Any],
    window_losses: NDArray[Any],
    window_blocks: NDArray[Any],
    alpha: float = 0.05,
    at_least: float = 0.0,
) -> Outcome:
    """Whether mean loss rose by more than `at_least` from the reference to the window.

    Losses are per mature labelled row (`losses.row_losses`); rows of one block depend on each
    other. Outcomes: `harm` (p <= alpha), `no_harm`, `too_few_labels` (numbers: n_missing). Where a
    side has fewer than 5 blocks both are cut finer, which takes pieces of one block as independent
    (numbers: blocks_cut). Assumes blocks of one side are independent and alike: one-sided Welch
    test of the two means, each a ratio of block sums with its between-block standard error.
    """
    sides = [
        _clean(reference_losses, reference_blocks),
        _clean(window_losses, window_blocks),
    ]
    rows = [len(losses) for losses, _ in sides]
    numbers: dict[str, Any] = {"n_reference": rows[0], "n": rows[1], "at_least": float(at_least)}
    if min(rows) < FEWEST_ROWS:
        return _too_few(numbers, alpha)
    was_cut, blocks = _comparable(sides[0][1], sides[1][1])
    reference, window = (
        _mean(losses, codes) for (losses, _), codes in zip(sides, blocks, strict=True)
    )
    numbers |= {"blocks_reference": reference.blocks, "blocks": window.blocks}
    numbers |= {"blocks_cut": was_cut, "alpha": alpha} | _welch(reference, window, at_least)
    harmed = numbers["p"] <= alpha
    change = f"mean loss {window.mean:.4g} on {window.rows:,} rows against {reference.mean:.4g}"
    verb = "is worse than" if harmed else "is not shown worse than"
    reason = f"the champion {verb} at its exam: {change}, p = {numbers['p']:.3g}"
    return Outcome("harm" if harmed else "no_harm", reason, numbers, alpha)


def _clean(losses: NDArray[Any], blocks: NDArray[Any]) -> tuple[Reals, NDArray[np.int64]]:
    """Rows with a finite loss alone."""
    values = np.asarray(losses, dtype=float)
    known = np.isfinite(values)
    return values[known], grouping.number(np.asarray(blocks)[known])


def _too_few(numbers: dict[str, Any], alpha: float) -> Outcome:
    missing = {
        "n_missing": max(0, FEWEST_ROWS - numbers["n"]),
        "n_missing_reference": max(0, FEWEST_ROWS - numbers["n_reference"]),
    }
    reason = (
        f"{numbers['n']} labelled rows in the window and {numbers['n_reference']} in the exam: "
        f"at least {FEWEST_ROWS} of each are needed"
    )
    return Outcome("too_few_labels", reason, numbers | missing, alpha)


Codes = NDArray[np.int64]


def _comparable(reference: Codes, window: Codes) -> tuple[bool, tuple[Codes, Codes]]:
    """Both sides in at least 5 blocks, cut to one length if either has fewer."""
    pieces = [len(codes) // FEWEST_BLOCKS for codes in (reference, window) if _few(codes)]
    if not pieces:
        return False, (reference, window)
    return True, (grouping.cut(reference, min(pieces)), grouping.cut(window, min(pieces)))


def _few(codes: Codes) -> bool:
    return int(codes.max()) + 1 < FEWEST_BLOCKS


def _mean(losses: Reals, codes: Codes) -> _Mean:
    """Ratio estimator over blocks: total loss / rows, its variance from the block residuals."""
    rows = np.bincount(codes).astype(float)
    count = len(rows)
    mean = float(np.mean(losses))
    residuals = grouping.sums(codes, losses) - mean * rows
    variance = float(np.sum(residuals**2)) * count / (count - 1) / len(losses) ** 2
    return _Mean(mean, variance, count, len(losses))


def _welch(reference: _Mean, window: _Mean, at_least: float) -> dict[str, float]:
    difference = window.mean - reference.mean
    error = math.sqrt(reference.variance + window.variance)
    if error <= 1e-12 * max(abs(window.mean), abs(reference.mean), 1e-300):
        # Every block of either side is alike: the difference is what it is.
        p = 0.0 if difference > at_least + 1e-12 * abs(window.mean) else 1.0
        return _numbers(reference, window, (0.0, p, float(window.blocks - 1)))
    below = reference.variance**2 / (reference.blocks - 1)
    below += window.variance**2 / (window.blocks - 1)
    freedom = (reference.variance + window.variance) ** 2 / below
    p = float(t.sf((difference - at_least) / error, freedom))
    return _numbers(reference, window, (error, p, freedom))


def _numbers(reference: _Mean, window: _Mean, test: tuple[float, float, float]) -> dict[str, float]:
    names = ("standard_error", "p", "degrees_of_freedom")
    return {
        "reference_loss": reference.mean,
        "loss": window.mean,
        "difference": window.mean - reference.mean,
    } | dict(zip(names, test, strict=True))
