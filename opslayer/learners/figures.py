"""What a reviewer looks at in MLflow: a model's answers to its exam, drawn without pyplot.

Only numbers, class names and column names are drawn; never a value of a text or category column.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Kind
from opslayer.learners.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 5000
"""Points drawn at most: more can't be told apart."""
CLASSES = 20
"""Classes in the confusion matrix; the rarer ones are drawn together."""
BINS = 10
OTHERS = "(others)"


def draw(
    kind: Kind, truth: NDArray[Any], said: Prediction, times: NDArray[np.datetime64]
) -> dict[str, Figure]:
    """The figures of a kind by name, for n labelled rows: their truth, answers and event times.

    Regression: `predicted_and_true`, `errors_over_time`. Classification: `confusion`, and
    `calibration` where the model gives probabilities. None for no rows.
    """
    if not len(truth):
        return {}
    if kind is Kind.REGRESSION:
        keep = slice(None, None, -(-len(truth) // POINTS))
        numbers, answers = truth.astype(float)[keep], said.values[keep]
        return {
            "predicted_and_true": _figure(lambda axes: _against(axes, numbers, answers)),
            "errors_over_time": _figure(lambda axes: _errors(axes, numbers - answers, times[keep])),
        }
    figures = {"confusion": _figure(lambda axes: _confusion(axes, truth, said.values))}
    if said.probabilities is not None:
        figures["calibration"] = _figure(lambda axes: _calibration(axes, truth, said))
    return figures


def draw_importance(importance: Mapping[str, float]) -> Figure:
    """Columns and how much worse the answers become without each, largest first."""
    names = sorted(importance, key=lambda name: importance[name])[-CLASSES:]

    def bars(axes: Axes) -> None:
        axes.barh(range(len(names)), [importance[name] for name in names])
        axes.set_yticks(range(len(names)), [_plain(name) for name in names])
        axes.set_xlabel("rise of the error when the column is shuffled")

    return _figure(bars)


def _figure(draw_on: Callable[[Axes], None]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is no reason to warn
        draw_on(figure.add_subplot())
    return figure


def _against(axes: Axes, truth: NDArray[Any], answers: NDArray[Any]) -> None:
    axes.plot(truth, answers, ".", markersize=2)
    axes.axline((float(truth[0]), float(truth[0])), slope=1, linewidth=1, color="black")
    axes.set(xlabel="true", ylabel="predicted")


def _errors(axes: Axes, errors: NDArray[Any], times: NDArray[np.datetime64]) -> None:
    axes.plot(times, errors, ".", markersize=2)
    axes.axhline(0, linewidth=1, color="black")
    axes.set(xlabel="event time (UTC)", ylabel="true - predicted")
    axes.tick_params("x", rotation=30)


def _confusion(axes: Axes, truth: NDArray[Any], answers: NDArray[Any]) -> None:
    names, counts = np.unique(truth.astype(str), return_counts=True)
    top = [str(name) for name in names[np.argsort(-counts, kind="stable")][:CLASSES]]
    shown = sorted(top) + ([OTHERS] if len(names) > CLASSES or set(answers) - set(top) else [])
    place = {name: number for number, name in enumerate(shown)}
    matrix = np.zeros((len(shown), len(shown)))
    for true, answer in zip(truth, answers, strict=True):
        matrix[place.get(true, len(shown) - 1), place.get(answer, len(shown) - 1)] += 1
    axes.imshow(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), vmin=0, vmax=1)
    labels = [_plain(name) for name in shown]
    axes.set_xticks(range(len(shown)), labels, rotation=90, fontsize=7)
    axes.set_yticks(range(len(shown)), labels, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true", title="share of each true class")


def _calibration(axes: Axes, truth: NDArray[Any], said: Prediction) -> None:
    assert said.probabilities is not None
    sure = said.probabilities.max(axis=1)
    right = (truth.astype(str) == said.values.astype(str)).astype(float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    filled = np.unique(bins)
    axes.plot([0, 1], [0, 1], linewidth=1, color="black")
    axes.plot(
        [sure[bins == place].mean() for place in filled],
        [right[bins == place].mean() for place in filled],
        "o-",
    )
    axes.set(xlabel="probability of the answer", ylabel="share of right answers")


def _plain(name: str) -> str:
    """A name that matplotlib doesn't read as a formula, at a length that can be drawn."""
    return name[:40].replace("$", r"\$")
