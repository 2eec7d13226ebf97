"""Drift alarms hold their stated rate, see what they say they see, and survive any window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from opslayer.capability import Monitor
from opslayer.judgement.drift import Calibration, Column, calibrate, judge, together
from opslayer.judgement.outcome import Outcome

Values = np.ndarray[Any, Any]
RULES = Monitor(false_alarms_per_100_windows=1)
DAY = 48


def columns(rows: Values) -> dict[str, Column]:
    return {f"x{place}": Column(rows[:, place], "number") for place in range(rows.shape[1])}


@pytest.fixture(scope="module")
def market(real_data: Path) -> Values:
    """Six columns of elec2 as days x 48 half-hours x columns."""
    table = pd.read_csv(real_data / "elec2" / "elec.csv.gz").drop(columns="class")
    return table.to_numpy().reshape(-1, DAY, table.shape[1])


def draw(rng: np.random.Generator, days: Values, rows: int) -> Values:
    """Rows of whole days drawn at random: stationary, and dependent inside a day."""
    count = -(-rows // DAY)
    return days[rng.integers(0, len(days), count)].reshape(-1, days.shape[2])[:rows]


@pytest.mark.parametrize("rows", [100, 1_000, 5_000])
def test_stationary_days_of_elec2_alarm_in_at_most_two_of_100_windows(
    market: Values, rows: int
) -> None:
    """One of 100 is stated; at most 2 of 100 over 600 windows (20 references) is tolerated."""
    rng = np.random.default_rng(41)
    alarms = 0
    for seed in range(20):
        calibration = calibrate(
            columns(draw(rng, market, 60 * DAY)), np.arange(60 * DAY) // DAY, rows, RULES, seed
        )
        before = False
        for _ in range(30):
            window = draw(rng, market, rows)
            result = judge(calibration, columns(window), np.arange(rows) // DAY, before)
            alarms += result.outcome == "alarm"
            before = result.outcome != "quiet"
    assert alarms / 6 <= 2.0


@pytest.mark.parametrize("shifted", [1, 3, 4, 5])
def test_half_a_deviation_in_one_column_of_elec2_is_found_in_two_windows(
    market: Values, shifted: int
) -> None:
    rng = np.random.default_rng(42)
    shift = np.zeros(market.shape[2])
    shift[shifted] = 0.5 * market[:, :, shifted].std()
    found = 0
    for seed in range(30):
        reference = columns(draw(rng, market, 90 * DAY))
        calibration = calibrate(reference, np.arange(90 * DAY) // DAY, 1_000, RULES, seed)
        before = False
        for _ in range(2):
            window = columns(draw(rng, market, 1_000) + shift)
            result = judge(calibration, window, np.arange(1_000) // DAY, before)
            before = result.outcome != "quiet"
        found += result.outcome == "alarm" and result.numbers["worst"] == f"x{shifted}"
    assert found >= 27


def mixed(rng: np.random.Generator, rows: int) -> dict[str, Column]:
    """One column of each kind, a flag, ever new ids, and one that never varies."""
    words = np.array(["pay", "card", "lost", "help", "my", "the", "account"])
    texts = [" ".join(rng.choice(words, rng.integers(2, 9))) for _ in range(rows)]
    return {
        "amount": Column(rng.lognormal(size=rows), "number"),
        "flag": Column((rng.random(rows) < 0.3).astype(float), "number"),
        "city": Column(rng.choice(["a", "b", "c"], rows, p=[0.5, 0.4, 0.1]), "category"),
        "id": Column(np.array([f"id-{n}" for n in rng.integers(0, 10**9, rows)]), "category"),
        "same": Column(np.full(rows, "x"), "category"),
        "text": Column(np.array(texts, dtype=object), "text"),
        "prediction": Column(rng.choice(["yes", "no"], rows), "category"),
    }


@pytest.fixture(scope="module")
def known() -> Calibration:
    rng = np.random.default_rng(43)
    return calibrate(mixed(rng, 2_000), np.arange(2_000) // 50, 500, RULES)


BLOCKS = np.arange(500) // 50


def test_columns_of_every_kind_stay_quiet_while_nothing_changes(known: Calibration) -> None:
    rng = np.random.default_rng(44)
    results = [judge(known, mixed(rng, 500), BLOCKS, False).outcome for _ in range(40)]
    assert results.count("exceeded") <= 4  # 1.6 expected at most 2 in 100 windows each


CHANGES: dict[str, Any] = {
    "amount": lambda values: values * 2,
    "flag": lambda values: 1 - values,
    "city": lambda values: np.where(values == "c", "new", values),
    "id": lambda values: np.full(len(values), "id-1"),
    "same": lambda values: np.where(np.arange(len(values)) < 10, "y", values),
    "text": lambda values: np.array(["where is my parcel now"] * len(values), dtype=object),
    "prediction": lambda values: np.full(len(values), "yes"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_one_column_of_any_kind_is_named(known: Calibration, name: str) -> None:
    window = mixed(np.random.default_rng(45), 500)
    window[name] = Column(CHANGES[name](window[name].values), window[name].kind)
    first = judge(known, window, BLOCKS, False)
    assert (first.outcome, first.numbers["worst"]) == ("exceeded", name)
    assert judge(known, window, BLOCKS, True).outcome == "alarm"


def test_a_copy_of_the_reference_never_alarms() -> None:
    for seed in range(5):
        reference = mixed(np.random.default_rng(seed), 1_000)
        blocks = np.arange(1_000) // 50
        calibration = calibrate(reference, blocks, 1_000, RULES)
        result = judge(calibration, reference, blocks, True)
        assert result.outcome == "quiet"


@pytest.mark.parametrize(
    ("rows", "blocks", "says"), [(20, 20, "20 rows"), (900, 9, "9 blocks"), (0, 1, "0 rows")]
)
def test_a_reference_too_small_says_so(rows: int, blocks: int, says: str) -> None:
    reference = mixed(np.random.default_rng(46), rows)
    calibration = calibrate(reference, np.arange(rows) * blocks // max(rows, 1), 500, RULES)
    result = judge(calibration, mixed(np.random.default_rng(47), 500), BLOCKS, True)
    assert result.outcome == "cannot_calibrate"
    assert says in result.reason


def dirty(rows: int) -> dict[str, dict[str, Values]]:
    """Windows as they come on bad days; every column of one window has the same rows."""
    odd = np.array([1, "two", None, 3.5, True, b"x", 10**400, [1], {}, "7"], dtype=object)
    mixture = np.resize(odd, rows) if rows else np.array([], dtype=object)
    return {
        "all missing": dict.fromkeys(CHANGES, np.full(rows, None, dtype=object)),
        "all NaN": dict.fromkeys(CHANGES, np.full(rows, np.nan)),
        "infinite": dict.fromkeys(CHANGES, np.where(np.arange(rows) % 2, np.inf, -np.inf)),
        "mixed": dict.fromkeys(CHANGES, mixture),
        "huge": dict.fromkeys(CHANGES, np.full(rows, 1.7e308)),
        "one class": dict.fromkeys(CHANGES, np.full(rows, "no")),
        "lone surrogates": dict.fromkeys(CHANGES, np.full(rows, "\ud800 x", dtype=object)),
    }


@pytest.mark.parametrize("rows", [0, 1, 29, 30, 500])
@pytest.mark.parametrize("how", list(dirty(1)))
def test_a_dirty_window_is_answered_and_its_faults_are_named(
    known: Calibration, how: str, rows: int
) -> None:
    window = {
        name: Column(dirty(rows)[how][name], column.kind)
        for name, column in mixed(np.random.default_rng(48), 1).items()
    }
    result = judge(known, window, np.arange(rows) // 50, False)
    json.dumps(result.numbers, allow_nan=False)
    assert (result.outcome == "cannot_calibrate") == (rows < 30)
    if how in ("all missing", "all NaN"):
        assert set(result.numbers["not_judged"]) == set(CHANGES)
    if how == "infinite" and rows:
        assert f"{rows} infinite values" in result.numbers["faults"]["amount"]
    if how == "mixed" and rows >= 29:
        assert "no numbers" in result.numbers["faults"]["amount"]
        assert "mixed types" in result.numbers["faults"]["city"]


@pytest.mark.parametrize("how", list(dirty(1)))
def test_a_dirty_reference_is_answered(how: str) -> None:
    reference = {
        name: Column(dirty(500)[how][name], column.kind)
        for name, column in mixed(np.random.default_rng(49), 1).items()
    }
    calibration = calibrate(reference, BLOCKS, 500, RULES)
    result = judge(calibration, mixed(np.random.default_rng(50), 500), BLOCKS, False)
    json.dumps(result.numbers, allow_nan=False)
    assert result.outcome in ("exceeded", "cannot_calibrate")


def test_a_column_the_window_lacks_is_not_judged_and_the_others_are(known: Calibration) -> None:
    window = mixed(np.random.default_rng(51), 500)
    del window["amount"]
    window["flag"] = Column(np.array([]), "number")
    result = judge(known, window, BLOCKS, False)
    assert result.outcome == "quiet"
    assert result.numbers["not_judged"] == {
        "amount": "the window has no such column",
        "flag": "0 values for 500 rows",
    }


def test_a_hundred_thousand_categories_are_no_trouble() -> None:
    rng = np.random.default_rng(52)

    def ids(rows: int) -> dict[str, Column]:
        return {"id": Column(rng.integers(0, 10**9, rows).astype(str), "category")}

    calibration = calibrate(ids(100_000), np.arange(100_000) // 2_000, 20_000, RULES)
    result = judge(calibration, ids(20_000), np.arange(20_000) // 2_000, False)
    assert result.outcome == "quiet"


def test_a_window_shorter_than_a_block_is_calibrated_on_pieces_of_blocks() -> None:
    rng = np.random.default_rng(53)
    blocks = np.repeat(np.arange(30), 200)
    calibration = calibrate(columns(rng.normal(size=(6_000, 3))), blocks, 50, RULES)
    results = [
        judge(calibration, columns(rng.normal(size=(50, 3))), np.zeros(50), False).outcome
        for _ in range(100)
    ]
    assert results.count("exceeded") <= 6


def test_a_window_of_another_size_than_calibrated_for_is_judged_by_its_own_size() -> None:
    rng = np.random.default_rng(54)
    blocks = np.repeat(np.arange(60), 50)
    calibration = calibrate(columns(rng.normal(size=(3_000, 3))), blocks, 2_000, RULES)
    results = [
        judge(calibration, columns(rng.normal(size=(100, 3))), np.arange(100) // 50, False)
        for _ in range(100)
    ]
    assert results[0].numbers["blocks"] == 2
    assert [result.outcome for result in results].count("exceeded") <= 6


@pytest.mark.parametrize(
    ("inputs", "answers", "said"),
    [
        ("cannot_calibrate", "quiet", "cannot_calibrate"),
        ("quiet", "cannot_calibrate", "quiet"),
        ("quiet", "alarm", "alarm"),
        ("exceeded", "quiet", "exceeded"),
        ("exceeded", "alarm", "alarm"),
    ],
)
def test_the_louder_of_inputs_and_answers_is_heard_and_quiet_answers_hide_nothing(
    inputs: str, answers: str, said: str
) -> None:
    both = together(Outcome(inputs, "in", {}, 0.008), Outcome(answers, "out", {}, 0.002))
    assert both.outcome == said
    assert (both.numbers["inputs_alone"], both.numbers["answers_alone"]) == (inputs, answers)
    assert both.error_rate == pytest.approx(0.01)
