"""Time cut into windows that never depend on when somebody looked.

Window k of width W is [epoch + k·W, epoch + (k+1)·W); the epoch is a Monday, so that 7-day
windows are calendar weeks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 5, tzinfo=UTC)


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one that names no zone is meant so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def window_index(moment: datetime, width: timedelta) -> int:
    """The number of the window that holds a moment."""
    return (moment - EPOCH) // width


def window_indices(moments: pd.Series[pd.Timestamp], width: timedelta) -> NDArray[np.int64]:
    """The number of the window that holds each of many moments."""
    indices: NDArray[np.int64] = ((moments - EPOCH) // width).to_numpy()
    return indices


def window_bounds(index: int, width: timedelta) -> tuple[datetime, datetime]:
    """First moment of a window, and first moment after it."""
    start = EPOCH + index * width
    return start, start + width
