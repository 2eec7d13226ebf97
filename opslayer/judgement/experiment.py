"""Which arm of an experiment is better? An answer that holds however often somebody looks.

The unit of analysis is the unit of assignment: everything here takes one value per subject, or what
such values add up to. Answers of one person depend on each other, people don't.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, norm

from opslayer.judgement.outcome import Outcome

FEWEST_SUBJECTS = 100
"""Subjects in an arm below which nothing is said of it: the intervals hold as n grows, and with 20
subjects in the smaller of two arms they are wrong in a fifth of equal experiments."""
PER_SKEWNESS = 25
"""An arm speaks from 25 times the squared skewness of all values together: Cochran's rule for when
a mean is nearly normal (Sampling Techniques, 1977). It is 25 events of a rare kind. Of equal arms
at 90:10 and a rate of 1 %, looked at after every 20 of 20,000 subjects, 33 % had a false winner
with the floor above alone, 6 % with 5 in place of 25, 2 % with 10 and 0.05 % with 25; of costs
(lognormal, sigma 1.5) 12 %, 4 %, 1 % and 0.1 % (`benchmarks/experiments.py`)."""
FEWEST_EXPECTED = 5
"""Subjects expected in every arm from which chi-square's p can be believed (Cochran's rule too)."""
INTERACTION_ALPHA = 0.05


@dataclass(frozen=True)
class Units:
    """What the values of an arm's subjects, one of each, add up to."""

    n: int
    mean: float
    variance: float
    """Divided by n, as the intervals' formula has it."""
    skewness: float = 0.0
    """Third central moment / variance^1.5: who leaves it at 0 gives up the floor that keeps rare
    events and heavy tails from false winners."""

    @classmethod
    def of(cls, values: ArrayLike) -> Self:
        """Of subjects' values; those that aren't finite numbers are left out."""
        given = np.asarray(values, dtype=float).reshape(-1)
        known = given[np.isfinite(given)]
        if not len(known):
            return cls(0, 0.0, 0.0)
        mean = float(known.mean())
        apart = known - mean
        variance = float(np.mean(apart**2))
        if _alike(mean, variance):
            return cls(len(known), mean, 0.0)
        return cls(len(known), mean, variance, _skewness(float(np.mean(apart**3)), variance))

    def numbers(self) -> dict[str, Any]:
        """For a verdict; the mean of nobody is nothing."""
        return {"n": self.n, "mean": self.mean if self.n else None}


NOBODY = Units(0, 0.0, 0.0)


@dataclass(frozen=True)
class Interval:
    """Where a difference (treated - control) lies."""

    low: float
    high: float
    estimate: float

    def numbers(self) -> dict[str, Any]:
        """For a verdict; an end that isn't known is nothing."""
        ends = (self.low, self.high)
        low, high = (end if math.isfinite(end) else None for end in ends)
        return {"difference": self.estimate, "low": low, "high": high}


@dataclass(frozen=True)
class Measure:
    """Something measured on the subjects of every arm."""

    name: str
    better: Literal["higher", "lower"]
    arms: Mapping[str, Units]
    share: bool = False
    """Whether values are shares in [0, 1], which are told in percent."""

    def of(self, arm: str) -> Units:
        """An arm's values; those of an arm that nobody is in yet are none."""
        return self.arms.get(arm, NOBODY)


@dataclass(frozen=True)
class Rules:
    """What was settled before the experiment began."""

    weights: Mapping[str, float]
    """By arm, the share of subjects it gets; the first is the control. Who changed weights under
    way names the subjects each arm was to expect."""
    alpha: float = 0.05
    """Chance of a false winner among equal arms, however often somebody looks."""
    smallest: float = 0.0
    """The difference that matters, in the primary measure's unit; 0 for "any"."""
    most: int | None = None
    """Subjects of all arms after which it ends."""
    ratio_alpha: float = 0.001
    tune: float = 1000
    """Subjects of both arms at which intervals are narrowest beside those of a single look."""

    def __post_init__(self) -> None:
        """Raises ValueError without two arms, or for one that is to get nobody."""
        if len(self.weights) < 2 or not all(weight > 0 for weight in self.weights.values()):
            raise ValueError("an experiment needs at least two arms, each with a positive weight")

    @property
    def control(self) -> str:
        """The arm that others are compared with."""
        return next(iter(self.weights))

    @property
    def treated(self) -> list[str]:
        """The other arms."""
        return list(self.weights)[1:]


