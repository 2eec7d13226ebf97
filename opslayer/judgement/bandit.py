"""How to share subjects among arms so that most get the better one while it is being found out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opslayer.judgement.experiment import Units

Reals = NDArray[np.float64]

DRAWS = 10_000
"""Draws from the posteriors: a share is known to half a point."""


def weights(
    arms: Sequence[tuple[float, float]] | Sequence[Units],
    floor: float = 0.05,
    seed: int = 0,
    better: Literal["higher", "lower"] = "higher",
) -> list[float]:
    """Each arm's share of the next subjects: the chance that it is the best (Thompson sampling).

    Arms are (successes, failures) of subjects, whose rate has a Beta posterior under a uniform
    prior, or `Units`, whose mean has a normal one, mean ± sqrt(variance / n); until each of these
    has two subjects all get the same. No arm gets less than `floor`, or an equal share if that is
    less. Shares sum to 1. Raises ValueError without arms or for a floor outside [0, 1].

    What this gives up: who gets what now follows from results, so a difference between the arms
    afterwards carries no stated confidence. The worse arm's mean comes out too low, since an
    unlucky start is never made up for, and whatever changes with time (a weekday, a campaign)
    reaches the arms in unequal parts and passes for a difference. To know which arm is better, and
    by how much, leave the weights alone and ask `experiment.judge`.
    """
    if not arms or not 0 <= floor <= 1:
        raise ValueError("a bandit needs arms, and a floor between 0 and 1")
    rng = np.random.default_rng(seed)
    drawn = np.array([_posterior(one, rng) for one in arms])
    if better == "lower":
        drawn = -drawn
    least = min(floor, 1 / len(arms))
    shares = least + (1 - least * len(arms)) * _best(drawn)
    return [float(share) for share in shares / shares.sum()]


def _posterior(arm: tuple[float, float] | Units, rng: np.random.Generator) -> Reals:
    """Draws of what an arm's mean may be; all nan where nothing is known of it."""
    if isinstance(arm, Units):
        if arm.n < 2:
            return np.full(DRAWS, np.nan)
        return rng.normal(arm.mean, np.sqrt(arm.variance / arm.n), DRAWS)
    successes, failures = arm
    return rng.beta(successes + 1, failures + 1, DRAWS)


def _best(drawn: Reals) -> Reals:
    """How often each arm has the highest draw; arms that tie share."""
    if np.isnan(drawn).any():
        return np.full(len(drawn), 1 / len(drawn))
    first = drawn == drawn.max(axis=0)
    shares: Reals = (first / first.sum(axis=0)).mean(axis=1)
    return shares
