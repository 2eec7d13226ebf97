"""How good are answers whose labels are not in yet? Estimated from how sure the model was.

The sureness of labelled answers is calibrated against how often they were right, and the mean of it
over the window is the accuracy to expect. That holds only while what the inputs say of the label
stays as it was: on streams whose concept moves it is far off (17 points on elec2). So every
estimate says whether it has been right lately, and nothing is promoted, retrained or rolled back
by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import norm

from opslayer.judgement.outcome import Outcome

Reals = NDArray[np.float64]

LOOK_BACK = 4
"""Matured windows on which estimates are held against what came out."""
TRUSTED = 2.5
"""Standard errors that the mean of their differences may be off."""
FEWEST_ROWS = 100
"""Labelled answers before a window, below which nothing is calibrated."""


@dataclass(frozen=True)
class Answered:
    """The answers of one window, or of the exam: how sure, and whether right."""

    sureness: Reals
    """Probability of the answer that was given, 0 to 1."""
    right: Reals
    """1 for a right answer, 0 for a wrong one."""

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.mean(self.right))

    @property
    def variance(self) -> float:
        """Of `accuracy`, rows taken as independent; never 0, for no window is perfect for sure."""
        share = (float(np.sum(self.right)) + 1) / (len(self.right) + 2)
        return share * (1 - share) / len(self.right)


def judge(exam: Answered, past: Sequence[Answered], now: Reals, alpha: float = 0.05) -> Outcome:
    """What accuracy to expect in a window, and whether to believe it.

    `exam`: the champion's answers to its held-back rows; `past`: to its matured windows, oldest
    first; `now`: how sure it was of each answer in the window. Outcomes: `harm_expected` (below the
    exam's accuracy, one-sided at `alpha`) and `no_harm_expected`, both trusted; `not_trusted` where
    the last four estimates were off by more than 2.5 standard errors; `cannot_estimate` below four
    matured windows. Numbers: `value` (0 to 1), `bias` (mean of estimated minus real) and its
    `standard_error`.
    """
    before = [one for one in past if len(one.right)]
    if len(before) < LOOK_BACK or len(exam.right) < FEWEST_ROWS or not len(now):
        reason = (
            f"{len(before)} matured windows and {len(exam.right)} rows in the exam: "
            f"{LOOK_BACK} and {FEWEST_ROWS} are needed to know whether an estimate is right"
        )
        return Outcome("cannot_estimate", reason, {"windows": len(before), "rows": len(now)})
    value = expected([exam, *before], now)
    bias, error = _record(exam, before)
    numbers: dict[str, Any] = {
        "value": value,
        "exam": exam.accuracy,
        "bias": bias,
        "standard_error": error,
        "rows": len(now),
        "windows": LOOK_BACK,
    }
    lately = f"the last {LOOK_BACK} estimates were off by {100 * bias:+.1f} points"
    if abs(bias) > TRUSTED * error:
        reason = (
            f"accuracy {value:.3f} is estimated without labels, and not to be trusted: {lately}"
        )
        return Outcome("not_trusted", reason, numbers)
    spread = math.sqrt(exam.variance + error**2 + value * (1 - value) / len(now))
    p = float(norm.sf((exam.accuracy - value) / spread))
    outcome = "harm_expected" if p <= alpha else "no_harm_expected"
    reason = (
        f"accuracy {value:.3f} is estimated without labels, {exam.accuracy:.3f} was the exam's "
        f"(p = {p:.3g}); {lately}"
    )
    return Outcome(outcome, reason, numbers | {"p": p}, alpha)


def expected(known: Sequence[Answered], now: Reals) -> float:
    """The accuracy to expect of answers, by how often answers as sure as these were right.

    Isotonic regression of right on sureness (Zadrozny and Elkan 2002), read off between its steps.
    """
    sureness = np.concatenate([one.sureness for one in known])
    right = np.concatenate([one.right for one in known])
    order = np.argsort(sureness, kind="stable")
    fitted = isotonic_regression(right[order]).x
    return float(np.mean(np.interp(now, sureness[order], fitted)))


def _record(exam: Answered, past: Sequence[Answered]) -> tuple[float, float]:
    """Mean of estimated minus real accuracy in the last windows, and its standard error. Each was
    estimated with what was known before it."""
    off, variance = [], 0.0
    for place in range(len(past) - LOOK_BACK, len(past)):
        one = past[place]
        off.append(expected([exam, *past[:place]], one.sureness) - one.accuracy)
        variance += one.variance
    return float(np.mean(off)), math.sqrt(variance) / LOOK_BACK
