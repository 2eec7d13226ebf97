"""Blocks: rows that depend on each other (one day, one session) and are moved together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]


def number(blocks: NDArray[Any]) -> Codes:
    """Block ids of any kind as 0 … k-1, one per row."""
    return np.unique(np.asarray(blocks), return_inverse=True)[1].reshape(-1).astype(np.int64)


def cut(codes: Codes, rows: int) -> Codes:
    """Every block in consecutive pieces of at most `rows` rows, numbered from 0."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    return number(codes * (len(codes) + 1) + place // max(1, rows))


def at_least(codes: Codes, count: int) -> tuple[Codes, bool]:
    """The blocks, cut finer if there are fewer than `count` of them; and whether they were cut.

    Pieces of one block still depend on each other, so a judgement on cut blocks must say so.
    """
    if len(codes) == 0 or codes.max() + 1 >= count:
        return codes, False
    pieces = cut(codes, len(codes) // count)
    return pieces, bool(pieces.max() > codes.max())


def joined(codes: Codes, count: int) -> Codes:
    """At most `count` groups of neighbouring blocks: as valid to move together, and quicker."""
    blocks = int(codes.max()) + 1 if len(codes) else 0
    return codes if blocks <= count else codes * count // blocks


def sums(codes: Codes, values: Reals) -> Reals:
    """The sum of `values` in each block."""
    return np.bincount(codes, weights=values).astype(float)
