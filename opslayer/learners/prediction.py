"""What a model, or the rule in its place, says of some rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """Answers for n rows, in the rows' order."""

    values: NDArray[Any]
    """n numbers (float64), or n class names (an object array of strings)."""
    probabilities: NDArray[np.float64] | None = None
    """n x len(classes), each row summing to 1; only classifiers with `predict_proba` give them."""
    classes: tuple[str, ...] | None = None
    """For a classifier: the names of the columns of `probabilities`."""

    def __len__(self) -> int:
        return len(self.values)
