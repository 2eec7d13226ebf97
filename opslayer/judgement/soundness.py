"""What makes a column unfit to be judged at all, found before any library is handed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from opslayer.capability import ColumnType

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBERS = {"floating", "integer", "mixed-integer-float", "boolean", "decimal"}
"""What pandas calls columns that convert to float64 without loss of meaning."""

MANY_LEVELS = ((1_000, 0.1), (100, 0.5))
"""(levels, share): above so many levels, being this share of the values, it is an identifier."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A code and a sentence; never a value of the column, which may be personal."""

    code: str
    """`no-rows`, `all-missing`, `infinite`, `mixed-types` or `too-many-levels`."""
    sentence: str


def fault_of(column: pd.Series, kind: ColumnType) -> Fault | None:
    """The first thing that keeps a column of the contract's type from being judged, or None."""
    if not len(column):
        return Fault("no-rows", "There are no rows.")
    held = pd.api.types.infer_dtype(column, skipna=True)
    if column.isna().all():
        return Fault("all-missing", f"All {len(column):,} values are missing.")
    if kind.numeric:
        return _number_fault(column, held)
    if held != "string":
        return Fault("mixed-types", f"Not all values are text: pandas finds {held!r}.")
    return _level_fault(column) if kind is ColumnType.CATEGORY else None


def _number_fault(column: pd.Series, held: str) -> Fault | None:
    if held not in NUMBERS:
        return Fault("mixed-types", f"Not all values are numbers: pandas finds {held!r}.")
    try:
        infinite = int(np.isinf(numbers(column)).sum())
    except (OverflowError, TypeError, ValueError):  # an integer of 400 digits, a signalling NaN
        return Fault("mixed-types", "Not all values fit into 64-bit numbers.")
    if infinite:
        return Fault("infinite", f"{infinite:,} of {len(column):,} values are infinite.")
    return None


def _level_fault(column: pd.Series) -> Fault | None:
    levels, given = column.nunique(), int(column.notna().sum())
    if not any(levels > many and levels >= share * given for many, share in MANY_LEVELS):
        return None
    return Fault(
        "too-many-levels",
        f"{levels:,} levels in {given:,} values: an identifier, not a category.",
    )


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column of numbers as float64, NaN for missing."""
    if pd.api.types.is_object_dtype(column):
        column = column.where(column.notna(), np.nan).astype(float)
    return np.asarray(column.to_numpy(dtype=float, na_value=np.nan))
