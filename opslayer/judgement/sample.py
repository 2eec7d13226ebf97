"""How good the answers are, from the rows that were drawn at random and looked at.

Each drawn row had its own known chance to be in the sample, its inclusion probability, and stands
for 1 / probability rows. The Horvitz-Thompson estimate of a mean is the sum of y / probability over
the sample, divided by the number of all rows: unbiased whatever the answers are (Horvitz and
Thompson, A Generalization of Sampling Without Replacement from a Finite Universe, JASA 47, 1952).
Dividing by the sum of 1 / probability instead (Hájek, 1971) costs a bias that fades with 1 / n and
spares the noise of the sample's size, so that is the figure to read, and its interval Wilson's at
the weights' effective number of rows (Kish, Survey Sampling, 1965: (sum w)^2 / sum w^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from scipy.stats import norm


class Drawn(NamedTuple):
    """A row of the random share."""

    probability: float
    """With which it came into the share."""
    right: bool | None
    """Whether the answer was; None while nobody has looked."""


class Quality(NamedTuple):
    """The share of right answers among all rows, as far as a sample tells."""

    value: float | None
    """Hájek's estimate; None where nobody has looked at anything."""
    low: float | None
    """The interval's lower end."""
    high: float | None
    unbiased: float | None
    """Horvitz and Thompson's estimate; it may lie above 1."""
    rows: int
    """Of which it speaks."""
    drawn: int
    """Rows of the random share among them."""
    looked: int
    """Those that somebody has looked at."""


def quality(drawn: Sequence[Drawn], rows: int, confidence: float = 0.95) -> Quality:
    """The share of right answers among `rows` rows, of which `drawn` came into the random share.

    Rows are looked at in the order of their hash, so those looked at are a simple random sample of
    the share: each one's probability is that of the share times looked / drawn.
    """
    looked = [one for one in drawn if one.right is not None]
    if not looked or not rows:
        return Quality(None, None, None, None, rows, len(drawn), len(looked))
    part = len(looked) / len(drawn)
    weights = [1 / (one.probability * part) for one in looked]
    total = sum(weight for weight, one in zip(weights, looked, strict=True) if one.right)
    effective = sum(weights) ** 2 / sum(weight * weight for weight in weights)
    value = total / sum(weights)
    low, high = wilson(value, effective, confidence)
    return Quality(value, low, high, total / rows, rows, len(drawn), len(looked))


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share seen among n (JASA 22, 1927)."""
    z = float(norm.ppf(0.5 + confidence / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
