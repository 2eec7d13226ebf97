"""Does the gate hold its error rate, and does it see what is there?

The exact null: two models' answers to the same rows, exchanged row by row (or day by day) with a
fair coin, so that neither is better. Power: the candidate is right in so many points more of the
rows, where the two disagree on about 8 %. `new > old`, and McNemar looked at after every hundred
rows, see the same answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.bars import Bar, finish, say
from benchmarks.streams import elec2
from opslayer.capability import Gate, Kind, Metric
from opslayer.judgement.gate import Exam, judge
from opslayer.judgement.losses import Answers
from opslayer.judgement.paired import mcnemar

RUNS = 400
NULLS = 2_000
"""Runs of each null: of 400 at exactly 5 %, more than 6 % are promoted by chance once in seven."""
DISAGREE = 0.08
DAY = 48
"""Rows of elec2 that depend on each other."""

Names = NDArray[np.str_]


def accuracy_exams(rows: int, points: float, seed: int) -> Iterator[Exam]:
    """Exams whose candidate is right in `points` more of the rows; independent rows."""
    rng = np.random.default_rng([seed, rows])
    better, worse = (DISAGREE + points) / 2, (DISAGREE - points) / 2
    for _ in range(RUNS if points else NULLS):
        fate = rng.choice(3, size=rows, p=[better, worse, 1 - DISAGREE])
        both = rng.random(rows) < 0.85
        ours = np.where(fate == 2, both, fate == 1)
        theirs = np.where(fate == 2, both, fate == 0)
        yield exam(np.where(ours, "yes", "no"), np.where(theirs, "yes", "no"), np.arange(rows))


def exam(champion: Names, candidate: Names, blocks: NDArray[np.int64]) -> Exam:
    """An exam whose truth is always yes, sliced by a column that means nothing."""
    rows = len(champion)
    return Exam(
        truth=np.full(rows, "yes"),
        champion=Answers(champion),
        candidate=Answers(candidate),
        blocks=blocks,
        slices={"nothing": np.array(["a", "b", "c"])[np.arange(rows) % 3]},
    )


@dataclass(frozen=True)
class Promoted:
    """Share of exams after which each rule promotes."""

    gate: float
    new_over_old: float
    peeking: float


def promoted(exams: Iterator[Exam], rules: Gate, kind: Kind = Kind.CLASSIFICATION) -> Promoted:
    """Run every rule on every exam."""
    counts, number = np.zeros(3), 0
    for number, one in enumerate(exams):
        counts += (judge(one, rules, kind, seed=number).outcome == "promote", *_naive(one, kind))
    return Promoted(*(counts / (number + 1)))


def _naive(one: Exam, kind: Kind) -> tuple[bool, bool]:
    if kind is Kind.REGRESSION:
        truth = one.truth.astype(float)
        lost = [np.abs(truth - side.values) for side in (one.champion, one.candidate)]
    else:
        lost = [(one.truth != side.values).astype(float) for side in (one.champion, one.candidate)]
    gained = np.cumsum(lost[0] > lost[1]), np.cumsum(lost[0] < lost[1])
    looks = range(99, len(one.truth), 100)
    peeked = any(mcnemar(int(gained[0][at]), int(gained[1][at])) <= 0.05 for at in looks)
    return bool(lost[1].mean() < lost[0].mean()), peeked


def real_models() -> tuple[Names, Names, Names]:
    """The truth of the second half of elec2, and what two models of its first half say."""
    stream = elec2()
    half = len(stream.labels) // 2 // DAY * DAY
    said = []
    for begin in (0, half // 2):
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        model.fit(stream.features[begin:half], stream.labels[begin:half])
        said.append(model.predict(stream.features[half:]).astype(str))
    return stream.labels[half:].astype(str), said[0], said[1]


def exchanged(by_day: bool, rows: int = 9600) -> Iterator[Exam]:
    """Two real models' answers, exchanged with a fair coin."""
    truth, first, second = (part[:rows] for part in real_models())
    rng = np.random.default_rng(7)
    day = np.arange(rows) // DAY
    for _ in range(NULLS):
        coin = rng.random(rows) < 0.5
        swap = coin[day] if by_day else coin
        one = exam(np.where(swap, second, first), np.where(swap, first, second), np.arange(rows))
        yield replace(one, truth=truth, blocks=day if by_day else np.arange(rows))


def regressions(better: float) -> Iterator[Exam]:
    """Errors of two regressions in days of 24 rows that share a part; the candidate's are smaller
    by a share."""
    rng = np.random.default_rng(11)
    days = np.repeat(np.arange(100), 24)
    for _ in range(RUNS if better else NULLS):
        shared, own = rng.normal(size=2400), rng.normal(size=(2, 2400))
        daily = rng.normal(size=(2, 100))[:, days]
        errors = shared + 0.4 * own + 0.4 * daily
        errors[1] *= 1 - better
        coin = (rng.random(100) < 0.5)[days] if not better else np.zeros(2400, bool)
        ours, theirs = np.where(coin, errors[::-1], errors)
        yield Exam(np.zeros(2400), Answers(ours), Answers(theirs), days, {})


def main() -> int:
    """Run the nulls and the powers, and say."""
    rules, mae = Gate(metric=Metric.ACCURACY), Gate(metric=Metric.MAE)
    f1, rmse = Gate(metric=Metric.F1), Gate(metric=Metric.RMSE)
    number = Kind.REGRESSION
    nulls = {
        "accuracy, 2,000 rows": promoted(accuracy_exams(2_000, 0, 1), rules),
        "accuracy, 10,000 rows": promoted(accuracy_exams(10_000, 0, 2), rules),
        "macro F1, 2,000 rows": promoted(accuracy_exams(2_000, 0, 3), f1),
        "two models of elec2, by row": promoted(exchanged(False), rules),
        "two models of elec2, by day": promoted(exchanged(True), rules),
        "MAE, by day": promoted(regressions(0), mae, number),
        "RMSE, by day": promoted(regressions(0), rmse, number),
    }
    powers = {
        ("+2 points, 2,000 rows", ">= 0.85"): promoted(accuracy_exams(2_000, 0.02, 4), rules),
        ("+1 point, 10,000 rows", ">= 0.95"): promoted(accuracy_exams(10_000, 0.01, 5), rules),
        ("MAE smaller by 5 %, 100 days", ">= 0.8"): promoted(regressions(0.05), mae, number),
    }
    for name, one in [*nulls.items(), *((name, one) for (name, _), one in powers.items())]:
        say(
            f"{name}: the gate promotes {one.gate:.3f}, new > old {one.new_over_old:.3f}, McNemar "
            f"at every 100 rows {one.peeking:.3f}"
        )
    bars = [Bar(f"null, {name}: promoted", one.gate, "<= 0.06") for name, one in nulls.items()]
    bars += [Bar(f"power, {name}", one.gate, bar) for (name, bar), one in powers.items()]
    return finish("gate", NULLS * len(nulls) + RUNS * len(powers), bars)


if __name__ == "__main__":
    sys.exit(main())