def lift(control: Units, treated: Units, alpha: float = 0.05, tune: float = 1000) -> Interval:
    """The difference of the means (treated - control), valid at all looks together.

    d ± s·sqrt(2(nr+1)/(n²r)·log(sqrt(nr+1)/alpha)), s² = n(v_a/n_a + v_b/n_b), n = n_a + n_b,
    r = (-2 log alpha + log(1 - 2 log alpha))/tune: the asymptotic confidence sequence of
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021). Assumes independent subjects; it holds
    as n grows: `judge` says from when on. Without two subjects in both arms the ends are infinite.
    """
    difference = treated.mean - control.mean
    if min(control.n, treated.n) < 2:
        return Interval(-math.inf, math.inf, difference)
    n = control.n + treated.n
    per_look = -2 * math.log(alpha)
    grown = n * (per_look + math.log1p(per_look)) / tune + 1  # nr + 1
    width = 2 * grown / (n * (grown - 1)) * math.log(math.sqrt(grown) / alpha)
    half = math.sqrt(width * n * (control.variance / control.n + treated.variance / treated.n))
    return Interval(difference - half, difference + half, difference)


def sample_ratio(counts: Sequence[int], weights: Sequence[float]) -> float:
    """The p-value of "subjects came to the arms as the weights say": chi-square, one look.

    1 as long as an arm of some weight is to expect fewer than 5 subjects; 0 where an arm without
    weight has any. Raises ValueError without a positive weight.
    """
    total, everybody = sum(weights), sum(counts)
    if total <= 0:
        raise ValueError("no arm has any weight")
    pairs = list(zip(counts, weights, strict=True))
    if any(count for count, weight in pairs if weight <= 0):
        return 0.0
    expected = [(count, everybody * weight / total) for count, weight in pairs if weight > 0]
    if min(number for _, number in expected) < FEWEST_EXPECTED:
        return 1.0
    statistic = sum((count - number) ** 2 / number for count, number in expected)
    return float(chi2.sf(statistic, len(expected) - 1)) if len(expected) > 1 else 1.0


def interaction(cells: Sequence[Sequence[Units]], alpha: float = INTERACTION_ALPHA) -> Outcome:
    """Whether one experiment's arm changes what another's does: (m11 - m10) - (m01 - m00).

    `cells[i][j]` are the subjects in arm i of one and j of the other. Outcomes: `interaction`
    (p <= alpha), which is to warn of and no reason to stop; `none_shown`; `too_few`. Assumes
    independent subjects. Two-sided z-test with the four cells' standard error, for a single look.
    """
    four = [cells[0][0], cells[0][1], cells[1][0], cells[1][1]]
    plain, second, first, both = four
    estimate = (both.mean - first.mean) - (second.mean - plain.mean)
    numbers: dict[str, Any] = {"estimate": estimate, "n": [cell.n for cell in four]}
    if not speaks(four):
        return Outcome("too_few", "too few subjects in the four cells to say", numbers, alpha)
    error = math.sqrt(sum(cell.variance / cell.n for cell in four))
    z = estimate / error if error > 0 else None
    # Without any spread the estimate is what it is.
    p = 2 * float(norm.sf(abs(z))) if z is not None else float(estimate == 0)
    numbers |= {"standard_error": error, "z": z, "p": p}
    found = p <= alpha
    verb = "depends on" if found else "is not shown to depend on"
    told = f"difference of differences {estimate:+.3g} ± {error:.2g}, p = {p:.3g}"
    reason = f"what one experiment's arm does {verb} the other's: {told}"
    return Outcome("interaction" if found else "none_shown", reason, numbers, alpha)


def speaks(arms: Sequence[Units]) -> bool:
    """Whether all arms have subjects enough for the spread of all values together.

    The values of all arms, and not each arm's own: an arm on which nothing ever failed yet is
    compared with one on which a hundred did. Where nothing has failed on any, nothing is known of
    how often it does, however narrow an interval without spread is.
    """
    fewest = min(arm.n for arm in arms)
    if fewest < FEWEST_SUBJECTS:
        return False
    together = _together(arms)
    if _alike(together.mean, together.variance):
        return False
    return fewest >= PER_SKEWNESS * together.skewness**2


