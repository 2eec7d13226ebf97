"""How sure a metric of dependent rows is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from opslayer.judgement.interval import FEWEST_BLOCKS, jackknife


@given(st.lists(st.floats(-100, 100), min_size=FEWEST_BLOCKS, max_size=30))
def test_of_a_mean_of_blocks_of_one_row_it_is_students_interval(values: list[float]) -> None:
    rows = np.array(values)
    got = jackknife(np.arange(len(rows)), lambda kept: float(rows[kept].mean()))
    assert got is not None
    half = t.ppf(0.975, len(rows) - 1) * rows.std(ddof=1) / np.sqrt(len(rows))
    assert got == pytest.approx((rows.mean() - half, rows.mean() + half), abs=1e-6)


def test_it_covers_the_mean_of_rows_that_share_a_blocks_luck_as_often_as_it_says() -> None:
    draw = np.random.default_rng(7)
    blocks = np.repeat(np.arange(7), 24)
    covered = 0
    for _ in range(2_000):
        rows = np.repeat(draw.normal(size=7), 24) + draw.normal(size=len(blocks))
        low, high = jackknife(blocks, lambda kept, rows=rows: float(rows[kept].mean())) or (1, 0)
        covered += low <= 0 <= high
    assert covered / 2_000 == pytest.approx(0.95, abs=0.02)


def test_too_few_blocks_or_an_unknown_metric_say_nothing() -> None:
    few = np.repeat(np.arange(FEWEST_BLOCKS - 1), 10)
    assert jackknife(few, lambda kept: float(kept.mean())) is None
    assert jackknife(np.arange(10), lambda kept: None if not kept[0] else 1.0) is None
