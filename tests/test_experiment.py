"""An experiment names a winner no oftener than stated, however often somebody looks."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.judgement import bandit
from opslayer.judgement.experiment import (
    Guardrail,
    Measure,
    Rules,
    Units,
    interaction,
    judge,
    lift,
    sample_ratio,
    speaks,
)
from opslayer.judgement.outcome import Outcome

EVEN = Rules({"plain": 1, "warm": 1})
THREE = Rules({"plain": 1, "warm": 1, "curt": 1})


def rate(n: int, events: int) -> Units:
    """Subjects of whom so many have 1 and the others 0."""
    return Units.of(np.arange(n) < events)


def measured(
    *arms: Units, better: Literal["higher", "lower"] = "higher", name: str = "conversion"
) -> Measure:
    return Measure(name, better, dict(zip(THREE.weights, arms, strict=False)), share=True)


def judged(measure: Measure, rules: Rules = EVEN, *guardrails: Guardrail) -> Outcome:
    exposed = {arm: units.n for arm, units in measure.arms.items()}
    return judge(exposed, measure, guardrails, rules)


def test_the_interval_is_the_published_formulas() -> None:
    control, treated = Units.of([0, 1] * 500), Units.of([0, 1, 1, 1, 0] * 200)
    its = lift(control, treated, alpha=0.05, tune=1000)
    assert (its.low, its.high) == pytest.approx((0.032231, 0.167769), abs=5e-7)
    assert its.estimate == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("counts", "weights", "p"),
    [
        ((5000, 5200), (1, 1), 0.047670),
        ((50000, 51000), (0.5, 0.5), 1.652e-03),
        ((3, 1), (1, 1), 1.0),  # fewer than 5 are to be expected
        ((100, 1), (1, 0), 0.0),
        ((0, 0), (1, 1), 1.0),
    ],
)
def test_the_sample_ratios_p_is_chi_squares(
    counts: tuple[int, ...], weights: tuple[float, ...], p: float
) -> None:
    assert sample_ratio(counts, weights) == pytest.approx(p, rel=3e-4)


def test_equal_arms_have_a_winner_in_no_more_than_alpha_of_runs_at_forty_looks() -> None:
    rng = np.random.default_rng(31)
    won = 0
    for _ in range(200):
        values = rng.random((2, 4_000)) < 0.1
        looks = (values[:, : n + 1] for n in range(99, 4_000, 100))
        won += any(judged(measured(*map(Units.of, look))).outcome == "winner" for look in looks)
    assert won <= 10


def test_a_rare_event_wins_nothing_by_the_luck_of_a_small_arm() -> None:
    """1,350 and 150 subjects at 1 %: none of the small arm's had one."""
    rules = Rules({"plain": 9, "warm": 1})
    control, none = rate(1_350, 14), rate(150, 0)
    assert lift(control, none).high < 0
    assert judged(measured(control, none), rules).outcome == "running"
    assert judged(measured(rate(1_800, 0), rate(200, 200)), rules).outcome == "winner"


def test_a_better_arm_wins_and_the_reason_says_by_how_much() -> None:
    result = judged(measured(rate(20_000, 1_960), rate(20_000, 2_420)))
    assert (result.outcome, result.numbers["winner"]) == ("winner", "warm")
    assert result.reason == (
        "warm: 12.1 % against 9.8 % of plain on 40,000 subjects, difference +2.3 points, "
        "between +1.2 and +3.4 with 95 % confidence however often one looks"
    )
    assert result.error_rate == 0.05


def test_of_two_better_arms_the_best_estimate_wins_at_half_the_alpha() -> None:
    result = judged(measured(rate(9_000, 900), rate(9_000, 1_200), rate(9_000, 1_400)), THREE)
    assert (result.outcome, result.numbers["winner"]) == ("winner", "curt")
    assert "97.5 % confidence" in result.reason


def test_the_control_wins_where_every_other_arm_is_worse() -> None:
    one_worse = judged(measured(rate(9_000, 1_400), rate(9_000, 900), rate(9_000, 1_400)), THREE)
    assert one_worse.outcome == "running"
    both = judged(measured(rate(9_000, 1_400), rate(9_000, 900), rate(9_000, 1_000)), THREE)
    assert (both.outcome, both.numbers["winner"]) == ("winner", "plain")
    assert "plain is better than every other arm; the best of them, curt" in both.reason


