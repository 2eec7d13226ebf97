"""Time is cut into windows that never depend on when somebody looked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opslayer.windows import EPOCH, window_bounds, window_index

moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
widths = st.timedeltas(timedelta(minutes=1), timedelta(days=400))


@given(moments, widths)
def test_every_moment_lies_in_exactly_the_window_of_its_index(
    moment: datetime, width: timedelta
) -> None:
    start, end = window_bounds(window_index(moment, width), width)
    assert start <= moment < end
    assert end - start == width


@given(moments, widths)
def test_windows_touch_without_gap_or_overlap(moment: datetime, width: timedelta) -> None:
    index = window_index(moment, width)
    assert window_bounds(index, width)[1] == window_bounds(index + 1, width)[0]


def test_weeks_begin_on_monday() -> None:
    start, _ = window_bounds(
        window_index(datetime(2026, 11, 25, 12, tzinfo=UTC), timedelta(days=7)), timedelta(days=7)
    )
    assert start == datetime(2026, 11, 23, tzinfo=UTC)
    assert EPOCH.weekday() == 0
