"""The gate promotes what is better, and holds its stated error rate when nothing is."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from opslayer.capability import Gate, Kind, Metric
from opslayer.errors import Refused
from opslayer.judgement.gate import Exam, e_value, judge
from opslayer.judgement.losses import Answers
from opslayer.judgement.outcome import Outcome
from opslayer.judgement.paired import mcnemar

Names = np.ndarray[Any, Any]
ACCURACY = Gate(metric=Metric.ACCURACY)
MAE = Gate(metric=Metric.MAE)


def right_or_wrong(right: Names) -> Answers:
    """Answers to a truth of "yes" throughout."""
    return Answers(np.where(right, "yes", "no"))


def exam(champion: Names, candidate: Names, blocks: Names | None = None, **slices: Names) -> Exam:
    rows = len(champion)
    truth = np.full(rows, "yes")
    days = np.arange(rows) if blocks is None else blocks
    return Exam(truth, right_or_wrong(champion), right_or_wrong(candidate), days, slices)


def two_models(
    rng: np.random.Generator, rows: int, gain: float, disagree: float = 0.08
) -> tuple[Names, Names]:
    """Rows each has right, when they disagree on `disagree` and the candidate is `gain` better."""
    draw = rng.random(rows)
    only_candidate = draw < (disagree + gain) / 2
    only_champion = (draw >= (disagree + gain) / 2) & (draw < disagree)
    both = rng.random(rows) < 0.8
    return np.where(only_candidate, False, both | only_champion), np.where(
        only_champion, False, both | only_candidate
    )


def share(outcome: str, results: list[Outcome]) -> float:
    return sum(result.outcome == outcome for result in results) / len(results)


def test_models_of_equal_worth_are_promoted_in_at_most_6_percent() -> None:
    rng = np.random.default_rng(11)
    results = []
    for _ in range(2_000):
        one, other = two_models(rng, 2_000, 0.03, disagree=0.12)
        swap = rng.random(2_000) < 0.5
        sides = np.where(swap, other, one), np.where(swap, one, other)
        results.append(judge(exam(*sides), ACCURACY, Kind.CLASSIFICATION))
    assert share("promote", results) <= 0.06
    assert results[0].numbers["test"] == "mcnemar"


def test_two_points_better_at_2000_rows_are_found_in_80_percent() -> None:
    rng = np.random.default_rng(12)
    results = [
        judge(exam(*two_models(rng, 2_000, 0.02)), ACCURACY, Kind.CLASSIFICATION)
        for _ in range(300)
    ]
    assert share("promote", results) >= 0.80


def test_the_swap_test_of_a_mean_error_holds_alpha_and_finds_a_gain() -> None:
    rng = np.random.default_rng(13)
    null, better = [], []
    for seed in range(200):
        truth = rng.normal(size=600)
        noises = rng.normal(size=(2, 600)), rng.normal(size=600) * 0.8
        one, other = truth + noises[0]
        champion = Answers(one)
        for results, said in ((null, other), (better, truth + noises[1])):
            rows = Exam(truth, champion, Answers(said), np.arange(600))
            results.append(judge(rows, MAE, Kind.REGRESSION, seed=seed))
    assert share("promote", null) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 200)
    assert share("promote", better) >= 0.80
    assert null[0].numbers["test"] == "swap"


def copied_days(rng: np.random.Generator) -> tuple[Names, Names, Names]:
    """60 days of 20 rows that are copies of one another, and two models of equal worth."""
    days = np.repeat(np.arange(60), 20)
    one, other = two_models(rng, 60, 0.0, disagree=0.8)
    return one[days], other[days], days


def test_swapping_whole_blocks_holds_alpha_where_rows_copy_each_other() -> None:
    rng = np.random.default_rng(14)
    by_block, by_row = [], []
    for seed in range(300):
        one, other, days = copied_days(rng)
        rows = exam(one, other, days)
        by_block.append(judge(rows, ACCURACY, Kind.CLASSIFICATION, seed=seed))
        by_row.append(judge(exam(one, other), ACCURACY, Kind.CLASSIFICATION))
    assert share("promote", by_block) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 300)
    assert share("promote", by_row) >= 0.25
    assert by_block[0].numbers["blocks"] == 60
    assert by_block[0].numbers["blocks_cut"] is False


def test_fewer_than_30_blocks_are_cut_finer_and_the_numbers_say_so() -> None:
    rng = np.random.default_rng(15)
    days = np.repeat(np.arange(14), 100)
    result = judge(exam(*two_models(rng, 1_400, 0.05), days), ACCURACY, Kind.CLASSIFICATION)
    assert result.numbers["blocks_cut"] is True
    assert result.numbers["blocks"] >= 30


def test_mcnemars_p_is_the_binomial_tests() -> None:
    for better, worse in [(0, 0), (1, 0), (30, 12), (12, 30), (500, 480)]:
        if better + worse:
            expected = binomtest(better, better + worse, 0.5, alternative="greater").pvalue
            assert mcnemar(better, worse) == pytest.approx(expected)
    assert mcnemar(0, 0) == 1.0


def sliced(rng: np.random.Generator, harm: float) -> Exam:
    """2,000 rows in four slices; the candidate gains 5 points, and loses `harm` in one slice."""
    place = rng.permutation(np.repeat(["north", "south", "east", "west"], 500))
    champion, candidate = two_models(rng, 2_000, 0.05)
    worse, after = two_models(rng, 2_000, -harm, disagree=max(0.12, harm))
    north = place == "north"
    sides = np.where(north, worse, champion), np.where(north, after, candidate)
    return exam(*sides, place=place)


def test_ten_points_lost_in_a_slice_are_found() -> None:
    rng = np.random.default_rng(16)
    results = [
        judge(sliced(rng, 0.10), ACCURACY, Kind.CLASSIFICATION, "no_harm") for _ in range(100)
    ]
    assert share("slice_harm", results) >= 0.79
    worst = next(result for result in results if result.outcome == "slice_harm")
    assert "place = north" in worst.reason


def test_slices_without_harm_block_nobody() -> None:
    rng = np.random.default_rng(17)
    results = []
    for _ in range(200):
        place = rng.choice(["north", "south", "east", "west"], size=2_000)
        rows = exam(*two_models(rng, 2_000, 0.04), place=place)
        results.append(judge(rows, ACCURACY, Kind.CLASSIFICATION))
    assert share("slice_harm", results) <= 0.01
    assert share("promote", results) >= 0.90


def test_a_slice_that_may_be_worse_by_chance_is_a_persons_to_judge() -> None:
    champion, candidate = np.zeros(1_000, bool), np.zeros(1_000, bool)
    candidate[:200] = True
    champion[940:944] = True
    place = np.array(["big"] * 940 + ["small"] * 60)
    result = judge(exam(champion, candidate, place=place), ACCURACY, Kind.CLASSIFICATION)
    assert result.outcome == "ask_person"
    assert "place = small: 0 against 0.06667 on 60 rows" in result.reason


def test_too_few_labels_name_how_many_are_missing() -> None:
    rng = np.random.default_rng(18)
    result = judge(exam(*two_models(rng, 300, 0.02)), ACCURACY, Kind.CLASSIFICATION)
    assert result.outcome == "not_enough_labels"
    assert result.numbers["n_missing"] >= 200
    assert f"{result.numbers['n_missing']:,} more" in result.reason


def test_models_that_hardly_differ_need_more_labels_to_win_and_none_to_do_no_harm() -> None:
    right = np.random.default_rng(19).random(800) < 0.8
    rows = exam(right, right)
    win = judge(rows, ACCURACY, Kind.CLASSIFICATION, "win")
    assert win.outcome == "not_enough_labels"
    assert win.numbers["n_missing"] == 7_200  # 30 disagreements at no more than 3 in 800 rows
    assert judge(rows, ACCURACY, Kind.CLASSIFICATION, "no_harm").outcome == "promote"


def test_a_fresh_model_of_the_same_recipe_passes_unless_it_is_shown_worse() -> None:
    rng = np.random.default_rng(20)
    equal, worse = [], []
    for _ in range(200):
        equal.append(
            judge(exam(*two_models(rng, 2_000, 0.0)), ACCURACY, Kind.CLASSIFICATION, "no_harm")
        )
        worse.append(
            judge(exam(*two_models(rng, 2_000, -0.02)), ACCURACY, Kind.CLASSIFICATION, "no_harm")
        )
    assert share("promote", equal) >= 1 - (0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 200))
    assert share("keep", worse) >= 0.80


@pytest.mark.parametrize("metric", [Metric.F1, Metric.LOG_LOSS, Metric.RMSE, Metric.MAE])
def test_every_metric_finds_a_clear_winner_and_a_clear_loser(metric: Metric) -> None:
    rng = np.random.default_rng(21)
    kind = Kind.REGRESSION if metric in (Metric.RMSE, Metric.MAE) else Kind.CLASSIFICATION
    truth = rng.normal(size=900) if kind is Kind.REGRESSION else rng.choice(list("abc"), 900)
    good, bad = (answers(rng, truth, error) for error in (0.1, 0.4))
    days = np.repeat(np.arange(90), 10)
    rules = Gate(metric=metric)
    assert judge(Exam(truth, bad, good, days), rules, kind).outcome == "promote"
    assert judge(Exam(truth, good, bad, days), rules, kind, "no_harm").outcome == "keep"


def answers(rng: np.random.Generator, truth: Names, error: float) -> Answers:
    """Answers that are off by `error`, or wrong with chance `error`."""
    if truth.dtype.kind == "f":
        return Answers(truth + rng.normal(size=len(truth)) * error)
    said = np.where(rng.random(len(truth)) < error, rng.choice(list("abc"), len(truth)), truth)
    probabilities = np.where(said[:, None] == np.array(list("abc")), 0.9, 0.05)
    return Answers(said, probabilities, ("a", "b", "c"))


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize("metric", [Metric.ACCURACY, Metric.F1])
def test_next_to_no_rows_are_answered(rows: int, metric: Metric) -> None:
    right = np.ones(rows, bool)
    result = judge(
        exam(right, right, place=np.array([None] * rows)), Gate(metric=metric), Kind.CLASSIFICATION
    )
    assert result.outcome == "not_enough_labels"
    assert result.numbers["n_missing"] >= 500 - rows
    json.dumps(result.numbers, allow_nan=False)


def test_a_slice_of_numbers_is_cut_at_its_quartiles_and_rare_values_are_judged_together() -> None:
    rng = np.random.default_rng(22)
    rows = exam(
        *two_models(rng, 1_000, 0.05),
        amount=np.where(rng.random(1_000) < 0.1, np.nan, rng.random(1_000)),
        user=np.array([f"user-{number // 5}" for number in range(1_000)]),
    )
    table = judge(rows, ACCURACY, Kind.CLASSIFICATION).numbers["slices"]
    values = {
        column: [row["n"] for row in table if row["column"] == column] for column in rows.slices
    }
    assert len(values["amount"]) == 5
    assert values["user"] == [1_000]
    assert sum(values["amount"]) == 1_000


def test_the_metric_must_fit_the_kind() -> None:
    with pytest.raises(Refused, match="mae does not fit classification"):
        judge(exam(np.ones(5), np.ones(5)), MAE, Kind.CLASSIFICATION)


def test_the_same_seed_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(23)
    rows = exam(*two_models(rng, 1_400, 0.01), np.repeat(np.arange(70), 20))
    first, second = (judge(rows, ACCURACY, Kind.CLASSIFICATION, seed=5) for _ in range(2))
    assert first == second


def test_the_e_value_rarely_reaches_20_however_often_one_looks() -> None:
    rng = np.random.default_rng(24)
    reached = 0
    for _ in range(300):
        better = np.cumsum(rng.random(1_000) < 0.5)
        looks = range(9, 1_000, 30)
        reached += any(e_value(int(better[n]), n + 1 - int(better[n])) >= 20 for n in looks)
    assert reached / 300 <= 0.05
    assert e_value(80, 40) >= 20
    assert e_value(0, 0) == pytest.approx(1.0)
    assert e_value(40, 80) < 1