def test_where_less_is_better_the_lower_arm_wins() -> None:
    rng = np.random.default_rng(32)
    costs = Units.of(rng.gamma(2, 2, 5_000)), Units.of(rng.gamma(2, 1.8, 5_000))
    measure = Measure("cost", "lower", dict(zip(EVEN.weights, costs, strict=True)))
    result = judged(measure)
    assert (result.outcome, result.numbers["winner"]) == ("winner", "warm")
    assert "%" not in result.reason.split(" with ")[0]


def test_a_harmed_guardrail_blocks_a_winner() -> None:
    better = measured(rate(9_000, 900), rate(9_000, 1_400))
    failures = measured(rate(9_000, 200), rate(9_000, 500), better="lower", name="failures")
    result = judged(better, EVEN, (failures, 0.01))
    assert result.outcome == "guardrail"
    assert [row["arm"] for row in result.numbers["harmed"]] == ["warm"]
    assert "warm harms failures by more than 1 %" in result.reason
    assert judged(better, EVEN, (failures, 0.05)).outcome == "winner"


def test_an_arm_that_always_fails_is_found_though_no_value_of_either_varies() -> None:
    failures = measured(rate(150, 0), rate(150, 150), better="lower", name="failures")
    assert judged(measured(rate(150, 15), rate(150, 15)), EVEN, (failures, 0.0)).outcome == (
        "guardrail"
    )


def test_missing_subjects_stop_every_conclusion() -> None:
    better = measured(rate(20_000, 1_960), rate(20_000, 2_420))
    result = judge({"plain": 20_000, "warm": 19_000}, better, [], EVEN)
    assert result.outcome == "sample_ratio"
    assert "warm has 19,000 where 19,500 belong" in result.reason


def test_arms_within_the_smallest_difference_that_matters_end_it() -> None:
    even = measured(rate(90_000, 9_000), rate(90_000, 9_050))
    rules = Rules(EVEN.weights, smallest=0.01)
    assert judged(even, rules).outcome == "no_difference"
    assert "no arm differs by as much as 1 %" in judged(even, rules).reason
    assert judged(even).outcome == "running"


def test_arms_on_which_nothing_happened_yet_are_not_taken_for_equal() -> None:
    """At 1 % against 2 %, one of twenty experiments has no event among its first 200 subjects."""
    rules = Rules(EVEN.weights, smallest=0.005)
    assert judged(measured(rate(100, 0), rate(100, 0)), rules).outcome == "running"
    alike = measured(Units.of([0.1] * 1_000), Units.of([0.1] * 1_003))
    assert judged(alike, rules).outcome == "running"


def test_it_ends_without_a_winner_at_the_most_subjects() -> None:
    even = measured(rate(5_000, 500), rate(5_000, 510))
    assert judged(even, Rules(EVEN.weights, most=10_001)).outcome == "running"
    ended = judged(even, Rules(EVEN.weights, most=10_000))
    assert ended.outcome == "inconclusive"
    assert ended.reason.startswith("10,000 of 10,000 subjects show no winner")


def test_nobody_yet_is_answered_and_an_arm_alone_refused() -> None:
    result = judge({}, Measure("conversion", "higher", {}), [], EVEN)
    assert result.outcome == "running"
    json.dumps(result.numbers, allow_nan=False)
    for weights in ({"plain": 1.0}, {"plain": 1.0, "warm": 0.0}, {}):
        with pytest.raises(ValueError, match="at least two arms"):
            Rules(weights)


def test_an_arm_that_was_dropped_is_judged_no_longer() -> None:
    measure = measured(rate(9_000, 900), rate(9_000, 1_400), rate(500, 1))
    result = judged(measure)
    assert result.outcome == "winner"
    assert [row["arm"] for row in result.numbers["primary"]["arms"]] == ["warm"]


def test_an_arm_that_changes_anothers_effect_is_an_interaction() -> None:
    plain, more = rate(5_000, 500), rate(5_000, 700)
    found = interaction([[plain, plain], [plain, more]])
    assert found.outcome == "interaction"
    assert found.numbers["estimate"] == pytest.approx(0.04)
    error = (3 * 0.1 * 0.9 / 5_000 + 0.14 * 0.86 / 5_000) ** 0.5
    assert found.numbers["standard_error"] == pytest.approx(error)
    assert found.numbers["z"] == pytest.approx(0.04 / error)
    added = interaction([[plain, more], [more, rate(5_000, 900)]])
    assert added.outcome == "none_shown"
    assert added.numbers["p"] == pytest.approx(1)
    assert interaction([[plain, plain], [plain, rate(20, 10)]]).outcome == "too_few"


