"""How many threads fitting and predicting take.

OpenMP's and OpenBLAS's threads wait for one another by spinning, so one that has to share its core
stalls all. On two busy cores a boosting fit took 9 times, a prediction of one row 15 times as long
with two OpenMP threads as with one; a logistic regression of 77 classes 18 to 33 s with two BLAS
threads and 8 s with one, for a third of the work.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

FITTING = max(1, (os.cpu_count() or 1) - 1)
"""One core is left for everything else on the machine."""

PREDICTING = 1
"""A batch of production rows is done before a second thread has started."""


def limited(threads: int) -> AbstractContextManager[object]:
    """Hold OpenMP and BLAS to so many threads inside the block."""
    limit: AbstractContextManager[object] = _controller().limit(limits=threads)
    return limit


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import sklearn.ensemble  # noqa: F401 - its OpenMP and SciPy's BLAS must be there to be found

    return ThreadpoolController()
