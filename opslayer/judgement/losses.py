"""How wrong answers are: row by row, and as the metric a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Kind, Metric
from opslayer.errors import Refused

Reals = NDArray[np.float64]

SMALLEST_PROBABILITY = 1e-15
"""Log loss of an answer that ruled the truth out is finite: -log(1e-15) = 34.5."""


@dataclass(frozen=True)
class Answers:
    """What one model said of n rows."""

    values: NDArray[Any]
    """n class names, or n numbers."""
    probabilities: Reals | None = None
    """n x len(classes), rows summing to 1; only some classifiers give them."""
    classes: tuple[str, ...] | None = None

    def of(self, kept: NDArray[np.bool_]) -> Answers:
        """Of the rows that a mask keeps."""
        said = None if self.probabilities is None else self.probabilities[kept]
        return Answers(self.values[kept], said, self.classes)


def row_losses(truth: NDArray[Any], values: NDArray[Any], kind: Kind, scale: float = 1.0) -> Reals:
    """The loss of each row: 0 or 1 for classification, |error| / scale for regression.

    With `scale=typical_deviation(reference target)` a regression loss of 1 means "as wrong as
    always saying the median", so errors of both kinds can be priced alike. An answer that is no
    finite number counts as the worst finite answer given, and at least as 1.
    """
    if kind == Kind.CLASSIFICATION:
        return np.asarray(_names(truth) != _names(values), dtype=float)
    return _absolute_errors(truth, values, scale)


def typical_deviation(target: NDArray[Any]) -> float:
    """Mean absolute deviation of a target from its median; 1 where that is 0 or unknown."""
    known = np.asarray(target, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return 1.0
    deviation = float(np.mean(np.abs(known - np.median(known))))
    return deviation if np.isfinite(deviation) and deviation > 0 else 1.0


def metric_losses(metric: Metric, truth: NDArray[Any], answers: Answers) -> Reals:
    """The loss of each row whose mean is the metric (for RMSE: its square).

    Accuracy and F1 give 0 for right and 1 for wrong: F1 is no mean over rows (see `f1_counts`).
    Raises Refused for log loss without probabilities.
    """
    if metric == Metric.LOG_LOSS:
        return _surprise(truth, answers)
    if metric in (Metric.ACCURACY, Metric.F1):
        return row_losses(truth, answers.values, Kind.CLASSIFICATION)
    errors = _absolute_errors(truth, answers.values, 1.0)
    return errors**2 if metric == Metric.RMSE else errors


def metric(name: Metric, truth: NDArray[Any], answers: Answers) -> float | None:
    """One metric over all rows: accuracy, macro F1, log loss (nats), MAE or RMSE.

    None where there are no rows. Raises Refused for log loss without probabilities.
    """
    if not len(truth):
        return None
    if name == Metric.F1:
        codes, classes = class_codes(truth, answers.values)
        whole = np.zeros(len(truth), dtype=np.int64)
        return float(macro_f1(*f1_counts(codes[0], codes[1], whole, classes))[0])
    return aggregate(name, metric_losses(name, truth, answers))


def aggregate(name: Metric, losses: Reals) -> float | None:
    """The metric that row losses of `metric_losses` add up to; not for F1."""
    if not len(losses):
        return None
    mean = float(np.mean(losses))
    if name == Metric.ACCURACY:
        return 1.0 - mean
    return float(np.sqrt(mean)) if name == Metric.RMSE else mean


def class_codes(*columns: NDArray[Any]) -> tuple[list[NDArray[np.int64]], int]:
    """Columns of class names as numbers with one meaning, and how many classes there are."""
    names = [_names(column) for column in columns]
    classes, codes = np.unique(np.concatenate(names), return_inverse=True)
    return np.split(codes.reshape(-1).astype(np.int64), len(columns)), len(classes)


def f1_counts(
    truth: NDArray[np.int64], said: NDArray[np.int64], blocks: NDArray[np.int64], classes: int
) -> tuple[Reals, Reals, Reals]:
    """Per block and class: how often it was rightly said, said, and true. Each is k x classes.

    Counts of blocks add up, so macro F1 of any choice of blocks comes from their sum.
    """
    count = int(blocks.max()) + 1
    cells = count * classes

    def per_class(codes: NDArray[np.int64], rows: NDArray[np.bool_] | slice) -> Reals:
        place = blocks[rows] * classes + codes[rows]
        return np.bincount(place, minlength=cells).astype(float).reshape(count, classes)

    every = slice(None)
    return per_class(truth, truth == said), per_class(said, every), per_class(truth, every)


def macro_f1(hits: Reals, said: Reals, true: Reals) -> Reals:
    """Mean over classes that are true or said somewhere of 2·hits / (said + true); last axis."""
    below = said + true
    present = below > 0
    scores = np.divide(2 * hits, below, out=np.zeros_like(below), where=present)
    return np.asarray(scores.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def _names(values: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values).astype(str)


def _absolute_errors(truth: NDArray[Any], values: NDArray[Any], scale: float) -> Reals:
    with np.errstate(invalid="ignore", over="ignore"):
        errors = np.abs(np.asarray(truth, dtype=float) - np.asarray(values, dtype=float)) / scale
    known = np.isfinite(errors)
    if known.all():
        return np.asarray(errors)
    worst = float(errors[known].max(initial=1.0))
    return np.where(known, errors, worst)


def _surprise(truth: NDArray[Any], answers: Answers) -> Reals:
    """-log of the probability given to the true class; a class the model doesn't know has none."""
    if answers.probabilities is None or answers.classes is None:
        raise Refused(
            "gate.metric: log_loss needs probabilities and this model gives none: "
            "train an estimator with predict_proba, or use accuracy or f1"
        )
    place = {name: number for number, name in enumerate(answers.classes)}
    columns = np.array([place.get(name, -1) for name in _names(truth)], dtype=np.int64)
    probabilities = np.asarray(answers.probabilities, dtype=float)
    given = np.where(columns >= 0, probabilities[np.arange(len(columns)), columns], 0.0)
    return np.asarray(-np.log(np.clip(np.nan_to_num(given), SMALLEST_PROBABILITY, 1.0)))
