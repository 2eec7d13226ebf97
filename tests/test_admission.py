"""How many calls a worker takes, by how late its loop is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import EARLY, LATE, LEAST, MOST, Admission


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
