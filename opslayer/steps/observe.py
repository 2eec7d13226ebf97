"""What happened in a span of time: rows, the answers that were served, the labels known by now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from opslayer.capability import Capability, Kind
from opslayer.steps.inputs import as_features, read_inputs
from opslayer.steps.labels import labels
from opslayer.stores import Stores
from opslayer.stores.lake import moment


@dataclass(frozen=True, slots=True)
class Span:
    """[since, until) in event_time."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Observed:
    """Rows of a span sorted by (event_time, row_id); all members have one length and index."""

    row_ids: pd.Series[str]
    event_time: pd.Series[pd.Timestamp]
    features: pd.DataFrame
    label: pd.Series[Any]
    """NaN (regression) or None (classification) where no label is known yet."""
    served: pd.Series[Any]
    """The value that was answered; NaN or None where the row was never answered by us."""
    output: pd.Series[str]
    """The whole answer as JSON, or None."""

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def labelled(self) -> Observed:
        """The rows whose label is known."""
        return self.where(self.label.notna())

    def where(self, mask: pd.Series[bool]) -> Observed:
        """The rows for which the mask holds."""
        parts = (self.row_ids, self.event_time, self.features, self.label, self.served, self.output)
        return Observed(*(part[mask].reset_index(drop=True) for part in parts))

    def probabilities(self, classes: tuple[str, ...]) -> np.ndarray | None:
        """Served probabilities, shape (rows, classes); None unless every row was served some."""
        if self.output.isna().any() or not len(self):
            return None
        given = [json.loads(text).get("probabilities") for text in self.output]
        if not all(given):
            return None
        return np.array([[row.get(name, 0.0) for name in classes] for row in given])


def observe(capability: Capability, stores: Stores, span: Span, as_of: datetime) -> Observed:
    """Everything known at `as_of` about the rows of a span."""
    rows = _rows(capability, stores, span, as_of)
    served = _answers(capability, stores, span).reindex(rows["row_id"])
    known = labels(capability, stores, as_of, span.since, span.until).set_index("row_id")["value"]
    label = rows["row_id"].map(known)
    return Observed(
        row_ids=rows["row_id"],
        event_time=rows["event_time"],
        features=as_features(capability, rows),
        label=label if capability.task is Kind.CLASSIFICATION else label.astype("float64"),
        served=served["value"].reset_index(drop=True),
        output=served["output"].reset_index(drop=True),
    )


def inputs(
    capability: Capability, stores: Stores, span: Span, as_of: datetime
) -> tuple[pd.Series[pd.Timestamp], pd.DataFrame]:
    """The times and features of a span's rows in the same order, for whoever needs no answer and no
    label, which take most of the time of `observe`."""
    rows = _rows(capability, stores, span, as_of)
    return rows["event_time"], as_features(capability, rows)


def _rows(capability: Capability, stores: Stores, span: Span, as_of: datetime) -> pd.DataFrame:
    where = (
        f"event_time >= {moment(span.since)} AND event_time < {moment(span.until)} "
        f"AND event_time <= {moment(as_of)} AND known_time <= {moment(as_of)}"
    )
    rows = read_inputs(capability, stores, capability.columns, where).to_pandas()
    return rows.sort_values(["event_time", "row_id"], ignore_index=True)


def _answers(capability: Capability, stores: Stores, span: Span) -> pd.DataFrame:
    sql = f"""
        SELECT row_id, value, output FROM answers
        WHERE event_time >= {moment(span.since)} AND event_time < {moment(span.until)}
    """  # noqa: S608 - nothing but times
    answers = stores.lake.query(capability, sql, ("answers",)).to_pandas()
    return answers.drop_duplicates("row_id").set_index("row_id")
