"""Cells that say when: ISO 8601 text, or timestamps and dates, to UTC microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.sources.cells import Cells, text_of
from opslayer.stores.lake import MOMENT

ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?"
)
UNCLEAR = "no time: write YYYY-MM-DD HH:MM:SS or ISO 8601"


def moments(cells: pa.Array) -> Cells:
    """Times as `MOMENT`. Without a zone they are UTC; digits after the microsecond are cut.

    A bare number is a fault: seconds, milliseconds and days since 1970 can't be told apart.
    Missing is no fault here.
    """
    if pa.types.is_timestamp(cells.type):
        return Cells(_timestamps(cells))
    if pa.types.is_date(cells.type):
        return Cells(cells.cast(pa.timestamp("us")).cast(MOMENT))
    text = text_of(cells)
    known: dict[str | None, datetime | None] = {None: None, "": None}
    values = [_moment(cell, known) for cell in text.values.to_pylist()]
    times = pa.array(values, MOMENT)
    missing = pc.or_kleene(pc.is_null(text.values), pc.equal(text.values, "")).fill_null(True)
    return text.with_values(times).fault(pc.and_not(pc.is_null(times), missing), UNCLEAR)


def _timestamps(cells: pa.Array) -> pa.Array:
    micro = pa.timestamp("us", cells.type.tz)
    exact = pc.floor_temporal(cells, unit="microsecond") if cells.type.unit == "ns" else cells
    return exact.cast(micro).cast(MOMENT)


def _moment(cell: str | None, known: dict[str | None, datetime | None]) -> datetime | None:
    if cell not in known:
        known[cell] = _parse(cell.strip() if cell else "")
    return known[cell]


def _parse(text: str) -> datetime | None:
    match = ISO.fullmatch(text)
    if not match:
        return None
    day, hour, fraction, zone = match.groups(default="")
    try:
        time = datetime.fromisoformat(f"{day}T{hour or '00:00'}{fraction[:7]}{zone}")
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
