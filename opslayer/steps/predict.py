"""Score rows with a registered version, or with the rule that stands in before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opslayer.capability import Capability, Kind
from opslayer.records import Version
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


def answers(capability: Capability, version: Version, exam: Frame, stores: Stores) -> Prediction:
    """What a version answers to an exam: its prediction for each row, or what is seen in the
    picture that it draws for each row's class (`opslayer.steps.pictures`). Raises as `score`.
    """
    if capability.kind is not Kind.IMAGE:
        return score(capability, version, exam.features, stores)
    from opslayer.steps.pictures import seen

    assert capability.training is not None
    return seen(stores.models.load(version, capability.training.serialization), exam)


def constant_prediction(capability: Capability, learnt: Frame, rows: int) -> Prediction:
    """The best answer that ignores its inputs, for `rows` rows: what a model has to be worth more
    than.

    The median of the labelled rows in `learnt`, or the most frequent class (the first by name
    among equals), with the class shares as probabilities. Not the capability's own fallback rule:
    that is made to be safe, and any model beats it.
    """
    from opslayer.learners.prediction import Prediction

    if capability.task is Kind.REGRESSION:
        return Prediction(np.full(rows, float(learnt.target.median())))
    shares = _shares(learnt)
    answer = max(shares, key=lambda name: shares[name])
    probabilities = np.tile(np.array(list(shares.values())), (rows, 1))
    return Prediction(np.full(rows, answer, dtype=object), probabilities, tuple(shares))


def _shares(learnt: Frame) -> dict[str, float]:
    """How frequent each class is, by name."""
    shares = learnt.target.value_counts(normalize=True).sort_index()
    return {str(name): float(share) for name, share in shares.items()}
