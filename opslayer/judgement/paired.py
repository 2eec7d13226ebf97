"""Two models' answers to the same rows: is one better than chance alone would make it look?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from opslayer.capability import Metric
from opslayer.judgement import blocks as grouping
from opslayer.judgement.losses import (
    Answers,
    aggregate,
    class_codes,
    f1_counts,
    macro_f1,
    metric_losses,
)

Reals = NDArray[np.float64]
Rows = NDArray[np.int64]

FEWEST_BLOCKS = 30
"""Below it whole-block swaps give too few arrangements of effect sizes to hold alpha well."""
MOST_BLOCKS = 1000
"""More are joined with their neighbours: the test stays valid and costs no more."""
BATCH = 500
"""Draws made at once: bounds memory to some megabytes."""


class Quality(Protocol):
    """The metric, higher is better, of k sums of additive counts: k x c to k numbers."""

    def __call__(self, totals: Reals) -> Reals: ...


@dataclass(frozen=True)
class Pair:
    """What a metric needs to know of two models' answers to the same n rows."""

    metric: Metric
    losses: Reals
    """2 x n: row losses of champion and candidate (`losses.metric_losses`)."""
    blocks: Rows
    codes: NDArray[np.int64] | None = None
    """3 x n, macro F1 only: class numbers of truth, champion and candidate."""
    classes: int = 0

    def take(self, rows: Rows) -> Pair:
        """The same of some rows."""
        codes = None if self.codes is None else self.codes[:, rows]
        blocks = grouping.number(self.blocks[rows])
        return Pair(self.metric, self.losses[:, rows], blocks, codes, self.classes)

    @property
    def difference(self) -> Reals:
        """Per row, champion's loss minus candidate's: positive where the candidate is better."""
        return np.asarray(self.losses[0] - self.losses[1])


@dataclass(frozen=True)
class Comparison:
    """The two models on some rows. Both p-values are one-sided."""

    champion: float | None
    candidate: float | None
    n: int
    disagreements: int
    """Rows whose losses differ."""
    mean_difference: float
    """Mean of champion's row loss minus candidate's."""
    p_better: float
    """Of the candidate looking so much better if the two were exchangeable."""
    p_worse: float
    test: Literal["mcnemar", "swap", "none"]
    blocks: int
    blocks_cut: bool
    """Too few blocks were given, so each was cut: rows of one block count as independent."""
    spread: float
    """Variance of the difference per row, with the dependence inside blocks (q in n = 6.2·q/δ²;
    for accuracy on independent rows q is the share of rows on which one alone is right)."""

    def numbers(self) -> dict[str, Any]:
        """Plain values for the ledger."""
        return asdict(self)


def pair(
    metric: Metric, truth: NDArray[Any], answers: tuple[Answers, Answers], blocks: NDArray[Any]
) -> Pair:
    """Champion's and candidate's answers, in this order, reduced to what the metric needs."""
    losses = np.stack([metric_losses(metric, truth, side) for side in answers])
    if metric != Metric.F1 or not len(truth):
        return Pair(metric, losses, grouping.number(blocks))
    codes, classes = class_codes(truth, answers[0].values, answers[1].values)
    return Pair(metric, losses, grouping.number(blocks), np.stack(codes), classes)


def compare(two: Pair, draws: int, rng: np.random.Generator) -> Comparison:
    """Exact McNemar for accuracy of independent rows, else the swap test of whole blocks."""
    n = len(two.blocks)
    if not n:
        return Comparison(None, None, 0, 0, 0.0, 1.0, 1.0, "none", 0, False, 0.0)
    units, was_cut = grouping.at_least(two.blocks, FEWEST_BLOCKS)
    count = int(units.max()) + 1
    exact = two.metric == Metric.ACCURACY and count == n
    units = grouping.joined(units, MOST_BLOCKS)
    sides, quality = _counts(two, units)
    values = [_value(two.metric, quality, side) for side in sides]
    p_better, p_worse = _mcnemar(two) if exact else swap(sides, quality, draws, rng)
    return Comparison(
        champion=values[0],
        candidate=values[1],
        n=n,
        disagreements=int(np.count_nonzero(two.difference)),
        mean_difference=float(np.mean(two.difference)),
        p_better=p_better,
        p_worse=p_worse,
        test="mcnemar" if exact else "swap",
        blocks=count,
        blocks_cut=was_cut,
        spread=float(np.sum(grouping.sums(units, two.difference) ** 2) / n),
    )


def mcnemar(better: int, worse: int) -> float:
    """Exact one-sided McNemar: the chance of `better` or more of all rows on which one alone is
    right, if either were right with chance 1/2."""
    return float(binom.sf(better - 1, better + worse, 0.5))


def swap(
    sides: tuple[Reals, Reals], quality: Quality, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Paired randomisation test: p of the second side being better, and of it being worse.

    `sides` are k x c additive counts per block. Each draw exchanges the two models' answers in
    every block by a fair coin; p = (1 + #{draws at least as extreme}) / (draws + 1), which holds
    its level for any metric if blocks are independent (Phipson and Smyth 2010).
    """
    first, second = sides[0].sum(axis=0), sides[1].sum(axis=0)
    change = sides[1] - sides[0]
    seen = quality(second[None])[0] - quality(first[None])[0]
    better = worse = 1
    for start in range(0, draws, BATCH):
        size = (min(BATCH, draws - start), len(change))
        moved = rng.integers(0, 2, size=size).astype(float) @ change
        drawn = quality(second - moved) - quality(first + moved)
        rounding = 1e-9 * (abs(seen) + float(np.max(np.abs(drawn))))
        better += int(np.count_nonzero(drawn >= seen - rounding))
        worse += int(np.count_nonzero(drawn <= seen + rounding))
    return better / (draws + 1), worse / (draws + 1)


def _mcnemar(two: Pair) -> tuple[float, float]:
    better = int(np.count_nonzero(two.difference > 0))
    worse = int(np.count_nonzero(two.difference < 0))
    return mcnemar(better, worse), mcnemar(worse, better)


def _counts(two: Pair, units: Rows) -> tuple[tuple[Reals, Reals], Quality]:
    """Both sides' additive counts per block, and the metric of their sums."""
    if two.codes is None:
        first, second = (grouping.sums(units, losses)[:, None] for losses in two.losses)
        return (first, second), lambda totals: -totals[:, 0] / len(units)
    truth, *answers = two.codes
    counts = [f1_counts(truth, said, units, two.classes) for said in answers]
    true = counts[0][2].sum(axis=0)
    first, second = (np.hstack([hits, said]) for hits, said, _ in counts)

    def quality(totals: Reals) -> Reals:
        hits, said = np.hsplit(totals, 2)
        return macro_f1(hits, said, np.broadcast_to(true, hits.shape))

    return (first, second), quality


def _value(metric: Metric, quality: Quality, side: Reals) -> float | None:
    score = float(quality(side.sum(axis=0)[None])[0])
    return score if metric == Metric.F1 else aggregate(metric, np.array([-score]))
