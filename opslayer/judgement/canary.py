"""Does a variant on trial harm those who have it? May be asked after every answer.

Two tests, each of which may be looked at for ever. The exact one counts on which side bad first
answers fall; it speaks early, of few answers. The asymptotic one compares units' shares of bad
answers, and is the stronger where there are many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, logsumexp
from scipy.stats import binom

from opslayer.judgement.outcome import Outcome

FEWEST_UNITS = 30
"""Units of either side, below which no mean is compared."""
FEWEST_OF_STAGE = 2
"""Units of either side of a stage, below which it is left out of the means."""
FEWEST_BAD = 5
"""Bad units of either side, below which the asymptotic test is none."""
TUNE = 300.0
"""Units of the canary near which its bounds are tightest."""
FAR_TAIL_TERMS = 1_000
"""Of a binomial tail too small for a float: the largest ones; what is left out makes e smaller."""


@dataclass(frozen=True, slots=True)
class Side:
    """One arm, in one kind of bad answer, during one step of the ramp.

    A unit is a subject, or a call that named none: what is assigned is what is counted, since a
    subject's answers depend on each other. Each unit belongs to one stage and one side for good.
    """

    units: int
    first_bad: int
    """Units whose first answer was bad."""
    mean: float
    """Mean over units of a unit's share of bad answers."""
    variance: float
    """Of that share, between units."""
    bad: int
    """Units with any bad answer."""

    @classmethod
    def of(cls, shares: NDArray[np.float64], first: NDArray[np.bool_]) -> Side:
        """From each unit's share of bad answers, and whether its first one was bad."""
        return cls(
            units=len(shares),
            first_bad=int(first.sum()),
            mean=float(shares.mean()) if len(shares) else 0.0,
            variance=float(shares.var(ddof=1)) if len(shares) > 1 else 0.0,
            bad=int((shares > 0).sum()),
        )

    def cautious_variance(self, rate: float = 0.0) -> float:
        """That of a unit of a side where one more were bad, or that were bad at a rate or above.

        None seen does not mean none there. To exclude a rate takes the variance of that rate: the
        one seen is smallest where luck was greatest, and passed twice alpha of harmful trials.
        """
        likely = min(0.5, max((self.bad + 1) / (self.units + 2), rate))
        return max(self.variance, likely * (1 - likely))


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the ramp: while the split stood still."""

    share: float
    """The canary's share of the units."""
    canary: Side
    control: Side

    @property
    def pairs(self) -> float:
        """What both sides' means together rest on: n_a n_b / (n_a + n_b), nearly n f(1 - f).

        0 where they can't be compared: a single unit has no variance, and would look sure.
        """
        mine, other = self.canary.units, self.control.units
        if min(mine, other) < FEWEST_OF_STAGE or not 0 < self.share < 1:
            return 0.0
        return mine * other / (mine + other)


def judge(signals: Mapping[str, Sequence[Stage]], max_harm: float, alpha: float = 0.05) -> Outcome:
    """Whether a trial has to end, has passed, or goes on.

    `signals` has the stages of the ramp for each kind of bad answer; alpha is shared by the kinds,
    and in each by the two tests. Outcomes: `rollback` (for some kind either test shows more bad
    answers than the control's, and at least `max_harm` more were seen: a sure harm that is smaller
    than what is accepted ends nothing); `passed` (of every kind more than `max_harm` is excluded);
    `no_harm` (neither yet). Wrong about the first with chance at most alpha, however often
    asked, and so about the second where there is that harm (as units grow in number).
    """
    rate = alpha / max(1, len(signals))
    seen = {name: _Seen.of(stages, rate, max_harm) for name, stages in signals.items()}
    numbers = {
        "max_harm": max_harm,
        "signals": {name: one.numbers() for name, one in seen.items()},
    }
    harmed = [name for name, one in seen.items() if one.shown_by and one.difference >= max_harm]
    if harmed:
        worst = max(harmed, key=lambda name: seen[name].difference)
        return Outcome("rollback", f"{worst}: {seen[worst]}", numbers, alpha)
    open_ = [name for name, one in seen.items() if not one.upper < max_harm]
    if seen and not open_:
        least = max(seen, key=lambda name: seen[name].upper)
        reason = f"no kind of answer is worse by {max_harm:.0%}; {least}: {seen[least]}"
        return Outcome("passed", reason, numbers, alpha)
    reason = "; ".join(f"{name}: {seen[name]}" for name in open_) or "nothing was answered yet"
    return Outcome("no_harm", reason, numbers, alpha)


