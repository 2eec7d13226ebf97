"""From a contract's columns to what an estimator can take, chosen by both.

Only scikit-learn's own classes and plain values: anything else could not be loaded again without
running code (see `trusted_types`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.errors import Refused

NUMBERS, CATEGORIES, TEXT = "numbers", "categories", "text"
"""Names of the transformers; every text column has its own: text0, text1, …"""

RARE = 5
"""A category seen in fewer training rows is pooled with the other rare ones."""
MANY, FEW = 1000, 100
"""Columns that one category may become, sparse and dense; its rarest values share the last."""
TEXT_AXES = 64
"""Dimensions of a text for estimators that take no sparse matrix."""
KEPT = 0.9
"""Share of the pixels' variance that principal components keep: the rest is mostly noise."""
BOOSTING = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
HASHES = 2**14
"""Places for words and word pairs before they are condensed to those dimensions."""


@dataclass(frozen=True)
class Appetite:
    """What an estimator takes."""

    missing: bool
    """Missing numbers: trees decide on them, and need no scaling."""
    sparse: bool
    positive: bool
    """Only numbers of at least 0."""
    codes: bool
    """Categories as whole numbers: splits find their way through an order that means nothing."""

    @classmethod
    def of(cls, estimator: BaseEstimator, capability: Capability) -> Appetite:
        """Read from the estimator's tags.

        The trees that take both missing numbers and sparse matrices don't take both at once: they
        get their numbers as they are, unless there are texts, which need to be sparse.
        """
        tags = get_tags(estimator).input_tags
        texts = capability.columns_of(ColumnType.TEXT)
        missing = tags.allow_nan and not (tags.sparse and texts)
        return cls(
            missing=missing,
            sparse=tags.sparse and not missing,
            positive=tags.positive_only,
            codes=isinstance(estimator, BOOSTING),
        )


def make_columns(
    capability: Capability, appetite: Appetite, names: Collection[str]
) -> ColumnTransformer:
    """The unfitted transformer of the named inputs: numbers, then categories, then texts."""
    assert capability.training is not None
    inputs = {name: column for name, column in capability.inputs.items() if name in names}
    numbers = [name for name, column in inputs.items() if column.type.numeric]
    categories = {n: c.choices for n, c in inputs.items() if c.type is ColumnType.CATEGORY}
    texts = [name for name, column in inputs.items() if column.type is ColumnType.TEXT]
    parts: list[tuple[str, Any, Any]] = []
    if numbers:
        drawn = capability.kind is Kind.IMAGE
        parts.append((NUMBERS, _components() if drawn else _numbers(appetite), numbers))
    parts.extend(_categories(appetite, categories))
    for place, name in enumerate(texts):
        parts.append((f"{TEXT}{place}", _text(appetite, capability.training.seed), name))
    threshold = 1.0 if appetite.sparse else 0.0
    return ColumnTransformer(parts, sparse_threshold=threshold, verbose_feature_names_out=False)


def _components() -> PCA:
    """Pictures as what sets them apart, from which pixels can be made again."""
    return PCA(n_components=KEPT, svd_solver="full")


def _numbers(appetite: Appetite) -> Any:
    if appetite.missing:
        return "passthrough"
    scaler = MinMaxScaler(clip=True) if appetite.positive else StandardScaler()
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(imputer, scaler)


def _categories(
    appetite: Appetite, choices: dict[str, tuple[str, ...] | None]
) -> list[tuple[str, TransformerMixin, list[str]]]:
    """Columns with declared choices know them all from the start; the others learn theirs."""
    declared = {name: np.array(known, dtype=object) for name, known in choices.items() if known}
    learnt = [name for name in choices if name not in declared]
    parts = []
    if declared:
        encoder = _encoder(appetite, list(declared.values()))
        parts.append((f"{CATEGORIES}-declared", encoder, list(declared)))
    if learnt:
        parts.append((f"{CATEGORIES}-learnt", _encoder(appetite, "auto"), learnt))
    return parts


def _encoder(appetite: Appetite, known: Any) -> TransformerMixin:
    if appetite.codes:
        return OrdinalEncoder(
            categories=known,
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
            encoded_missing_value=np.nan,
        )
    if isinstance(known, list):
        return OneHotEncoder(
            categories=known, handle_unknown="ignore", sparse_output=appetite.sparse
        )
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=RARE,
        max_categories=MANY if appetite.sparse else FEW,
        sparse_output=appetite.sparse,
    )


def _text(appetite: Appetite, seed: int) -> TransformerMixin:
    if appetite.sparse:
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(
        HashingVectorizer(n_features=HASHES, ngram_range=(1, 2), norm=None, alternate_sign=False),
        TfidfTransformer(sublinear_tf=True),
        TruncatedSVD(TEXT_AXES, random_state=seed),
    )


def make_table(model: Pipeline, features: pd.DataFrame) -> pd.DataFrame:
    """The rows as the model's first step takes them: its columns, cleaned by their type.

    Numbers become float64 (NaN = missing), categories and texts strings, a missing text an empty
    one. Raises Refused, with all faults at once and no value quoted, where a column is missing or
    a numeric one holds something else than finite numbers.
    """
    kinds = {
        name: part
        for part, _, names in model["columns"].transformers
        for name in ([names] if isinstance(names, str) else names)
    }
    missing = [name for name in kinds if name not in features]
    if missing:
        raise Refused(
            f"the rows lack the input columns {', '.join(missing)}; the model was trained on "
            f"{', '.join(kinds)}"
        )
    numeric = {name: _as_numbers(features[name]) for name in kinds if kinds[name] == NUMBERS}
    faults = [f"{name}: {fault}" for name, (_, fault) in numeric.items() if fault]
    if faults:
        raise Refused("\n".join(faults))
    return pd.DataFrame(
        {
            name: numeric[name][0] if part == NUMBERS else _as_strings(features[name], part)
            for name, part in kinds.items()
        },
        index=features.index,
    )


def _as_numbers(column: pd.Series) -> tuple[pd.Series, str]:
    """The column as float64, and what is wrong with it."""
    numbers, strange = column, 0
    if column.dtype != np.float64:  # converting costs more than asking a small model
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        strange = int((numbers.isna() & column.notna()).sum())
    endless = int(np.isinf(numbers.to_numpy()).sum())
    faults = [
        f"{count} of {len(column)} rows {what}"
        for count, what in ((strange, "hold no number"), (endless, "are infinite"))
        if count
    ]
    return numbers, ", ".join(faults)


def _as_strings(column: pd.Series, part: str) -> pd.Series:
    strings = column.astype("str")
    if part.startswith(TEXT):
        strings = strings.fillna("")
    return strings.astype(object)
