"""Judge a model that draws: by somebody else's eyes, and by how near its pictures come to copies.

The eyes are a classifier of another family, fitted on the exam's real rows alone, so that it shares
neither data nor mistakes with the model. What it sees in a picture is the model's answer to an exam
row: right where it is the class that was to be drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opslayer.learners.prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin
    from sklearn.pipeline import Pipeline

    from opslayer.frame import Frame

SEED = 0
FOLDS = 3
COPIES = 0.3
"""Below this share of the distance that real, unseen pictures have to the nearest training
picture, drawn ones are copies of the training set."""


def seen(model: Pipeline, exam: Frame) -> Prediction:
    """What the eyes see in one picture for each exam row, drawn as that row's class."""
    if not len(exam):
        return Prediction(np.array([], dtype=object))
    real, truth = pixels(exam), exam.target.to_numpy().astype(str)
    drawn = _shown(model, real, truth)
    return Prediction(_eyes().fit(real, truth).predict(drawn).astype(object))


def picture_metrics(model: Pipeline, learnt: Frame, exam: Frame) -> dict[str, float]:
    """`judge_accuracy`: how well the eyes know real pictures (cross-validated), which bounds what
    they can say. `nearest_ratio`: the median distance of drawn pictures to the nearest training
    picture, over that of the exam's real pictures; below `COPIES` the model repeats its training
    set, far above 1 it draws what nobody would."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    from opslayer.learners.images import distances

    real, truth = pixels(exam), exam.target.to_numpy().astype(str)
    drawn, known = _shown(model, real, truth), pixels(learnt)
    ratio = np.median(distances(drawn, known)) / max(1e-9, np.median(distances(real, known)))
    found = {"nearest_ratio": float(ratio)}
    if np.unique(truth, return_counts=True)[1].min() >= FOLDS:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
        found["judge_accuracy"] = float(cross_val_score(_eyes(), real, truth, cv=folds).mean())
    return found


def _shown(
    model: Pipeline, real: NDArray[np.float64], truth: NDArray[np.str_]
) -> NDArray[np.float64]:
    """A picture for each true class, as callers see it: a PNG has no shade beyond black or white,
    so neither has what is judged."""
    from opslayer.learners.images import draw

    return np.clip(draw(model, truth.tolist(), SEED), real.min(), real.max())


def pixels(frame: Frame) -> NDArray[np.float64]:
    """A frame's pictures: n x pixels."""
    return np.asarray(frame.features, dtype=np.float64)


def _eyes() -> ClassifierMixin:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=3, weights="distance")