Shown = Literal["", "counts", "means"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """One kind of bad answer over all stages."""

    stages: Sequence[Stage]
    difference: float
    """Of the shares of bad answers, the canary's less the control's."""
    upper: float
    """Below max_harm where so much harm is excluded; infinite where too few were seen."""
    log_e: float
    shown_by: Shown
    """The test that shows harm."""

    @classmethod
    def of(cls, stages: Sequence[Stage], alpha: float, max_harm: float) -> _Seen:
        compared = [one for one in stages if one.pairs]
        difference, errors = _difference(compared, max_harm)
        looked = _looked(compared)
        harm = _radius(looked, errors[0], alpha / 2)
        log_e = sum(log_e_value(one) for one in stages)
        shown: Shown = "counts" if log_e >= -math.log(alpha / 2) else ""
        if not shown and _enough(compared, FEWEST_BAD) and difference > harm:
            shown = "means"
        upper = difference + _radius(looked, errors[1], alpha)
        return cls(stages, difference, upper if _enough(compared, 0) else math.inf, log_e, shown)

    def __str__(self) -> str:
        canary, control = (_total(self.stages, side) for side in ("canary", "control"))
        shown = f", e = {math.exp(min(self.log_e, 50)):.3g}" if self.shown_by == "counts" else ""
        return (
            f"{canary[1]:.1%} of the canary's answers to {canary[0]:,} were bad against "
            f"{control[1]:.1%} to {control[0]:,}{shown}"
        )

    def numbers(self) -> dict[str, Any]:
        canary, control = (_total(self.stages, side) for side in ("canary", "control"))
        return {
            "units": [canary[0], control[0]],
            "bad": [canary[1], control[1]],
            "difference": self.difference,
            "upper": self.upper if math.isfinite(self.upper) else None,
            "e_value": math.exp(min(self.log_e, 700.0)),
            "shown_by": self.shown_by,
            "stages": [
                [one.share, one.canary.first_bad, one.control.first_bad] for one in self.stages
            ],
        }


def log_e_value(stage: Stage) -> float:
    """Evidence of one stage that bad first answers fall to the canary more often than its share.

    Under "each falls there with chance f at most" its exponential reaches 1/alpha at any time with
    chance alpha at most: the likelihood ratio of a uniform prior on (f, 1] to f. Stages multiply.
    """
    a, b, f = stage.canary.first_bad, stage.control.first_bad, stage.share
    if not 0 < f < 1:
        return 0.0  # where nobody, or everybody, is the canary's there is nothing to compare
    likelihood = a * math.log(f) + (b + 1) * math.log1p(-f)
    return float(betaln(a + 1, b + 1)) + _log_above(a, b, f) - likelihood


def _log_above(a: int, b: int, f: float) -> float:
    """log P(Beta(a + 1, b + 1) > f), which is log P(Binomial(a + b + 1, f) <= a).

    Finite however small: one stage in which the canary was far better must leave e a number that
    the stages after it can still raise.
    """
    above = float(betainc(b + 1, a + 1, 1 - f))
    if above > 1e-290:
        return math.log(above)
    largest = np.arange(max(0, a - FAR_TAIL_TERMS), a + 1)
    return float(logsumexp(binom.logpmf(largest, a + b + 1, f)))


def _difference(stages: Sequence[Stage], max_harm: float) -> tuple[float, tuple[float, float]]:
    """The difference over all stages; its standard error as it is, and if the canary did max_harm.

    Stages count by their pairs, which no answer has a say in: pairs times a difference is nearly
    the sum over units of answer x (on the canary - share), whose steps have mean 0 where nothing
    is worse, whatever the step of the ramp and however the world's rate of bad answers moves.
    """
    total = sum(one.pairs for one in stages)
    if not total:
        return 0.0, (math.inf, math.inf)
    difference, plain, careful = 0.0, 0.0, 0.0
    for stage in stages:
        weight, canary, control = stage.pairs / total, stage.canary, stage.control
        difference += weight * (canary.mean - control.mean)
        plain += weight**2 * (canary.variance / canary.units + control.variance / control.units)
        careful += weight**2 * (
            canary.cautious_variance(control.mean + max_harm) / canary.units
            + control.cautious_variance() / control.units
        )
    return difference, (math.sqrt(plain), math.sqrt(careful))


def _looked(stages: Sequence[Stage]) -> float:
    """How far the comparison has come, in units at which its bounds are tightest.

    The boundary's time is what the variance of that sum has grown to, f(1 - f) a unit: a unit at
    an even split tells more than one at 10 %. In a single stage it is units / (300 / f).
    """
    if not stages:
        return 0.0
    return sum(one.pairs for one in stages) / (TUNE * (1 - stages[0].share))


def _radius(looked: float, error: float, alpha: float) -> float:
    """How far the truth may lie on one side of an estimate, at all times together.

    One-sided asymptotic confidence sequence for a mean (Waudby-Smith et al., Ann. Statist. 2024),
    with the boundary tuned to be tightest near `looked` = 1.
    """
    if not looked or not math.isfinite(error):
        return math.inf
    two = min(0.999, 2 * alpha)
    rho = -2 * math.log(two) + math.log(1 - 2 * math.log(two))
    grown = looked * rho + 1
    inner = 2 * grown / (grown - 1) * math.log1p(math.sqrt(grown) / two)
    return error * math.sqrt(inner)


def _enough(stages: Sequence[Stage], bad: int) -> bool:
    """Whether either side has units enough for means to be compared."""
    sides = [[one.canary for one in stages], [one.control for one in stages]]
    return all(
        sum(one.units for one in side) >= FEWEST_UNITS and sum(one.bad for one in side) >= bad
        for side in sides
    )


def _total(stages: Sequence[Stage], side: Literal["canary", "control"]) -> tuple[int, float]:
    """Units of one side in all stages, and their mean share of bad answers."""
    parts = [one.canary if side == "canary" else one.control for one in stages]
    units = sum(one.units for one in parts)
    return units, sum(one.units * one.mean for one in parts) / units if units else 0.0
