"""How sure is a metric of rows that depend on each other within blocks?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

FEWEST_BLOCKS = 4
"""Below it three numbers or fewer would have to say how much they vary."""


def jackknife(
    blocks: NDArray[np.int64],
    metric: Callable[[NDArray[np.bool_]], float | None],
    level: float = 0.95,
) -> tuple[float, float] | None:
    """A confidence interval of a metric of rows, by leaving out one block after another.

    `blocks` has each row's block, `metric` the metric of the rows that a mask keeps. With b blocks
    and estimates e_i without the i-th, the variance is (b - 1) / b * sum((e_i - mean)^2) and the
    interval has the half width t(b - 1) * its root (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, 11.5, with blocks in place of rows). None below `FEWEST_BLOCKS` blocks, and
    where the metric of some of the rows is not known.
    """
    names = np.unique(blocks)
    if len(names) < FEWEST_BLOCKS:
        return None
    value = metric(np.ones(len(blocks), dtype=bool))
    left = [metric(blocks != name) for name in names]
    if value is None or None in left:
        return None
    b, without = len(names), np.array(left, dtype=float)
    deviation = np.sqrt((b - 1) / b * np.sum((without - without.mean()) ** 2))
    half = t.ppf((1 + level) / 2, b - 1) * deviation
    return float(value - half), float(value + half)
