"""How many calls a worker takes, by how late its loop is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission import BUDGET, EARLY, HEADROOM, LATE, LEAST, MOST, REFUSAL, Admission


def test_an_idle_worker_takes_as_many_as_it_can_hold() -> None:
    admission = Admission(under_way=int(MOST) - 1)
    admission.look(0.0)
    assert not admission.full()
    admission.under_way += 1
    assert admission.full()
    assert admission.shed == 1


def test_a_late_loop_takes_fewer_than_it_has_and_at_last_the_least() -> None:
    admission = Admission(under_way=100)
    admission.look(2 * LATE)
    assert admission.limit < 100
    for _ in range(50):
        admission.look(2 * LATE)
    assert admission.limit == LEAST


def test_it_recovers_in_a_few_seconds_once_the_loop_is_in_time() -> None:
    admission, looks = Admission(limit=LEAST), 0
    while admission.limit < MOST:
        admission.look(0.0)
        looks += 1
    assert looks * 0.05 < 5


def test_between_early_and_late_nothing_changes() -> None:
    admission = Admission(limit=100.0, under_way=100)
    admission.look((EARLY + LATE) / 2)
    assert admission.limit == 100.0


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5_000)), max_size=200))
def test_the_limit_never_leaves_its_bounds(looks: list[tuple[float, int]]) -> None:
    admission = Admission()
    for late, under_way in looks:
        admission.under_way = under_way
        admission.look(late)
        assert LEAST <= admission.limit <= MOST


def test_what_comes_at_once_is_taken_up_to_a_moments_work() -> None:
    admission = Admission(cost=0.001, _at=0.0)
    taken = sum(not admission.full(now=0.0) for _ in range(1_000))
    assert taken == pytest.approx(BUDGET / 0.001, abs=1)
    assert admission.shed == 1_000 - taken
    assert not admission.full(now=0.1), "a tenth of a second later there is room again"


@settings(deadline=None)
@given(cost=st.floats(0.0005, 0.05), times=st.floats(2, 20))
def test_of_more_than_it_can_a_worker_takes_about_what_it_can(cost: float, times: float) -> None:
    admission, taken = Admission(cost=cost, _at=0.0), 0
    calls = int(20 * times / cost)
    for number in range(calls):
        taken += not admission.full(now=number * cost / times)
    seconds = calls * cost / times
    assert seconds / cost <= taken <= HEADROOM * seconds / cost + BUDGET / cost + 2


def test_who_asks_no_faster_than_it_can_is_never_refused() -> None:
    admission = Admission(cost=0.002, _at=0.0)
    assert not any(admission.full(now=number * 0.002) for number in range(5_000))


def test_what_a_call_takes_is_learnt_without_what_refusals_took() -> None:
    admission = Admission(under_way=10_000)
    for _ in range(100):
        for _ in range(10):
            admission.done()
        admission._refused = 100
        admission.learn(10 * 0.004 + 100 * REFUSAL)
    assert admission.cost == pytest.approx(0.004, rel=1e-3)
    admission.learn(1.0)
    assert admission.cost == pytest.approx(0.004, rel=1e-3), "nothing ended: nothing is learnt"
