"""Cells by the contract: what is taken, what is not, and that nothing changes in silence."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslayer.capability import Input
from opslayer.sources.cells import Cells, convert
from opslayer.sources.contract import contents_of
from opslayer.sources.moments import moments
from opslayer.sources.seen import Seen


def one(done: Cells) -> tuple[Any, str]:
    """The only cell's value, and what is wrong with it."""
    reasons = [reason for indices, reason in done.faults for _ in indices]
    assert len(reasons) <= 1
    return done.values[0].as_py(), "".join(reasons)


def cell(value: object, **declared: Any) -> tuple[Any, str]:
    return one(convert(pa.array([value]), Input.model_validate(declared)))


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("-0.25", -0.25), (" 7 ", 7.0), ("1e3", 1000.0), (".5", 0.5), ("+4.", 4.0)],
)
def test_numbers_are_read_as_written(text: str, value: float) -> None:
    assert cell(text, type="number") == (value, "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "no number"),
        ("inf", "no number"),
        ("-Infinity", "no number"),
        ("1e400", "too large"),
        ("-1e999999999", "too large"),
        ("1e-400", "too small"),
        ("9007199254740993", "beyond 2**53"),
        ("9007199254740993.0", "beyond 2**53"),
        ("1,5", "no number"),
        ("0x1F", "no number"),
        ("1_000", "no number"),
        ("٣", "no number"),
        ("12\0", "no number"),
        ("N/A", "no number"),
        ("", "missing"),
        ("  ", "missing"),
    ],
)
def test_what_is_no_number_is_a_fault_and_never_a_value(text: str, reason: str) -> None:
    value, why = cell(text, type="number")
    assert value is None
    assert reason in why


def test_the_largest_exact_whole_number_is_taken() -> None:
    assert cell("9007199254740992", type="integer") == (2.0**53, "")
    assert cell(str(-(2**53)), type="integer") == (-(2.0**53), "")
    assert cell(2**53 + 1, type="integer")[0] is None
    assert cell(Decimal("9007199254740993"), type="number")[0] is None


@given(st.floats(allow_nan=False, allow_infinity=False, max_value=2.0**53, min_value=-(2.0**53)))
def test_every_number_comes_back_as_it_was_written(number: float) -> None:
    assert cell(repr(number), type="number") == (number, "")
    assert cell(number, type="number") == (number, "")


@given(st.text(max_size=40))
def test_a_cell_has_a_value_or_a_fault_or_may_be_missing(text: str) -> None:
    for kind in ("number", "integer", "boolean", "category", "text"):
        value, reason = cell(text, type=kind)
        assert (value is None) == bool(reason)
        if kind in ("category", "text") and not reason:
            assert value == text
        value, reason = cell(text, type=kind, missing=True)
        assert not reason or value is None


def test_typed_cells_are_held_to_the_same_contract() -> None:
    assert cell(math.nan, type="number") == (None, "NaN")
    assert cell(-math.inf, type="number") == (None, "infinite")
    assert cell(3, type="number") == (3.0, "")
    assert cell(True, type="number")[0] is None
    assert cell(5.5, type="integer") == (None, "no whole number")
    assert cell(2.0, type="boolean")[0] is None
    assert cell(7, type="category") == ("7", "")
    assert cell(7.0, type="category") == ("7", "")
    assert cell(7.5, type="category")[0] is None
    assert cell(b"abc", type="text")[0] is None
    assert cell(datetime(2024, 1, 1), type="number")[0] is None


def test_text_stays_as_it_stands() -> None:
    assert cell("007", type="text") == ("007", "")
    assert cell("NA", type="category", choices=["NA", "BE"]) == ("NA", "")
    assert cell(" a ", type="text") == (" a ", "")
    assert cell("=1+1", type="text") == ("=1+1", "")
    assert cell("a\0b", type="text") == (None, "NUL character")
    assert cell("abc", type="text", max_length=2) == (None, "longer than 2 characters")
    assert cell("x", type="category", choices=["a", "b"]) == (None, "none of a, b")


