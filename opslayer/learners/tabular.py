"""Build, fit and ask a scikit-learn pipeline for a capability's contract."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from opslayer.capability import Capability, Kind
from opslayer.errors import NotEnoughData, Refused
from opslayer.frame import Frame
from opslayer.learners.estimator import make_estimator
from opslayer.learners.prediction import Prediction
from opslayer.learners.preprocessing import Appetite, make_columns, make_table
from opslayer.learners.threads import FITTING, PREDICTING, limited


def build(capability: Capability, names: Collection[str] | None = None) -> Pipeline:
    """The unfitted pipeline of two steps, `columns` and `estimator`.

    It reads the named input columns, by default all. Raises ConfigError where
    `training.estimator` or `training.params` can't be used.
    """
    estimator = make_estimator(capability)
    appetite = Appetite.of(estimator, capability)
    columns = make_columns(capability, appetite, capability.columns if names is None else names)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def fit(capability: Capability, frame: Frame) -> Pipeline:
    """A pipeline fitted on labelled rows; equal rows and seed give equal predictions.

    A column without a single value is left out: nothing can be learnt from it, and some
    estimators fail on it. Raises NotEnoughData without rows, without values or with one class
    only, Refused where the rows can't be learnt from, ConfigError as `build`.
    """
    names = _learnable(capability, frame)
    model = build(capability, names)
    table = make_table(model, frame.features)
    target = frame.target.to_numpy(dtype=_target_type(capability))
    try:
        with limited(FITTING), warnings.catch_warnings():
            # "did not converge" and the like: the exam judges the model, whatever it warned of.
            warnings.simplefilter("ignore")
            model.fit(table, target)
    except ValueError as error:
        assert capability.training is not None
        raise Refused(
            f"{capability.name}: {capability.training.estimator} can't learn from these "
            f"{len(frame)} rows: {error}"
        ) from error
    _check_draws(capability, model)
    return model


def _check_draws(capability: Capability, model: Pipeline) -> None:
    from opslayer.learners.images import can_draw

    if capability.kind is Kind.IMAGE and not can_draw(model):
        assert capability.training is not None
        raise Refused(
            f"{capability.name}: training.estimator: nothing can be drawn from "
            f"{capability.training.estimator}; use "
            "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis with "
            "params: {store_covariance: true}"
        )


def predict(model: Pipeline, features: pd.DataFrame) -> Prediction:
    """What a fitted pipeline says of rows, whose columns may come in any order.

    Unseen categories and missing values are answered too. Raises Refused for missing columns and
    for text in numeric ones.
    """
    table = make_table(model, features)
    estimator = model["estimator"]
    classes = _classes(estimator)
    if not len(table):
        return Prediction(np.array([], dtype=object if classes else "float64"), None, classes)
    numbers = model["columns"].transform(table)
    with limited(PREDICTING):
        said = estimator.predict(numbers)
        if classes is None:
            return Prediction(np.asarray(said, dtype="float64"))
        given = estimator.predict_proba(numbers) if hasattr(estimator, "predict_proba") else None
    return Prediction(np.asarray(said, dtype=object), given, classes)


def _classes(estimator: object) -> tuple[str, ...] | None:
    found = getattr(estimator, "classes_", None)
    return None if found is None else tuple(str(name) for name in found)


def _target_type(capability: Capability) -> type:
    return object if capability.task is Kind.CLASSIFICATION else np.float64


def _learnable(capability: Capability, frame: Frame) -> list[str]:
    """The input columns that hold anything; raises where there is nothing to learn."""
    if not len(frame):
        raise NotEnoughData(f"{capability.name}: no labelled rows to train on")
    _check_target(capability, frame)
    missing = [name for name in capability.columns if name not in frame.features]
    names = [n for n in capability.columns if n in missing or frame.features[n].notna().any()]
    if not names:
        raise NotEnoughData(f"{capability.name}: no input column holds a value in any row")
    return names


def _check_target(capability: Capability, frame: Frame) -> None:
    if capability.task is Kind.CLASSIFICATION:
        if frame.target.nunique() < 2:
            raise NotEnoughData(
                f"{capability.name}: all {len(frame)} labelled rows are of one class: "
                "a classifier needs two at least"
            )
        return
    strange = int((~np.isfinite(frame.target.to_numpy(dtype="float64"))).sum())
    if strange:
        raise Refused(
            f"{capability.name}: the target {capability.target} is no finite number in {strange} "
            f"of {len(frame)} rows"
        )