def _skewness(third: float, variance: float) -> float:
    scale = variance**1.5  # of a variance below 1e-215 it is 0
    return third / scale if scale > 0 else 0.0


def _alike(mean: float, variance: float) -> bool:
    """Whether values are all the same, but for rounding."""
    return variance <= (1e-12 * mean) ** 2


def _together(arms: Sequence[Units]) -> Units:
    """All arms' values as one sample: means, second and third moments about the common mean."""
    n = sum(arm.n for arm in arms)
    mean = sum(arm.n * arm.mean for arm in arms) / n
    second = third = 0.0
    for arm in arms:
        apart = arm.mean - mean
        second += arm.n / n * (arm.variance + apart**2)
        own = arm.skewness * arm.variance**1.5
        third += arm.n / n * (own + 3 * apart * arm.variance + apart**3)
    return Units(n, mean, second, _skewness(third, second))


@dataclass(frozen=True)
class _Seen:
    """An arm against the control, in one measure."""

    arm: str
    measure: Measure
    control: str
    interval: Interval
    confidence: float
    spoken: bool
    """Whether there are subjects enough to conclude anything."""
    allowed: float = 0.0
    """The harm a guardrail allows."""

    @property
    def gain(self) -> Interval:
        """The difference, turned so that more is better."""
        its = self.interval
        if self.measure.better == "higher":
            return its
        return Interval(-its.high, -its.low, -its.estimate)

    @property
    def better(self) -> bool:
        return self.spoken and self.gain.low > 0

    @property
    def worse(self) -> bool:
        """By more than is allowed."""
        return self.spoken and self.gain.high < -self.allowed

    def within(self, smallest: float) -> bool:
        its = self.interval
        return self.spoken and -smallest < its.low and its.high < smallest

    def numbers(self) -> dict[str, Any]:
        units = self.measure.of(self.arm)
        enough = {"enough_subjects": self.spoken}
        return {"arm": self.arm} | units.numbers() | self.interval.numbers() | enough

    def told(self) -> str:
        """One sentence's worth of it."""
        arm, control, its = self.measure.of(self.arm), self.measure.of(self.control), self.interval
        share = self.measure.share
        means = f"{_value(arm.mean, share)} against {_value(control.mean, share)} of {self.control}"
        ends = f"between {_signed(its.low, share)} and {_signed(its.high, share)}"
        unit = " points" if share else ""
        return (
            f"{self.arm}: {means} on {arm.n + control.n:,} subjects, difference "
            f"{_signed(its.estimate, share)}{unit}, {ends} with {self.confidence:.4g} % "
            "confidence however often one looks"
        )


Guardrail = tuple[Measure, float]
"""A measure, and the harm in its unit that an arm may do to it."""


def judge(
    exposed: Mapping[str, int], primary: Measure, guardrails: Sequence[Guardrail], rules: Rules
) -> Outcome:
    """What the subjects seen so far say; ask as often as you like.

    `exposed` counts subjects by arm; only the arms in `rules.weights` are judged. Outcomes, the
    first that applies: `sample_ratio` (who was counted can't be right: nothing is concluded);
    `guardrail` (arms shown to harm by more than is allowed, numbers: harmed; drop them); `winner`
    (numbers: winner; of several the best estimate; the control where every arm is shown worse);
    `no_difference` (every arm within ±smallest); `inconclusive` (`most` subjects); `running`.
    A winner among equal arms comes with chance at most alpha at all looks together (Bonferroni
    over arms), and so does a harmed guardrail (over arms and guardrails). The check of the sample
    ratio is for one look: asked at each of many, it will err in more than `ratio_alpha` of runs.
    """
    counts = {arm: exposed.get(arm, 0) for arm in rules.weights}
    p = sample_ratio(list(counts.values()), list(rules.weights.values()))
    arms = len(rules.treated)
    split = rules.alpha / (arms * max(1, len(guardrails)))
    seen = _compared(primary, rules, rules.alpha / arms)
    guarded = [_compared(measure, rules, split, allowed) for measure, allowed in guardrails]
    numbers: dict[str, Any] = {
        "sample_ratio_p": p,
        "exposed": counts,
        "subjects": sum(counts.values()),
        "alpha": rules.alpha,
        "primary": _table(seen),
        "guardrails": [_table(rows) for rows in guarded],
    }
    outcome, reason, more = (
        _miscounted(numbers, rules)
        or _harm([row for rows in guarded for row in rows])
        or _winner(seen)
        or _end(seen, numbers["subjects"], rules)
    )
    return Outcome(outcome, reason, numbers | more, error_rate=rules.alpha)