def test_bounds_hold_and_include_their_ends() -> None:
    bounds = {"type": "number", "min": -20, "max": 50}
    assert cell("50", **bounds) == (50.0, "")
    assert cell("50.0001", **bounds) == (None, "above 50")
    assert cell("-21", **bounds) == (None, "below -20")


@pytest.mark.parametrize("word", ["true", "TRUE", "t", "yes", "1", "1.0"])
def test_booleans_are_words_or_one_and_zero(word: str) -> None:
    assert cell(word, type="boolean") == (1.0, "")
    assert cell("2", type="boolean")[0] is None


def test_broken_bytes_in_a_typed_column_are_one_cells_fault() -> None:
    cells = pa.array([b"good", b"\xff\xfe", None]).view(pa.string())
    done = convert(cells, Input(type="text", missing=True))
    assert done.values.to_pylist() == ["good", None, None]
    assert done.wrong.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2024-02-29 07:05", datetime(2024, 2, 29, 7, 5, tzinfo=UTC)),
        ("2024-02-29T07:05:09", datetime(2024, 2, 29, 7, 5, 9, tzinfo=UTC)),
        ("2024-02-29T07:05:09.123456789Z", datetime(2024, 2, 29, 7, 5, 9, 123456, tzinfo=UTC)),
        ("2024-02-29 07:05+02:00", datetime(2024, 2, 29, 5, 5, tzinfo=UTC)),
        (" 2024-02-29 07:05:00 -0530 ", datetime(2024, 2, 29, 12, 35, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, moment: datetime) -> None:
    assert one(moments(pa.array([text]))) == (moment, "")


@pytest.mark.parametrize(
    "text",
    [
        "1704067200",
        "2023-02-29",
        "2024-01-01 25:00",
        "01/02/2024",
        "20240101",
        "now",
        "2024-01-01T",
    ],
)
def test_a_time_that_could_mean_another_is_refused(text: str) -> None:
    value, reason = one(moments(pa.array([text])))
    assert value is None
    assert "no time" in reason


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01T00:00+14:00", "1600-01-01"])
def test_a_time_that_stands_for_no_time_is_refused(text: str) -> None:
    value, reason = one(moments(pa.array([text])))
    assert value is None
    assert reason


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), st.integers(-839, 839))
def test_every_zone_is_the_same_moment(moment: datetime, minutes: int) -> None:
    offset = timedelta(minutes=minutes)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{moment + offset} {sign}{size // 60:02}:{size % 60:02}"
    assert one(moments(pa.array([text]))) == (moment.replace(tzinfo=UTC), "")


def test_typed_times_are_taken_to_the_microsecond() -> None:
    nano = pa.array([1_704_067_200_000_000_999], pa.timestamp("ns"))
    assert one(moments(nano)) == (datetime(2024, 1, 1, tzinfo=UTC), "")
    assert one(moments(pa.array([date(2024, 1, 1)]))) == (datetime(2024, 1, 1, tzinfo=UTC), "")
    assert one(moments(pa.array([2**60], pa.timestamp("s"))))[0] is None
    assert one(moments(pa.array([1_704_067_200])))[0] is None


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=8))
def test_repeats_are_counted_across_chunks(chunks: list[list[str]]) -> None:
    seen, counted, before = Seen(), [], []
    for chunk in chunks:
        counted += seen.earlier(np.array([ord(sign) for sign in chunk], np.uint64)).tolist()
    for sign in (sign for chunk in chunks for sign in chunk):
        before.append(sign)
        assert counted[len(before) - 1] == before[:-1].count(sign)


def test_equal_contents_have_equal_digests_and_others_do_not() -> None:
    times = pa.array([0, 0, 0, 0, 0, 1], pa.timestamp("us", "UTC"))
    a = pa.array(["x", "x", "xb:", None, "", "x"])
    b = pa.array([-0.0, 0.0, None, 1.0, 1.0, 0.0])
    digests = contents_of(times, {"a": a, "b": b})
    assert digests[0] == digests[1]
    assert len(set(digests)) == 5
    reordered = contents_of(times, {"b": b, "a": a, "new": pa.nulls(6, pa.string())})
    assert reordered == digests
