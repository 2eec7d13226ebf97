"""Does an experiment keep its error rate however often one looks, and see what is there?

Every run is looked at after every 20 of 20,000 subjects: a thousand looks. All runs of a scenario
are judged at once on cumulative sums, and `judge` itself is asked at places drawn at random, where
it must say the same. Beside it, the z-test that most dashboards have, asked at the same looks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from benchmarks.bars import Bar, finish, say
from opslayer.judgement.experiment import (
    FEWEST_SUBJECTS,
    PER_SKEWNESS,
    Measure,
    Rules,
    Units,
    interaction,
    judge,
    lift,
    sample_ratio,
)

ALPHA = 0.05
RUNS = 2_000
BATCH = 100
LOOKS, STEP = 1_000, 20
CHECKED = 5
"""Places in every batch at which `judge` itself is asked."""
EVEN, SKEWED, THREE = (0.5, 0.5), (0.9, 0.1), (0.5, 0.25, 0.25)
RATIO_RUNS, RATIO_SUBJECTS, LOST = 20_000, 100_000, 0.05
CELL, CELL_RUNS = 10_000, 10_000
"""Subjects in each cell of two experiments, and how often they are run."""

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Scenario:
    """Arms and what they do: rates, or costs that are lognormal with a sigma."""

    name: str
    weights: tuple[float, ...]
    means: tuple[float, ...]
    """Of every arm; factors on the cost where `sigma` is given."""
    sigma: float | None = None

    @property
    def rules(self) -> Rules:
        """The control is arm 0."""
        return Rules({f"arm {place}": weight for place, weight in enumerate(self.weights)}, ALPHA)

    def true(self, place: int) -> float:
        """By how much an arm's mean is above the control's."""
        unit = 1.0 if self.sigma is None else float(np.exp(self.sigma**2 / 2))
        return unit * (self.means[place] - self.means[0])

    def sums(self, rng: np.random.Generator) -> list[Reals]:
        """For every arm, its n and the sums of values, squares and cubes: 4 x runs x looks."""
        if self.sigma is not None:
            return self._costs(rng)
        counts = rng.multinomial(STEP, self.weights, size=(BATCH, LOOKS))
        events = rng.binomial(counts, self.means)
        n, total = (part.cumsum(axis=1).astype(float) for part in (counts, events))
        return [
            np.stack([n[..., place], *[total[..., place]] * 3])
            for place in range(len(self.weights))
        ]

    def _costs(self, rng: np.random.Generator) -> list[Reals]:
        values = rng.lognormal(0.0, self.sigma, size=(BATCH, LOOKS, STEP))
        arms = rng.choice(len(self.weights), p=self.weights, size=values.shape)
        sums = []
        for place, factor in enumerate(self.means):
            inside = arms == place
            powers = [inside * (factor * values) ** power for power in range(4)]
            sums.append(np.stack([part.sum(axis=2).cumsum(axis=1) for part in powers]))
        return sums


@dataclass(frozen=True)
class Against:
    """An arm against the control, at every look of every run."""

    difference: Reals
    error: Reals
    half: Reals
    speaks: Flags

    @property
    def shown(self) -> Reals:
        """1 where it is shown better, -1 where worse."""
        far = self.speaks & (np.abs(self.difference) > self.half)
        return np.where(far, np.sign(self.difference), 0)


def against(control: Reals, treated: Reals, alpha: float, tune: float = 1000) -> Against:
    """What `lift` and `speaks` say, written a second time, on sums."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ours, theirs, both = (_moments(part) for part in (control, treated, control + treated))
        error = np.sqrt(ours[1] / control[0] + theirs[1] / treated[0])
        n = control[0] + treated[0]
        once = -2 * np.log(alpha)
        rho = np.sqrt((once + np.log(1 + once)) / tune)
        more = n * rho**2 + 1
        half = np.sqrt(2 * more / (n * rho) ** 2 * np.log(np.sqrt(more) / alpha) * n) * error
        fewest = np.minimum(control[0], treated[0])
        speaks = (fewest >= FEWEST_SUBJECTS) & (fewest >= PER_SKEWNESS * both[2] ** 2)
    return Against(theirs[0] - ours[0], error, half, speaks)


def _moments(sums: Reals) -> tuple[Reals, Reals, Reals]:
    n, first, second, third = sums
    mean = first / n
    variance = np.maximum(second / n - mean**2, 0)
    skewness = (third / n - 3 * mean * second / n + 2 * mean**3) / variance**1.5
    return mean, variance, skewness


@dataclass(frozen=True)
class Seen:
    """What came of one batch, run by run."""

    won: NDArray[np.int64]
    """The first look at which an arm is a winner; -1 for never."""
    right: Flags
    """Whether that winner is the best arm."""
    peeked: Flags
    """Whether a z-test at one of the looks finds a winner."""
    outside: Flags
    """Whether a true difference was ever outside its interval."""
    miscounted: Flags
    """Whether the sample ratio was ever off."""
    differs: int
    """Places at which `judge` says otherwise."""


