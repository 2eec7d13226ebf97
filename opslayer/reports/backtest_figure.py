"""A backtest as a picture: what each policy has saved by each window, its trainings paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from opslayer.judgement.backtest import Lived


def draw(lived: Sequence[Lived], picked: Lived, path: Path) -> Path:
    """Draw errors saved against never training, less the price of trainings, into a PNG file.

    One line per policy over the windows; the picked one is thick. A dot is a training. Raises
    OSError where the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    never = max(lived, key=lambda one: (not one.trained, -one.cost))
    for one in lived:
        saved = np.cumsum(never.lost) - _spent(one)
        wide = 2.5 if one is picked else 1
        (line,) = axes.plot(saved, linewidth=wide, label=f"{one.name} ({len(one.trained)})")
        trained = sorted(set(one.trained))
        axes.plot(trained, saved[trained], ".", color=line.get_color(), markersize=3 * wide)
    axes.set(xlabel="window", ylabel="errors saved against never training, less trainings' price")
    axes.legend(title="policy (trainings)", fontsize=8)
    figure.savefig(path, dpi=120)
    return path


def _spent(one: Lived) -> np.ndarray:
    """Errors and trainings, in errors, up to and with each window."""
    trainings = np.bincount(np.array(one.trained, dtype=np.int64), minlength=len(one.lost))
    spent: np.ndarray = np.cumsum(np.array(one.lost) + one.rules.price * trainings)
    return spent
