"""The labelled view over the lake: what the target of each row is, as known at a moment."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from opslayer.capability import Capability, Kind
from opslayer.judgement.labels import Resolution, in_force, resolve
from opslayer.judgement.sources import weighted
from opslayer.steps.worth import estimated
from opslayer.stores import Stores
from opslayer.stores.lake import moment


def labels(
    capability: Capability,
    stores: Stores,
    as_of: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> pd.DataFrame:
    """The labels of the rows with since <= event_time < until (None: no bound), known at `as_of`.

    Columns row_id, value (float64, or a class's name), event_time, known_time, source, confidence;
    sorted by (event_time, row_id). No event_time and no known_time is after `as_of`; a label is
    known once its row and the tags it rests on are. Rows without a label, or with one that nobody
    is sure enough of, are not in it.
    """
    return view(capability, stores, as_of, since, until).labels


def view(
    capability: Capability,
    stores: Stores,
    as_of: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Resolution:
    """As `labels`, with the rows whose tags leave no one to believe beside them."""
    tags = stores.lake.query(capability, _sql(as_of, since, until), ("tags", "rows")).to_pandas()
    tags = in_force(tags, capability.labels.rules)
    if capability.task is Kind.CLASSIFICATION and capability.labels.accuracies == "estimated":
        tags = weighted(tags, estimated(capability, stores, as_of))
    resolution = resolve(tags, as_of)
    row_known = tags.drop_duplicates("row_id").set_index("row_id")["row_known_time"]
    return Resolution(*(_known_with_row(part, row_known) for part in resolution))


def _sql(as_of: datetime, since: datetime | None, until: datetime | None) -> str:
    bounds = [
        f"tags.known_time <= {moment(as_of)}",
        f"rows.known_time <= {moment(as_of)}",
        f"rows.event_time <= {moment(as_of)}",
        *([f"rows.event_time >= {moment(since)}"] if since else []),
        *([f"rows.event_time < {moment(until)}"] if until else []),
    ]
    return f"""
        SELECT tags.id, tags.row_id, tags.value, tags.source, tags."by", tags.confidence,
               rows.event_time, tags.known_time, tags.supersedes, rows.known_time AS row_known_time
        FROM tags JOIN rows ON tags.row_id = rows.row_id
        WHERE {" AND ".join(bounds)}
    """  # noqa: S608 - nothing but times


def _known_with_row(part: pd.DataFrame, row_known: pd.Series[pd.Timestamp]) -> pd.DataFrame:
    known = part["known_time"]
    rows = row_known.reindex(part["row_id"]).set_axis(known.index)
    return part.assign(known_time=known.where(known >= rows, rows))