Answer = tuple[str, str, dict[str, Any]]


def _compared(measure: Measure, rules: Rules, alpha: float, allowed: float = 0.0) -> list[_Seen]:
    """Every arm against the control, with intervals at an alpha of their own."""
    control = measure.of(rules.control)
    found = []
    for arm in rules.treated:
        its = measure.of(arm)
        interval = lift(control, its, alpha, rules.tune)
        enough, confidence = speaks([control, its]), 100 * (1 - alpha)
        row = _Seen(arm, measure, rules.control, interval, confidence, enough, allowed)
        found.append(row)
    return found


def _table(rows: Sequence[_Seen]) -> dict[str, Any]:
    measure, control = rows[0].measure, rows[0].control
    return {
        "name": measure.name,
        "better": measure.better,
        "allowed_harm": rows[0].allowed,
        "control": {"arm": control} | measure.of(control).numbers(),
        "arms": [row.numbers() for row in rows],
    }


def _miscounted(numbers: Mapping[str, Any], rules: Rules) -> Answer | None:
    p = numbers["sample_ratio_p"]
    if p >= rules.ratio_alpha:
        return None
    total = sum(rules.weights.values())
    arms = ", ".join(
        f"{arm} has {count:,} where {numbers['subjects'] * rules.weights[arm] / total:,.0f} belong"
        for arm, count in numbers["exposed"].items()
    )
    reason = f"subjects are missing or counted twice, so nothing can be concluded: {arms}"
    return "sample_ratio", f"{reason} (p = {p:.2g})", {}


def _harm(guarded: Sequence[_Seen]) -> Answer | None:
    harmed = [row for row in guarded if row.worse]
    if not harmed:
        return None
    worst = min(harmed, key=lambda row: row.gain.high + row.allowed)
    allowed = _value(worst.allowed, worst.measure.share)
    also = f" (and {len(harmed) - 1} more)" if len(harmed) > 1 else ""
    reason = f"{worst.arm} harms {worst.measure.name} by more than {allowed}{also}: {worst.told()}"
    rows = [{"measure": row.measure.name} | row.numbers() for row in harmed]
    return "guardrail", reason, {"harmed": rows}


def _winner(seen: Sequence[_Seen]) -> Answer | None:
    better = [row for row in seen if row.better]
    if better:
        best = max(better, key=lambda row: row.gain.estimate)
        return "winner", best.told(), {"winner": best.arm}
    if all(row.worse for row in seen):
        next_best = max(seen, key=lambda row: row.gain.estimate)
        control = next_best.control
        reason = f"{control} is better than every other arm; the best of them, {next_best.told()}"
        return "winner", reason, {"winner": control}
    return None


def _end(seen: Sequence[_Seen], subjects: int, rules: Rules) -> Answer:
    """Whether to go on where nobody has won."""
    best = max(seen, key=lambda row: row.gain.estimate)
    if rules.smallest > 0 and all(row.within(rules.smallest) for row in seen):
        matters = _value(rules.smallest, best.measure.share)
        return "no_difference", f"no arm differs by as much as {matters}; {best.told()}", {}
    if rules.most is not None and subjects >= rules.most:
        reason = f"{subjects:,} of {rules.most:,} subjects show no winner; {best.told()}"
        return "inconclusive", reason, {}
    if not any(row.spoken for row in seen):
        return "running", f"{subjects:,} subjects are too few to say anything yet", {}
    return "running", f"no winner yet; {best.told()}", {}


def _value(value: float, share: bool) -> str:
    if share:
        return f"{100 * value:.3g} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _signed(value: float, share: bool) -> str:
    value *= 100 if share else 1
    return f"{value:+,.0f}" if 100 <= abs(value) < math.inf else f"{value:+.2g}"
