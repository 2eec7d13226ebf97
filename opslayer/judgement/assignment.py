"""Which arm a subject gets: a pure function, the same on every replica, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def bucket(salt: str, unit: str) -> float:
    """A number in [0, 1) for a unit, uniform and independent between salts.

    The first 8 bytes of BLAKE2b over `salt:unit` in UTF-8, big-endian, divided by 2^64.
    """
    digest = blake2b(f"{salt}:{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def arm(point: float, weights: Sequence[float]) -> int:
    """The index of the arm in whose stretch of [0, 1) a point lies.

    Arms take stretches in their order, as long as their weights' shares, so that a change of
    weights moves only the subjects whose share moved. Raises ValueError without a positive weight.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError("no arm has any weight")
    passed = 0.0
    last = 0
    for index, weight in enumerate(weights):
        if weight <= 0:
            continue
        passed += weight / total
        last = index
        if point < passed:
            return index
    return last  # rounding may leave the last stretch a hair short of 1
