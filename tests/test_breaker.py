"""When a deployment is left alone, and when it is trusted again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.breaker import CONSECUTIVE, FIRST, LONGEST, WINDOW, Breaker
from gateway.upstreams.budget import MOST, SHARE, RetryBudget


def broken(at: float = 0.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(CONSECUTIVE):
        breaker.failed(at)
    return breaker


def test_failures_in_a_row_open_it_and_one_answer_in_between_does_not() -> None:
    breaker = Breaker()
    for _ in range(CONSECUTIVE - 1):
        breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    assert breaker.allows(0)
    assert not broken().allows(0)


def test_half_of_the_last_calls_failing_opens_it() -> None:
    breaker = Breaker()
    for _ in range(WINDOW // 2):
        breaker.succeeded()
        breaker.failed(0)
    assert not breaker.allows(0)


def test_after_its_pause_one_call_and_no_second_one_is_let_through() -> None:
    breaker = broken()
    assert not breaker.allows(FIRST - 0.01)
    assert breaker.allows(FIRST)
    breaker.begin(FIRST)
    assert not breaker.allows(FIRST)


def test_a_probe_that_answers_closes_it() -> None:
    breaker = broken()
    breaker.begin(FIRST)
    breaker.succeeded()
    assert breaker.allows(FIRST)


def test_each_probe_that_fails_doubles_the_pause_up_to_its_bound() -> None:
    breaker, now, pauses = broken(), 0.0, []
    for _ in range(8):
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        breaker.begin(now)
        breaker.failed(now)
    assert pauses == [min(LONGEST, FIRST * 2**number) for number in range(8)]


def test_a_probe_that_was_given_up_leaves_room_for_the_next() -> None:
    breaker = broken()
    breaker.begin(FIRST)
    breaker.left()
    assert breaker.allows(FIRST)


def test_what_a_deployment_says_of_its_return_is_believed() -> None:
    breaker = Breaker()
    breaker.hold(7)
    assert not breaker.allows(6.9)
    assert breaker.allows(7)


@given(st.lists(st.booleans(), max_size=2_000))
def test_retries_are_never_more_than_a_share_of_the_calls_and_what_was_saved(
    wanted: list[bool],
) -> None:
    budget, retries = RetryBudget(), 0
    for retry in wanted:
        budget.called()
        retries += retry and budget.take()
    assert retries <= MOST + SHARE * len(wanted) + 1e-6
