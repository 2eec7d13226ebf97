"""The two tests of a trial: what they find, what they leave alone, and that they may be asked."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from benchmarks.canary import RAMP, Traffic, clustered, false_passes, one_kind, side
from opslayer.judgement.canary import Side, Stage, judge, log_e_value

HARM = 0.05


def stage(canary: tuple[int, int], control: tuple[int, int], share: float = 0.1) -> Stage:
    """Units and bad ones of both sides, one answer each."""
    return Stage(share, side(*canary), side(*control))


@pytest.mark.parametrize(("a", "b", "f"), [(0, 0, 0.1), (5, 12, 0.1), (30, 40, 0.5), (2, 90, 0.25)])
def test_the_exact_test_is_a_mean_likelihood_ratio(a: int, b: int, f: float) -> None:
    def ratio(p: float) -> float:
        return (p / f) ** a * ((1 - p) / (1 - f)) ** b / (1 - f)

    value, _ = quad(ratio, f, 1, epsabs=0, epsrel=1e-9, limit=500)
    assert log_e_value(stage((100, a), (900, b), f)) == pytest.approx(math.log(value), abs=1e-6)


def test_a_trial_ten_points_worse_ends_soon_and_one_that_is_equal_goes_on() -> None:
    worse, excess = one_kind(Traffic(gap=0.1, requests=8_000), 20, seed=1)
    assert None not in worse
    assert np.mean(excess) <= 25
    equal, _ = one_kind(Traffic(requests=8_000), 40, seed=2)
    assert sum(end is not None for end in equal) <= 3


def test_busy_subjects_for_whom_all_is_bad_end_nothing() -> None:
    assert clustered(30, seed=3) <= 2


def test_a_sure_harm_smaller_than_what_is_accepted_ends_nothing() -> None:
    seen = {"error": [stage((50_000, 1_500), (450_000, 9_000))]}
    outcome = judge(seen, HARM)
    assert outcome.numbers["signals"]["error"]["shown_by"]
    assert outcome.outcome == "passed"
    assert judge(seen, 0.005).outcome == "rollback"


def test_steps_of_the_ramp_multiply() -> None:
    first, second = stage((100, 14), (900, 60)), stage((250, 30), (750, 50), 0.25)
    together = judge({"error": [first, second]}, HARM)
    assert together.numbers["signals"]["error"]["e_value"] == pytest.approx(
        math.exp(log_e_value(first) + log_e_value(second))
    )


def test_a_step_in_which_the_canary_was_far_better_does_not_hide_harm_in_the_next() -> None:
    better = stage((9_000, 0), (9_000, 5_000), 0.5)
    assert log_e_value(better) == pytest.approx(-math.log(5_001))  # the integral of (2(1-p))^5000
    assert log_e_value(stage((60, 5), (10_000, 9_000), 0.5)) > -math.inf
    worse = stage((1_000, 300), (9_000, 900))
    e_value = judge({"error": [better, worse]}, HARM).numbers["signals"]["error"]["e_value"]
    assert e_value == pytest.approx(math.exp(log_e_value(better) + log_e_value(worse)))
    assert e_value > 40


def test_a_step_with_nobody_to_compare_says_nothing() -> None:
    assert log_e_value(stage((50, 20), (0, 0), 1.0)) == 0
    assert log_e_value(stage((0, 0), (50, 20), 0.0)) == 0
    apart = [stage((50, 5), (0, 0)), stage((1, 1), (1, 0)), stage((0, 0), (450, 45))]
    seen = judge({"error": apart}, HARM).numbers["signals"]["error"]
    assert (seen["difference"], seen["upper"]) == (0, None)


def test_the_upper_end_is_the_asymptotic_confidence_sequences() -> None:
    (n, bad), (others, bad_others) = (1_000, 100), (9_000, 900)
    total, rho = 10_000, (-2 * math.log(0.1) + math.log(1 - 2 * math.log(0.1))) / 3_000
    null = 0.1 + HARM  # the canary's rate if it did the harm that is to be excluded
    cautious = (bad_others + 1) / (others + 2)
    squared = total * (null * (1 - null) / n + cautious * (1 - cautious) / others)
    wide = 2 * (total * rho + 1) / (total**2 * rho)
    wide *= math.log(1 + math.sqrt(total * rho + 1) / 0.1)
    seen = judge({"error": [stage((n, bad), (others, bad_others))]}, HARM)
    assert seen.numbers["signals"]["error"]["upper"] == pytest.approx(math.sqrt(squared * wide))


def test_a_ramp_on_which_nothing_is_worse_goes_on() -> None:
    found, _ = one_kind(Traffic(ramp=RAMP, requests=6_000), 40, seed=4)
    assert sum(end is not None for end in found) <= 3


@pytest.mark.parametrize("base", [0.02, 0.2])
def test_a_canary_that_does_the_harm_to_be_excluded_hardly_ever_passes(base: float) -> None:
    assert false_passes(base, 60, seed=5) <= 5


def test_no_harm_seen_in_few_answers_is_no_proof() -> None:
    few = judge({"error": [stage((40, 0), (360, 0))]}, HARM)
    assert few.outcome == "no_harm"
    none = judge({"error": [stage((10, 0), (90, 0))]}, HARM)
    assert none.numbers["signals"]["error"]["upper"] is None
    by_counts = judge({"error": [stage((20, 18), (400, 20))]}, HARM)
    assert by_counts.outcome == "rollback"
    assert by_counts.numbers["signals"]["error"]["shown_by"] == "counts"
    assert judge({}, HARM).outcome == "no_harm"


def test_what_is_excluded_for_every_kind_has_passed() -> None:
    calm = [stage((3_000, 30), (27_000, 270))]
    assert judge({"error": calm, "latency": calm}, HARM).outcome == "passed"
    assert judge({"error": calm, "thumb": [stage((40, 4), (360, 36))]}, HARM).outcome == "no_harm"


def test_the_reason_names_the_kind_and_both_sides() -> None:
    calm = [stage((500, 5), (4_500, 45))]
    outcome = judge({"error": calm, "label": [stage((500, 125), (4_500, 450))]}, HARM)
    assert outcome.outcome == "rollback"
    assert outcome.reason.startswith("label: 25.0% of the canary's answers to 500 were bad against")
    assert outcome.error_rate == 0.05


counts = st.integers(0, 5_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(max_examples=200, deadline=None)
@given(
    stages=st.lists(st.tuples(counts, counts, st.floats(0, 1)), max_size=4),
    max_harm=st.floats(0, 1),
)
def test_any_counts_have_an_outcome_with_finite_numbers(
    stages: list[tuple[tuple[int, int], tuple[int, int], float]], max_harm: float
) -> None:
    outcome = judge({"error": [stage(*one) for one in stages]}, max_harm)
    seen = outcome.numbers["signals"]["error"]
    assert outcome.outcome in ("rollback", "passed", "no_harm")
    assert math.isfinite(seen["e_value"])
    assert math.isfinite(seen["difference"])
    assert seen["upper"] is None or seen["upper"] >= seen["difference"]


def test_a_side_is_made_of_units_not_of_answers() -> None:
    its = Side.of(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]))
    assert (its.units, its.first_bad, its.bad, its.mean) == (3, 2, 2, 0.5)
    assert its.variance == pytest.approx(0.25)
