"""Does `pays` retrain as well as always, for a quarter of the trainings? On streams of all kinds.

Each stream is lived again (`opslayer.judgement.backtest`) under every policy of the product, with
labels known one window late and four. A training costs as much as 20 errors.

Calm streams are those on which nothing is gained by reacting; "sudden" stands for a change that
must be answered. Drift of other kinds is printed, and counted in the cost. The backtest's own pick
is judged twice: on all windows, and, picked on the first half, on the second.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.bars import Bar, finish, say
from benchmarks.streams import MADE, Stream, bike_sharing, elec2, made
from opslayer.capability import Policy, Retrain
from opslayer.judgement.backtest import Lived, Past, candidates, compare, pick
from opslayer.judgement.losses import Reals

PRICE = 20.0
DELAYS = (1, 4)
CALM = ("none", "harmless shift", "noise step", "sudden")
"""Streams on which `pays` must come near the better of never and always, beside elec2."""


@dataclass(frozen=True)
class Outcome:
    """All policies on one stream with one delay."""

    stream: Stream
    late: int
    lived: list[Lived]

    def accuracy(self, one: Lived, since: int = 0) -> float:
        """Share of right answers in the windows from one on."""
        rows = self.stream.rows_per_window * len(one.lost[since:])
        return 1 - sum(one.lost[since:]) / rows

    def named(self, policy: Policy) -> Lived:
        """The life of a policy."""
        return next(one for one in self.lived if one.rules.policy is policy)

    @property
    def gap(self) -> float:
        """Points of accuracy that `pays` lies below the better of never and always."""
        best = max(self.accuracy(self.named(one)) for one in (Policy.NEVER, Policy.ALWAYS))
        return 100 * (best - self.accuracy(self.named(Policy.PAYS)))

    @property
    def trainings(self) -> float:
        """Trainings of `pays` as a share of those of always."""
        return len(self.named(Policy.PAYS).trained) / len(self.named(Policy.ALWAYS).trained)

    @property
    def cost(self) -> float:
        """Cost of `pays` as a multiple of the cheapest of the others."""
        others = [one.cost for one in self.lived if one.rules.policy is not Policy.PAYS]
        return self.named(Policy.PAYS).cost / min(others)

    @property
    def misses(self) -> float:
        """Points of accuracy that the backtest's pick lies below the most accurate policy."""
        return 100 * (max(map(self.accuracy, self.lived)) - self.accuracy(pick(self.lived)))

    @property
    def misses_later(self) -> float:
        """The same in the second half of the windows, picked on the first."""
        half = len(self.lived[0].lost) // 2
        early = [_until(one, half) for one in self.lived]
        chosen = self.lived[early.index(pick(early))]
        best = max(self.accuracy(one, half) for one in self.lived)
        return 100 * (best - self.accuracy(chosen, half))


def _until(one: Lived, window: int) -> Lived:
    trained = tuple(then for then in one.trained if then < window)
    return Lived(one.rules, one.served[:window], one.lost[:window], trained)


def past(stream: Stream) -> Past:
    """A stream to live again, with a gradient boosting model."""
    starts = tuple(range(stream.history, len(stream.labels) + 1, stream.rows_per_window))

    def fit(rows: slice) -> HistGradientBoostingClassifier:
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        return model.fit(stream.features[rows], stream.labels[rows])

    def losses(model: HistGradientBoostingClassifier, rows: slice) -> Reals:
        return np.asarray(model.predict(stream.features[rows]) != stream.labels[rows], dtype=float)

    return Past(starts, fit, losses)


def lived(stream: Stream) -> list[Outcome]:
    """All policies on a stream, with each delay."""
    there = past(stream)
    outcomes = []
    for late in DELAYS:
        outcome = Outcome(stream, late, compare(there, candidates(RULES), late))
        outcomes.append(outcome)
        shown = ", ".join(
            f"{one.name} {outcome.accuracy(one):.3f} ({len(one.trained)})" for one in outcome.lived
        )
        say(f"{stream.name}, labels {late} late: {shown}; picked {pick(outcome.lived).name}")
    return outcomes


RULES = Retrain(price=PRICE)


def bars(outcomes: list[Outcome]) -> list[Bar]:
    """What is asked of `pays` and of the pick."""
    found = []
    for one in outcomes:
        if one.stream.name in ("elec2", *CALM):
            name = f"{one.stream.name}, {one.late} late: points below never or always"
            found.append(Bar(name, one.gap, "<= 0.3"))
        if one.late == 1:
            found.append(Bar(f"{one.stream.name}: trainings of always'", one.trainings, "<= 0.25"))
        found.append(Bar(f"{one.stream.name}, {one.late} late: pick misses", one.misses, "<= 1"))
    for late in DELAYS:
        there = [one for one in outcomes if one.late == late]
        mean = float(np.mean([one.cost for one in there]))
        found.append(Bar(f"mean cost, {late} late, of the best other policy", mean, "<= 1.1"))
        later = float(np.mean([one.misses_later for one in there]))
        say(f"labels {late} late: picked on the first half, the second misses {later:.2f} points")
    market = next(one for one in outcomes if one.stream.name == "elec2" and one.late == 1)
    pays = market.named(Policy.PAYS)
    found.append(Bar("elec2: accuracy", market.accuracy(pays), ">= 0.765"))
    found.append(Bar("elec2: trainings", len(pays.trained), "<= 30"))
    return found


def main() -> int:
    """Live every stream, and say."""
    streams = [elec2(), bike_sharing(), *(made(name) for name in MADE)]
    outcomes = [one for stream in streams for one in lived(stream)]
    return finish("policies", len(outcomes), bars(outcomes))


if __name__ == "__main__":
    sys.exit(main())
