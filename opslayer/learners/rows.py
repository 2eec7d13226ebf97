"""A fitted pipeline asked row by row: what `tabular.predict` says, without a table in between.

A data frame of one row costs more than the model itself. Here the columns' encoders are read once,
and rows go straight into the array that the estimator takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from opslayer.learners.preprocessing import NUMBERS, TEXT

Row = Mapping[str, Any]
Part = Callable[[Sequence[Row]], Any]

LIKELIEST = (
    HistGradientBoostingClassifier, LogisticRegression, MultinomialNB, RandomForestClassifier
)  # fmt: skip
"""Classifiers whose answer is always the class with the highest probability: asked once, not
twice."""


# A key of what is known of it while it lives: it is itself alone, since arrays don't compare.
@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class RowModel:
    """A model for rows as dicts of the contract's columns, an absent value as None."""

    parts: tuple[Part, ...]
    sparse: bool
    estimator: Any
    classes: tuple[str, ...] | None

    @classmethod
    def of(cls, pipeline: Pipeline) -> RowModel:
        """Read a pipeline that `tabular.fit` made; the pipeline itself is left as it is."""
        columns = pipeline["columns"]
        named = getattr(pipeline["estimator"], "classes_", None)
        return cls(
            parts=tuple(
                _part(name, deepcopy(transformer), names)
                for name, transformer, names in columns.transformers_
                if name != "remainder"
            ),
            sparse=bool(columns.sparse_output_),
            estimator=pipeline["estimator"],
            classes=None if named is None else tuple(str(one) for one in named),
        )

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """For each row `{"value": …}`, and `"probabilities": {class: p}` where there are some, with
        six places."""
        numbers = self._encode(rows)
        if self.classes is None:
            said = self.estimator.predict(numbers)
            return [{"value": float(value)} for value in said]
        if not hasattr(self.estimator, "predict_proba"):
            return [{"value": str(value)} for value in self.estimator.predict(numbers)]
        given = self.estimator.predict_proba(numbers)
        if isinstance(self.estimator, LIKELIEST):
            values = [self.classes[place] for place in given.argmax(axis=1)]
        else:
            values = [str(value) for value in self.estimator.predict(numbers)]
        shares = given.round(6).tolist()
        return [
            {"value": value, "probabilities": dict(zip(self.classes, share, strict=True))}
            for value, share in zip(values, shares, strict=True)
        ]

    def _encode(self, rows: Sequence[Row]) -> Any:
        made = [part(rows) for part in self.parts]
        if self.sparse:
            from scipy import sparse

            return sparse.hstack(made).tocsr() if len(made) > 1 else made[0]
        dense = [one.toarray() if hasattr(one, "toarray") else one for one in made]
        return np.hstack(dense) if len(dense) > 1 else dense[0]


def _part(name: str, transformer: Any, names: Any) -> Part:
    columns = [names] if isinstance(names, str) else list(names)
    _forget_names(transformer)
    if name == NUMBERS:
        return _numbers(transformer, columns)
    if name.startswith(TEXT):
        column = columns[0]
        return lambda rows: transformer.transform([_text(row.get(column)) for row in rows])
    if isinstance(transformer, OrdinalEncoder):
        return _codes(transformer, columns)
    return lambda rows: transformer.transform(_objects(rows, columns))


def _numbers(transformer: Any, columns: Sequence[str]) -> Part:
    def plain(rows: Sequence[Row]) -> NDArray[np.float64]:
        values = [[_number(row.get(name)) for name in columns] for row in rows]
        return np.array(values, dtype=np.float64)

    # A fitted ColumnTransformer holds a FunctionTransformer in place of "passthrough".
    if transformer == "passthrough" or getattr(transformer, "func", 0) is None:
        return plain
    return lambda rows: transformer.transform(plain(rows))


def _codes(encoder: OrdinalEncoder, columns: Sequence[str]) -> Part:
    """Look a category up by itself: the encoder sorts and searches whole columns."""
    tables = [
        {str(value): float(code) for code, value in enumerate(known) if not _missing(value)}
        for known in encoder.categories_
    ]

    def look(rows: Sequence[Row]) -> NDArray[np.float64]:
        return np.array(
            [
                [
                    math.nan
                    if (value := row.get(name)) is None
                    else table.get(str(value), math.nan)
                    for name, table in zip(columns, tables, strict=True)
                ]
                for row in rows
            ],
            dtype=np.float64,
        )

    return look


def _objects(rows: Sequence[Row], columns: Sequence[str]) -> NDArray[Any]:
    values = [
        [np.nan if (value := row.get(name)) is None else str(value) for name in columns]
        for row in rows
    ]
    return np.array(values, dtype=object).reshape(len(rows), len(columns))


def _forget_names(transformer: Any) -> None:
    """Let a transformer take arrays: it would warn, at every call, that they have no names."""
    for one in [transformer, *(step for _, step in getattr(transformer, "steps", ()))]:
        vars(one).pop("feature_names_in_", None)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