def run(scenario: Scenario, rng: np.random.Generator) -> Seen:
    """Judge a batch of runs at every look."""
    sums = scenario.sums(rng)
    arms = len(sums) - 1
    rows = [against(sums[0], treated, ALPHA / arms) for treated in sums[1:]]
    shown = np.stack([row.shown for row in rows])
    gains = np.stack([np.where(row.shown > 0, row.difference, -np.inf) for row in rows])
    winner = np.where((shown > 0).any(axis=0), gains.argmax(axis=0) + 1, -1)
    winner = np.where((shown < 0).all(axis=0), 0, winner)
    won = np.where((winner >= 0).any(axis=1), (winner >= 0).argmax(axis=1), -1)
    first = winner[np.arange(BATCH), won]
    off = _ratio_p(sums, scenario.weights) < 0.001
    level = float(norm.isf(ALPHA / arms / 2))
    peeked = [
        (np.abs(row.difference) > level * row.error) & (row.error > 0) & _counted(sums, place)
        for place, row in enumerate(rows, 1)
    ]
    outside = [
        row.speaks & (np.abs(row.difference - scenario.true(place)) > row.half)
        for place, row in enumerate(rows, 1)
    ]
    return Seen(
        won,
        (won >= 0) & (first == int(np.argmax(scenario.means))),
        np.any(peeked, axis=(0, 2)),
        np.any(outside, axis=(0, 2)),
        off.any(axis=1),
        _check(scenario, sums, (winner, off), rng),
    )


def _counted(sums: list[Reals], place: int) -> Flags:
    enough: Flags = np.minimum(sums[0][0], sums[place][0]) >= FEWEST_SUBJECTS
    return enough


def _ratio_p(sums: list[Reals], weights: tuple[float, ...]) -> Reals:
    n = np.stack([part[0] for part in sums])
    expected = n.sum(axis=0) * np.array(weights)[:, None, None]
    p = chi2.sf(((n - expected) ** 2 / expected).sum(axis=0), len(weights) - 1)
    return np.where(expected.min(axis=0) < 5, 1.0, p)