def test_the_skewness_of_arms_together_is_that_of_their_values_in_one_heap() -> None:
    rng = np.random.default_rng(33)
    for sigma in (0.5, 1.5):
        parts = [rng.lognormal(shift, sigma, n) for shift, n in ((0, 700), (0.2, 300))]
        needed = 25 * Units.of(np.concatenate(parts)).skewness ** 2
        assert speaks([Units.of(part) for part in parts]) == (needed <= 300)


def test_values_that_are_no_numbers_are_left_out() -> None:
    assert Units.of([1.0, float("nan"), 3.0, float("inf")]) == Units(2, 2.0, 1.0)
    assert Units.of([]) == Units(0, 0.0, 0.0)
    assert Units.of([0.1] * 1_000).variance == 0
    assert Units.of([0.0, 1e-110]).skewness == 0


units = st.builds(
    Units,
    st.integers(0, 1_000_000),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e9),
    st.floats(-1e3, 1e3),
)
arms = st.dictionaries(st.sampled_from(list(THREE.weights)), units)
sides = st.sampled_from(["higher", "lower"])
measures = st.builds(Measure, st.just("it"), sides, arms, st.booleans())
counts = st.dictionaries(st.sampled_from(list(THREE.weights)), st.integers(0, 10**7))
OUTCOMES = {"sample_ratio", "guardrail", "winner", "no_difference", "inconclusive", "running"}


@settings(max_examples=300, deadline=None)
@given(
    counts,
    measures,
    st.lists(st.tuples(measures, st.floats(0, 10)), max_size=2),
    st.sampled_from([EVEN, THREE, Rules(THREE.weights, smallest=1.0, most=1_000)]),
)
def test_whatever_was_counted_is_answered_in_plain_numbers(
    exposed: dict[str, int], primary: Measure, guardrails: list[Any], rules: Rules
) -> None:
    result = judge(exposed, primary, guardrails, rules)
    assert result.outcome in OUTCOMES
    json.dumps(result.numbers, allow_nan=False)
    if result.outcome == "winner":
        assert result.numbers["winner"] in rules.weights


@given(units, units, st.floats(1e-6, 0.5), st.floats(1, 1e6))
def test_an_interval_contains_its_estimate(
    control: Units, treated: Units, alpha: float, tune: float
) -> None:
    its = lift(control, treated, alpha, tune)
    assert its.low <= its.estimate <= its.high


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=6),
    st.floats(0, 1),
)
@settings(max_examples=50, deadline=None)
def test_a_bandits_shares_sum_to_one_and_hold_the_floor(
    some: list[tuple[float, float]], floor: float
) -> None:
    shares = bandit.weights(some, floor)
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= min(floor, 1 / len(some)) - 1e-12


def test_a_bandit_gives_more_to_the_better_arm_and_equal_parts_to_equal_ones() -> None:
    assert bandit.weights([(100, 900), (130, 870)])[1] > 0.9
    assert bandit.weights([(0, 0), (0, 0)]) == pytest.approx([0.5, 0.5], abs=0.02)
    costs = [Units(500, 2.0, 4.0), Units(500, 1.8, 4.0)]
    assert bandit.weights(costs)[0] > 0.8
    assert bandit.weights(costs, better="lower")[1] > 0.8


def test_a_bandit_shares_equally_where_it_knows_nothing_or_nothing_differs() -> None:
    assert bandit.weights([Units(1, 9.0, 0.0), Units(500, 1.0, 1.0)]) == [0.5, 0.5]
    assert bandit.weights([Units(50, 1.0, 0.0)] * 4) == [0.25] * 4
    with pytest.raises(ValueError, match="a bandit needs arms"):
        bandit.weights([])


def test_a_bandit_of_the_same_seed_says_the_same() -> None:
    some = [(10.0, 90.0), (13.0, 87.0)]
    assert bandit.weights(some, seed=4) == bandit.weights(some, seed=4)
