"""How far reviewers agree beyond chance, from the rows that more than one of them looked at.

Cohen's kappa (A Coefficient of Agreement for Nominal Scales, 1960) is of two named reviewers and
the rows that both saw; Krippendorff's alpha (Computing Krippendorff's Alpha-Reliability, 2011) of
any number of them, with classes (a difference is a difference) or numbers (squared differences).
1 is full agreement, 0 what chance would bring. Intervals are percentiles over rows drawn again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

ROUNDS = 1_000
"""Times that the rows are drawn again."""
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
    return _figure(twice, lambda some: _alpha(some, numeric), confidence)


def kappas(rows: Sequence[Seen], confidence: float = 0.95) -> dict[tuple[str, str], Agreement]:
    """Cohen's kappa of each two reviewers who have seen a row in common, by their names."""
    shared: defaultdict[tuple[str, str], list[Seen]] = defaultdict(list)
    for row in rows:
        for one, other in combinations(sorted(row), 2):
            shared[one, other].append({one: row[one], other: row[other]})
    return {pair: _figure(some, _kappa, confidence) for pair, some in sorted(shared.items())}


def _figure(
    rows: Sequence[Seen], figure: Callable[[Sequence[Seen]], float | None], confidence: float
) -> Agreement:
    pairs = [one == other for row in rows for one, other in combinations(row.values(), 2)]
    same = sum(pairs) / len(pairs) if pairs else None
    value = figure(rows)
    if value is None or len(rows) < FEW:
        return Agreement(value, None, None, len(rows), same)
    draw = np.random.default_rng(0)
    drawn = (draw.integers(len(rows), size=len(rows)) for _ in range(ROUNDS))
    again = [figure([rows[at] for at in picks]) for picks in drawn]
    known = [one for one in again if one is not None]
    tail = 50 * (1 - confidence)
    if not known:
        return Agreement(value, None, None, len(rows), same)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Agreement(value, float(low), float(high), len(rows), same)


def _kappa(rows: Sequence[Seen]) -> float | None:
    if not rows:
        return None
    firsts, seconds = zip(*(tuple(row.values()) for row in rows), strict=True)
    n = len(rows)
    observed = sum(one == other for one, other in zip(firsts, seconds, strict=True)) / n
    left, right = Counter(firsts), Counter(seconds)
    chance = sum(left[value] * right[value] for value in left) / (n * n)
    return None if chance == 1 else (observed - chance) / (1 - chance)


def _alpha(rows: Sequence[Seen], numeric: bool) -> float | None:
    if not rows:
        return None
    units = [list(row.values()) for row in rows]
    everything = [value for unit in units for value in unit]
    differ = _squared if numeric else _unequal
    expected = differ(everything) / (len(everything) - 1)
    if not expected:
        return None
    return 1 - sum(differ(unit) / (len(unit) - 1) for unit in units) / expected


def _unequal(values: Sequence[Hashable]) -> float:
    """Ordered pairs of values that differ."""
    return len(values) ** 2 - sum(count * count for count in Counter(values).values())


def _squared(values: Sequence[float]) -> float:
    """Squared differences, summed over ordered pairs."""
    numbers = np.asarray(values, dtype=float)
    centred = numbers - numbers.mean()
    return float(2 * len(numbers) * (centred @ centred))
