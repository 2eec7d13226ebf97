"""Score rows with a registered version, or with the rule that stands in before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opslayer.capability import Capability, Kind, RuleFallback
from opslayer.records import Value, Version
from opslayer.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

    from opslayer.frame import Frame
    from opslayer.learners.prediction import Prediction


def score(
    capability: Capability, version: Version, features: pd.DataFrame, stores: Stores
) -> Prediction:
    """What a version says of rows (n x input columns, in any order).

    Raises UntrustedModel for a model that isn't what was registered, Refused for rows without its
    columns, NotFound or StoreError where the model can't be had.
    """
    from opslayer.learners.tabular import predict

    assert capability.training is not None
    return predict(stores.models.load(version, capability.training.serialization), features)


def constant_prediction(capability: Capability, learnt: Frame, rows: int) -> Prediction:
    """The answer that ignores its inputs, for `rows` rows: what users get without any model.

    It is the constant rule of the capability's fallback chain, where it has one; otherwise the
    best constant of the labelled rows in `learnt`: the median, or the most frequent class (the
    first by name among equals), with the class shares as probabilities.
    """
    from opslayer.learners.prediction import Prediction

    rule = _rule(capability)
    if capability.kind is Kind.REGRESSION:
        value = float(learnt.target.median() if rule is None else rule)
        return Prediction(np.full(rows, value))
    shares = {str(rule): 1.0} if rule is not None else _shares(learnt)
    answer = max(shares, key=lambda name: shares[name])
    probabilities = np.tile(np.array(list(shares.values())), (rows, 1))
    return Prediction(np.full(rows, answer, dtype=object), probabilities, tuple(shares))


def _rule(capability: Capability) -> Value:
    """The constant of the capability's rule, which fits its kind; None without one."""
    rules = [step.rule for step in capability.fallback if isinstance(step, RuleFallback)]
    return rules[-1].constant if rules else None


def _shares(learnt: Frame) -> dict[str, float]:
    """How frequent each class is, by name."""
    shares = learnt.target.value_counts(normalize=True).sort_index()
    return {str(name): float(share) for name, share in shares.items()}
