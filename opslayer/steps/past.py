"""A capability's whole past as it is known in the end, for whoever lives it again."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from opslayer.capability import Capability, Source
from opslayer.errors import NotEnoughData, Refused
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.labels import labels
from opslayer.steps.observe import Observed, Span, observe
from opslayer.stores import Stores
from opslayer.windows import window_index

HISTORY = 0.1
"""Share of the rows that is history when the past begins to be lived."""

LEAST_HISTORY = 1_000
"""Rows of history at least, where there are that many: from fewer, a first model is a guess."""

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
END = datetime(2200, 1, 1, tzinfo=UTC)
"""Earlier and later than any row, and still times that nanoseconds can hold."""


def read_past(capability: Capability, folder: Path) -> pd.DataFrame:
    """Every row the sources hold, by the contract, with the label each has in the end.

    They are taken in below `folder`, which is removed again. Columns: row_id, event_time, the
    inputs, label, and known_time of the label. Raises NotEnoughData where none keeps the contract.
    """
    stores = Stores.at(Settings(home=folder, database_url=None, lake_url=None, mlflow_url=None))
    try:
        ingest(capability, stores, END)
        seen = whole(capability, stores, END)
        known = labels(capability, stores, END).set_index("row_id")["known_time"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not len(seen):
        raise NotEnoughData(f"{capability.name}: its sources hold no row that keeps its contract")
    frame = pd.DataFrame({"row_id": seen.row_ids, "event_time": seen.event_time})
    frame = pd.concat([frame, seen.features], axis=1)
    return frame.assign(label=seen.label, known_time=seen.row_ids.map(known))


def laid_out_as_first(capability: Capability, path: str) -> Capability:
    """A capability whose one source is the files at a path, laid out as its first source.

    Raises Refused where it reads no file.
    """
    like = next((one for one in capability.sources if one.path is not None), None)
    if like is None:
        raise Refused(
            f"{capability.name}: none of its sources is a file, so nothing says which columns of "
            f"{path} hold the event time and the target: declare one in its file"
        )
    source = Source.model_validate(like.model_dump() | {"path": path})
    return capability.model_copy(update={"sources": (source,)})


def whole(capability: Capability, stores: Stores, as_of: datetime) -> Observed:
    """Everything that was ever seen, as known at a time."""
    return observe(capability, stores, Span(BEGINNING, END), as_of)


def windows(capability: Capability, event_time: pd.Series[pd.Timestamp]) -> tuple[int, int]:
    """The first window that is lived, and the first that is not whole any more.

    `event_time`: of the rows, in order. Raises NotEnoughData where there is none between them.
    """
    width, count = capability.monitor.window, len(event_time)
    if count:
        first = event_time.iloc[min(count - 1, max(LEAST_HISTORY, int(HISTORY * count)))]
        start, end = window_index(first, width) + 1, window_index(event_time.iloc[-1], width)
        if end > start:
            return start, end
    until = f" up to {event_time.iloc[-1]}" if count else ""
    raise NotEnoughData(
        f"{capability.name}: {count} rows{until} hold no whole window of {width} after a history "
        f"of {LEAST_HISTORY} rows: nothing to live again"
    )
