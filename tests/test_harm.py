"""Harm is found where there is some, and at its stated rate where there is none."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from opslayer.judgement.harm import judge

Losses = np.ndarray[Any, Any]


def days_of_losses(
    rng: np.random.Generator, days: int, rate: float, rows: int = 40
) -> tuple[Losses, Losses]:
    """0/1 losses whose rate varies from day to day (sd 0.1), and each row's day."""
    rates = np.clip(rate + rng.normal(size=days) * 0.1, 0, 1)
    sizes = rng.integers(rows // 2, rows * 3 // 2, size=days)
    blocks = np.repeat(np.arange(days), sizes)
    return (rng.random(len(blocks)) < rates[blocks]).astype(float), blocks


def rate_of_harm(gap: float, days: int, trials: int) -> float:
    rng = np.random.default_rng(31)
    found = 0
    for _ in range(trials):
        before, after = days_of_losses(rng, 30, 0.25), days_of_losses(rng, days, 0.25 + gap)
        found += judge(*before, *after).outcome == "harm"
    return found / trials


@pytest.mark.parametrize("days", [7, 30])
def test_an_unchanged_champion_is_called_harmful_in_at_most_alpha(days: int) -> None:
    tolerance = 2.5 * math.sqrt(0.05 * 0.95 / 1_000)
    assert rate_of_harm(0.0, days, 1_000) <= 0.05 + tolerance


def test_rows_taken_for_independent_would_cry_harm_too_often() -> None:
    rng = np.random.default_rng(32)
    found = 0
    for _ in range(300):
        before, after = days_of_losses(rng, 30, 0.25), days_of_losses(rng, 7, 0.25)
        alone = [np.arange(len(side[0])) for side in (before, after)]
        found += judge(before[0], alone[0], after[0], alone[1]).outcome == "harm"
    assert found / 300 >= 0.10


def test_fifteen_points_more_errors_in_a_week_are_found() -> None:
    assert rate_of_harm(0.15, 7, 300) >= 0.80


def test_harm_below_the_stated_least_is_no_harm() -> None:
    rng = np.random.default_rng(33)
    before, after = days_of_losses(rng, 60, 0.2), days_of_losses(rng, 60, 0.3)
    assert judge(*before, *after).outcome == "harm"
    assert judge(*before, *after, at_least=0.2).outcome == "no_harm"


def test_a_window_of_one_block_is_cut_finer_and_says_so() -> None:
    rng = np.random.default_rng(34)
    before, after = days_of_losses(rng, 30, 0.2), days_of_losses(rng, 1, 0.8, rows=100)
    result = judge(*before, *after)
    assert result.outcome == "harm"
    assert result.numbers["blocks_cut"] is True
    assert result.numbers["blocks"] >= 5


@pytest.mark.parametrize(("before", "after"), [(0, 100), (100, 0), (0, 0), (1, 1), (100, 29)])
def test_too_few_labels_are_an_answer_with_what_is_missing(before: int, after: int) -> None:
    result = judge(np.zeros(before), np.zeros(before), np.ones(after), np.zeros(after))
    assert result.outcome == "too_few_labels"
    assert result.numbers["n_missing"] == max(0, 30 - after)


@pytest.mark.parametrize(("after", "outcome"), [(0.0, "no_harm"), (0.3, "no_harm"), (0.7, "harm")])
def test_losses_without_any_variance_are_judged(after: float, outcome: str) -> None:
    blocks = np.repeat(np.arange(10), 10)
    result = judge(np.full(100, 0.3), blocks, np.full(100, after), blocks)
    assert result.outcome == outcome
    json.dumps(result.numbers, allow_nan=False)


def test_losses_that_are_no_numbers_are_left_out() -> None:
    rng = np.random.default_rng(35)
    before, after = days_of_losses(rng, 30, 0.2), days_of_losses(rng, 7, 0.2)
    dirty = np.concatenate([after[0], [np.nan, np.inf]]), np.concatenate([after[1], [3, 4]])
    assert judge(*before, *dirty) == judge(*before, *after)
