"""Labelled rows on their way from a snapshot to a learner."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Frame:
    """Rows sorted by (event_time, row_id); every member has the same length and index."""

    row_ids: pd.Series[str]
    features: pd.DataFrame
    """One column per input, in the contract's order. Numbers, integers and booleans are float64
    with NaN for missing; categories and texts are strings with None for missing."""
    target: pd.Series[float] | pd.Series[str]
    """float64 for regression, the class's name for classification."""
    event_time: pd.Series[pd.Timestamp]
    known_time: pd.Series[pd.Timestamp]
    """When the label became known."""

    def __len__(self) -> int:
        return len(self.row_ids)
