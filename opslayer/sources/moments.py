"""Cells that say when: ISO 8601 text, or timestamps and dates, to UTC microseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.sources.cells import Cells, text_of
from opslayer.stores.lake import MOMENT

ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
UNCLEAR = "no time: write YYYY-MM-DD HH:MM:SS or ISO 8601"
FIRST, LAST = datetime(1678, 1, 1, tzinfo=UTC), datetime(2261, 12, 31, tzinfo=UTC)
"""What every library we hand times to can hold (64-bit nanoseconds); "9999-12-31" is no time."""
OUTSIDE = "outside the years 1678 to 2261"


def moments(cells: pa.Array) -> Cells:
    """Times as `MOMENT`. Without a zone they are UTC; digits after the microsecond are cut.

    A bare number is a fault: seconds, milliseconds and days since 1970 can't be told apart.
    Missing is no fault here.
    """
    if pa.types.is_date(cells.type):
        cells = cells.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(cells.type):
        return _timestamps(cells)
    text = text_of(cells)
    known: dict[str | None, datetime | None] = {None: None, "": None}
    values = [_moment(cell, known) for cell in text.values.to_pylist()]
    times = pa.array(values, MOMENT)
    missing = pc.equal(text.values, "").fill_null(True)
    unclear = pc.and_not(pc.is_null(times), missing)
    return _bounded(text.with_values(times).fault(unclear, UNCLEAR))


def _timestamps(cells: pa.Array) -> Cells:
    zoned = cells.cast(pa.timestamp(cells.type.unit, "UTC"))
    if cells.type.unit != "ns":  # an int64 of seconds can overflow as microseconds
        done = _bounded(Cells(zoned))
        return done.with_values(done.values.cast(MOMENT))
    return Cells(pc.floor_temporal(zoned, unit="microsecond").cast(MOMENT))


def _bounded(done: Cells) -> Cells:
    first, last = (pa.scalar(time, done.values.type) for time in (FIRST, LAST))
    outside = pc.or_(pc.less(done.values, first), pc.greater(done.values, last))
    return done.fault(outside, OUTSIDE)


def _moment(cell: str | None, known: dict[str | None, datetime | None]) -> datetime | None:
    if cell not in known:
        known[cell] = moment_of(cell.strip() if cell else "")
    return known[cell]


def moment_of(text: str) -> datetime | None:
    """The moment that an ISO 8601 text names, UTC without a zone; None for any other text."""
    match = ISO.fullmatch(text)
    if not match:
        return None
    day, hour, fraction, zone = match.groups(default="")
    try:
        time = datetime.fromisoformat(f"{day}T{hour or '00:00'}{fraction[:7]}{zone}")
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
