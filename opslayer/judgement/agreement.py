"""How far reviewers agree beyond chance, from the rows that more than one of them looked at.

Cohen's kappa (A Coefficient of Agreement for Nominal Scales, 1960) is of two named reviewers and
the rows that both saw; Krippendorff's alpha (Computing Krippendorff's Alpha-Reliability, 2011) of
any number of them, with classes (a difference is a difference) or numbers (squared differences).
1 is full agreement, 0 what chance would bring. Intervals are percentiles over rows drawn again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

ROUNDS = 1_000
"""Times that the rows are drawn again."""
AT_ONCE = 4_000_000
"""Numbers of one batch of draws: 32 MB."""
FEW = 2
"""Rows below which an interval says nothing."""

Seen = Mapping[str, Any]
"""What each reviewer said of one row, by name."""


class Agreement(NamedTuple):
    """One figure of agreement."""

    value: float | None
    """None where it is not defined: no row seen twice, or nothing but one answer ever given."""
    low: float | None
    """The lower end of the interval."""
    high: float | None
    rows: int
    """Rows that it rests on."""
    same: float | None
    """Share of equal answers among pairs, chance not taken off."""


def alpha(rows: Sequence[Seen], numeric: bool = False, confidence: float = 0.95) -> Agreement:
    """Krippendorff's alpha of all reviewers; rows that one alone has seen count for nothing."""
    twice = [row for row in rows if len(row) > 1]
    return _figure(twice, _squares(twice) if numeric else _classes(twice), confidence)


def kappas(rows: Sequence[Seen], confidence: float = 0.95) -> dict[tuple[str, str], Agreement]:
    """Cohen's kappa of each two reviewers who have seen a row in common, by their names."""
    shared: defaultdict[tuple[str, str], list[Seen]] = defaultdict(list)
    for row in rows:
        for one, other in combinations(sorted(row), 2):
            shared[one, other].append({one: row[one], other: row[other]})
    return {pair: _figure(some, _pairs(some), confidence) for pair, some in sorted(shared.items())}


Reals = NDArray[np.float64]
Figure = Callable[[Reals], Reals]
"""The figure of rows that count so often each: weights, draws by rows, become one figure a draw;
NaN where it is not defined."""


def _figure(rows: Sequence[Seen], figure: Figure, confidence: float) -> Agreement:
    pairs = [one == other for row in rows for one, other in combinations(row.values(), 2)]
    same = sum(pairs) / len(pairs) if pairs else None
    value = float(figure(np.ones((1, len(rows))))[0]) if rows else np.nan
    bare = Agreement(None if np.isnan(value) else value, None, None, len(rows), same)
    if bare.value is None or len(rows) < FEW:
        return bare
    again = np.concatenate([figure(drawn) for drawn in _draws(len(rows))])
    known = again[~np.isnan(again)]
    if not len(known):
        return bare
    tail = 50 * (1 - confidence)
    low, high = np.percentile(known, [tail, 100 - tail])
    return bare._replace(low=float(low), high=float(high))


def _draws(rows: int) -> Iterator[Reals]:
    """How often each row is among as many drawn again, `ROUNDS` times, some draws at once."""
    draw, some = np.random.default_rng(0), max(1, AT_ONCE // rows)
    for begun in range(0, ROUNDS, some):
        picks = (draw.integers(rows, size=rows) for _ in range(min(some, ROUNDS - begun)))
        yield np.array([np.bincount(one, minlength=rows) for one in picks], dtype=float)


def _pairs(rows: Sequence[Seen]) -> Figure:
    """Cohen's kappa of rows that two have seen."""
    firsts, seconds = zip(*(tuple(row.values()) for row in rows), strict=True)
    equal = np.array([one == other for one, other in zip(firsts, seconds, strict=True)], float)
    numbers = _numbers((*firsts, *seconds))
    left = _counts([[one] for one in firsts], numbers)
    right = _counts([[one] for one in seconds], numbers)

    def kappa(weights: Reals) -> Reals:
        n = weights.sum(axis=1)
        observed = weights @ equal / n
        chance = ((left.T @ weights.T) * (right.T @ weights.T)).sum(axis=0) / (n * n)
        return _ratio(observed - chance, 1 - chance)

    return kappa


def _classes(rows: Sequence[Seen]) -> Figure:
    """Krippendorff's alpha where a difference is a difference."""
    units = [list(row.values()) for row in rows]
    lengths = np.array([len(unit) for unit in units], float)
    counts = _counts(units, _numbers(value for unit in units for value in unit))
    within = (lengths**2 - np.asarray(counts.power(2).sum(axis=1)).ravel()) / (lengths - 1)

    def figure(weights: Reals) -> Reals:
        n, all_counts = weights @ lengths, counts.T @ weights.T
        expected = (n * n - (all_counts**2).sum(axis=0)) / (n - 1)
        return 1 - _ratio(weights @ within, expected)

    return figure


def _squares(rows: Sequence[Seen]) -> Figure:
    """Krippendorff's alpha of numbers: differences are squared, summed over ordered pairs."""
    units = [np.array(list(row.values()), float) for row in rows]
    middle = np.concatenate(units).mean() if units else 0.0  # else squares lose the small digits
    lengths = np.array([len(unit) for unit in units], float)
    sums = np.array([(unit - middle).sum() for unit in units])
    squares = np.array([((unit - middle) ** 2).sum() for unit in units])
    within = 2 * (lengths * squares - sums**2) / (lengths - 1)

    def figure(weights: Reals) -> Reals:
        n = weights @ lengths
        expected = 2 * (n * (weights @ squares) - (weights @ sums) ** 2) / (n - 1)
        return 1 - _ratio(weights @ within, expected)

    return figure


def _numbers(values: Iterable[Hashable]) -> dict[Hashable, int]:
    """A number for each different value."""
    return {value: at for at, value in enumerate(dict.fromkeys(values))}


def _counts(units: Sequence[Sequence[Hashable]], numbers: Mapping[Hashable, int]) -> csr_matrix:
    """How often each unit holds each value."""
    at = [place for place, unit in enumerate(units) for _ in unit]
    which = [numbers[value] for unit in units for value in unit]
    return csr_matrix((np.ones(len(at)), (at, which)), shape=(len(units), len(numbers)))


def _ratio(over: Reals, under: Reals) -> Reals:
    """NaN where there is nothing to divide by."""
    found: Reals = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 1e-12)
    return found