def _check(
    scenario: Scenario,
    sums: list[Reals],
    said: tuple[NDArray[np.int64], Flags],
    rng: np.random.Generator,
) -> int:
    """Ask `judge` at some looks, half of them such at which there is a winner."""
    winner, off = said
    winning = np.argwhere(winner >= 0)
    some = [tuple(rng.integers((BATCH, LOOKS))) for _ in range(CHECKED)]
    some += [tuple(winning[rng.integers(len(winning))]) for _ in range(CHECKED) if len(winning)]
    differs = 0
    for look in some:
        units = {}
        for arm, part in zip(scenario.rules.weights, sums, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                mean, variance, skewness = np.nan_to_num([one[look] for one in _moments(part)])
            units[arm] = Units(int(part[0][look]), float(mean), float(variance), float(skewness))
        exposed = {arm: one.n for arm, one in units.items()}
        outcome = judge(exposed, Measure("it", "higher", units), [], scenario.rules)
        found = outcome.numbers.get("winner")
        expected = None if off[look] or winner[look] < 0 else f"arm {winner[look]}"
        stopped = outcome.outcome == "sample_ratio"
        differs += int(found != expected or stopped != bool(off[look]))
    return differs


def batches(scenario: Scenario, seed: int) -> Seen:
    """All runs of a scenario."""
    rng = np.random.default_rng([seed, 6])
    seen = [run(scenario, rng) for _ in range(RUNS // BATCH)]
    names = ("won", "right", "peeked", "outside", "miscounted")
    joined = {name: np.concatenate([getattr(one, name) for one in seen]) for name in names}
    return Seen(**joined, differs=sum(one.differs for one in seen))


def equal_arms() -> Iterator[Bar]:
    """A/A: whoever wins has won by chance."""
    costs = (1.0, 1.0)
    scenarios = [
        *(Scenario(f"{rate:.0%}", EVEN, (rate, rate)) for rate in (0.01, 0.1, 0.5)),
        Scenario("costs", EVEN, costs, 1.5),
        *(Scenario(f"{rate:.0%} at 90:10", SKEWED, (rate, rate)) for rate in (0.01, 0.1, 0.5)),
        Scenario("costs at 90:10", SKEWED, costs, 1.5),
        Scenario("10%, three arms", THREE, (0.1, 0.1, 0.1)),
        Scenario("costs, three arms", THREE, (1.0, 1.0, 1.0), 1.5),
    ]
    differs = 0
    for seed, scenario in enumerate(scenarios):
        seen = batches(scenario, seed)
        false, differs = int((seen.won >= 0).sum()), differs + seen.differs
        say(
            f"A/A, {scenario.name}: a false winner in {false / RUNS:.2%} of {RUNS:,} runs, by a "
            f"z-test at each look in {seen.peeked.mean():.1%}; sample ratio off at one of "
            f"{LOOKS:,} looks in {seen.miscounted.mean():.1%}"
        )
        yield Bar(f"A/A, {scenario.name}: false winners", false, f"<= {ALPHA * RUNS:g}", RUNS)
    asked = len(scenarios) * RUNS // BATCH * CHECKED
    yield Bar("A/A: places where judge says otherwise", differs, "== 0", asked)


def real_differences() -> Iterator[Bar]:
    """One arm is better: is it found, when, and do the intervals hold the truth?"""
    scenarios = {
        Scenario("13% against 10%", EVEN, (0.1, 0.13)): ">= 0.95",
        Scenario("11% against 10%", EVEN, (0.1, 0.11)): None,
        Scenario("2% against 1%", EVEN, (0.01, 0.02)): ">= 0.95",
        Scenario("13% against 10% at 90:10", SKEWED, (0.1, 0.13)): None,
        Scenario("10%, 10% and 13%", THREE, (0.1, 0.1, 0.13)): None,
        Scenario("costs up by a fifth", EVEN, (1.0, 1.2), 1.5): None,
    }
    differs = 0
    for seed, (scenario, bar) in enumerate(scenarios.items(), 100):
        seen = batches(scenario, seed)
        differs += seen.differs
        found, when = float(seen.right.mean()), STEP * (1 + seen.won[seen.right])
        usual = f"{np.median(when):,.0f}" if len(when) else "no"
        outside = int(seen.outside.sum())
        wrong = int((seen.won >= 0).sum() - seen.right.sum())
        say(
            f"{scenario.name}: found in {found:.1%}, usually after {usual} subjects; another arm "
            f"won in {wrong}; truth ever outside in {outside / RUNS:.2%}"
        )
        if bar:
            yield Bar(f"{scenario.name}: found", found, bar)
        yield Bar(f"{scenario.name}: truth ever outside", outside, f"<= {ALPHA * RUNS:g}", RUNS)
    asked = len(scenarios) * RUNS // BATCH * CHECKED
    yield Bar("differences: places where judge says otherwise", differs, "== 0", asked)


def lost_subjects() -> Iterator[Bar]:
    """A twentieth of one arm's subjects is lost, or nobody is."""
    rng = np.random.default_rng(8)
    alarms = {}
    for lost in (LOST, 0.0):
        first = rng.binomial(RATIO_SUBJECTS, 0.5, RATIO_RUNS)
        second = rng.binomial(RATIO_SUBJECTS - first, 1 - lost)
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        alarms[lost] = sum(sample_ratio(pair, EVEN) < 0.001 for pair in pairs)
        say(f"{lost:.0%} of an arm lost: alarm in {alarms[lost]:,} of {RATIO_RUNS:,} runs")
    yield Bar("5 % of an arm lost: found", alarms[LOST] / RATIO_RUNS, ">= 0.99")
    few = f"<= {0.002 * RATIO_RUNS:g}"
    yield Bar("nobody lost: false alarms", alarms[0.0], few, RATIO_RUNS)


def two_experiments() -> Iterator[Bar]:
    """Both arms add a point; together they add three more, or just the two."""
    rng = np.random.default_rng(9)
    found = {}
    for extra in (0.03, 0.0):
        rates = np.array([0.10, 0.11, 0.11, 0.12 + extra])
        events = rng.binomial(CELL, rates, size=(CELL_RUNS, 4))
        outcomes = (interaction([row[:2], row[2:]]).outcome for row in map(_cells, events))
        found[extra] = sum(outcome == "interaction" for outcome in outcomes) / CELL_RUNS
        say(f"an interaction of {extra:+.0%}: claimed in {found[extra]:.1%} of {CELL_RUNS:,} runs")
    yield Bar("interaction of 3 points: found", found[0.03], ">= 0.95")
    # The test is exact to a hair: with 0.05 itself as the bar chance would miss it half the time.
    yield Bar("no interaction: claimed", found[0.0], "<= 0.055")


def _cells(events: NDArray[np.int64]) -> list[Units]:
    rates = events / CELL
    return [
        Units(CELL, rate, rate * (1 - rate), (1 - 2 * rate) / (rate * (1 - rate)) ** 0.5)
        for rate in rates.tolist()
    ]


def known() -> Iterator[Bar]:
    """The values that were settled before."""
    its = lift(Units.of([0, 1] * 500), Units.of([0, 1, 1, 1, 0] * 200))
    close = partial(np.isclose, rtol=0, atol=5e-7)
    off = [
        not close(its.low, 0.032231),
        not close(its.high, 0.167769),
        not close(sample_ratio((5_000, 5_200), (1, 1)), 0.047670),
        not close(sample_ratio((50_000, 51_000), (1, 1)), 1.652e-03),
    ]
    yield Bar("known values that differ", int(sum(off)), "== 0")


def main() -> int:
    """Run everything, and say."""
    bars = [*known(), *equal_arms(), *real_differences(), *lost_subjects(), *two_experiments()]
    return finish("experiments", RUNS * 16 + 2 * (RATIO_RUNS + CELL_RUNS), bars)


if __name__ == "__main__":
    sys.exit(main())
