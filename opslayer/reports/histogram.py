"""A column's two distributions in the space of a word: the reference grey, the window as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from opslayer.reports.page import Markup, text
from opslayer.reports.window_columns import Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT, BINS = 128, 30, 16


def draw(pair: Pair) -> Markup:
    """An SVG image; its heights are shares of the rows, on one scale for both sides."""
    then, now = _numbers(pair) if pair.numeric else _levels(pair)
    top = max(then.max(), now.max()) or 1.0
    step = WIDTH / len(then)
    bars = "".join(
        f'<rect x="{index * step:.1f}" y="{HEIGHT - share / top * HEIGHT:.1f}" '
        f'width="{max(step - 1, 1):.1f}" height="{share / top * HEIGHT:.1f}"/>'
        for index, share in enumerate(then)
    )
    line = " ".join(
        f"{index * step:.1f},{level:.1f} {(index + 1) * step - 1:.1f},{level:.1f}"
        for index, share in enumerate(now)
        for level in [HEIGHT - share / top * (HEIGHT - 1)]
    )
    return Markup(
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text(pair.label)}: reference and window"><g class="then">{bars}</g>'
        f'<polyline class="now" points="{line}"/></svg>'
    )


def _numbers(pair: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares by value, or in 16 equal bins between the 1 % and 99 % points of both sides."""
    sides = [column.dropna().to_numpy() for column in (pair.reference, pair.window)]
    values = np.unique(np.concatenate(sides))
    if len(values) <= BINS:
        return _shares(pair.reference, values), _shares(pair.window, values)
    low, high = np.quantile(np.concatenate(sides), [0.01, 0.99], method="lower")
    width = high - low
    if not (np.isfinite(width) and width > 0):
        low, width = low - 0.5, 1.0
    first, second = (_counted(((side - low) / width * BINS).clip(0, BINS - 1)) for side in sides)
    return first, second


def _counted(places: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(places.astype(int), minlength=BINS)
    return np.asarray(counts / max(1, counts.sum()))


def _levels(pair: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = pair.reference.value_counts().index.union(pair.window.value_counts().index, sort=False)
    first, second = (_shares(column, order) for column in (pair.reference, pair.window))
    return first, second


def _shares(column: pd.Series, order: Any) -> NDArray[np.float64]:
    counts = column.value_counts().reindex(order, fill_value=0).to_numpy(dtype=float)
    return np.asarray(counts / max(1.0, counts.sum()))
