"""A column's values as a few groups of rows, each large enough to be judged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

FEWEST_ROWS = 20
"""Values with fewer rows are judged together: alone they could show only an uproar."""
MOST_VALUES = 100
"""More values than these, the largest, are judged together too."""
DISTINCT_NUMBERS = 20
"""A column of more distinct numbers is cut at its quartiles."""

MISSING = "(missing)"
RARE = "(rare values together)"


def groups(values: NDArray[Any]) -> dict[str, Rows]:
    """Row numbers by value, the largest group first; every row is in exactly one group."""
    names = _names(np.asarray(values))
    found, codes = np.unique(names, return_inverse=True)
    counts = np.bincount(codes.reshape(-1), minlength=len(found))
    largest = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    kept = [code for code in largest if counts[code] >= FEWEST_ROWS]
    result = {str(found[code]): np.flatnonzero(codes == code) for code in kept}
    rest = np.flatnonzero(~np.isin(codes, kept))
    return result | {RARE: rest} if len(rest) else result


def _names(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "fiu":
        return np.array([_name(value) for value in values.tolist()], dtype=object)
    known = values[np.isfinite(values)].astype(float)
    if len(np.unique(known)) <= DISTINCT_NUMBERS:
        return np.array([f"{value:g}" if np.isfinite(value) else MISSING for value in values])
    return _quarters(values.astype(float), np.quantile(known, [0.25, 0.5, 0.75]))


def _name(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return str(value)


def _quarters(values: NDArray[np.float64], quartiles: NDArray[np.float64]) -> NDArray[Any]:
    first, middle, last = (f"{quartile:g}" for quartile in quartiles)
    names = np.array(
        [f"up to {first}", f"{first} to {middle}", f"{middle} to {last}", f"above {last}", MISSING]
    )
    place = np.searchsorted(quartiles, values, side="left")
    return names[np.where(np.isfinite(values), place, 4)]
