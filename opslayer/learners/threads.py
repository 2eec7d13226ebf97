"""How many threads fitting and predicting take.

scikit-learn's OpenMP threads wait for one another by spinning, so one that has to share its core
stalls all: on two busy cores a fit took 9 times, a prediction of one row 15 times as long with two
threads as with one.
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
    """Hold OpenMP to so many threads inside the block."""
    limit: AbstractContextManager[object] = _controller().limit(limits=threads, user_api="openmp")
    return limit


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import sklearn.ensemble  # noqa: F401 - its OpenMP must be there to be found

    return ThreadpoolController()
