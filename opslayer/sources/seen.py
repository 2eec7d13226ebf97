"""How often a content or an id has come before in one file."""

from __future__ import annotations

import numpy as np


class Seen:
    """Counts by 64-bit hashes: 8 bytes for each row of a file, however large it is.

    Two contents with one hash (3 in a million at ten million rows) cost nothing but a row id that
    depends on both.
    """

    def __init__(self) -> None:
        self._levels: list[np.ndarray] = []

    def earlier(self, hashes: np.ndarray) -> np.ndarray:
        """How often each hash came before, here and in earlier calls; and remember these."""
        counts = _earlier_here(hashes)
        for level in self._levels:
            counts += np.searchsorted(level, hashes, "right") - np.searchsorted(level, hashes)
        self._remember(np.sort(hashes))
        return counts

    def _remember(self, new: np.ndarray) -> None:
        while self._levels and len(self._levels[-1]) <= len(new):
            new = np.sort(np.concatenate([self._levels.pop(), new]), kind="stable")
        self._levels.append(new)


def _earlier_here(hashes: np.ndarray) -> np.ndarray:
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    counts = np.empty(len(hashes), dtype=np.int64)
    counts[order] = np.arange(len(hashes)) - np.searchsorted(ordered, ordered)
    return counts
