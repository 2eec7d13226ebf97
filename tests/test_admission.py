"""How many calls a worker takes, by how late its loop is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import EARLY, HELD, LATE, LEAST, MOST, REFUSAL, WAIT, Admission


def test_an_idle_worker_takes_as_many_as_it_can_hold() -> None:
    async def lived() -> int:
        admission = Admission(under_way=int(MOST) - 1)
        admission.look(0.0)
        assert not admission.full()
        admission.under_way += 1
        assert admission.full()
        return admission.shed

    assert asyncio.run(lived()) == 1


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


def test_what_is_still_being_sent_is_nobodys_work_but_its_bytes_are_bounded() -> None:
    admission = Admission(under_way=1)
    with admission.aside("one") as hold, admission.aside("two") as other:
        assert admission.under_way == -1
        assert hold(HELD // 2)
        assert not hold(1)
        assert other(HELD // 2 - 1)
        assert not other(1)
    assert (admission.under_way, admission.held) == (1, {})


def test_what_is_refused_once_its_body_is_here_makes_no_call_seem_cheap() -> None:
    async def lived() -> None:
        admission = Admission(under_way=int(MOST) + 1)
        for _ in range(100):
            assert admission.crowded()
            admission.done()
            admission.under_way += 1
        before = admission.cost
        admission.learn(10.0)
        assert admission.cost == before

    asyncio.run(lived())


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 5_000)), max_size=200))
def test_the_limit_never_leaves_its_bounds(looks: list[tuple[float, int]]) -> None:
    admission = Admission()
    for late, under_way in looks:
        admission.under_way = under_way
        admission.look(late)
        assert LEAST <= admission.limit <= MOST


async def rush(admission: Admission, calls: int) -> int:
    """Calls that come in one turn of the loop; how many are taken."""
    return sum(not admission.full() for _ in range(calls))


def test_of_what_comes_at_once_those_are_taken_who_have_not_long_to_wait() -> None:
    async def lived() -> tuple[int, int, int]:
        admission = Admission(cost=0.002)
        first, more = await rush(admission, 1_000), await rush(admission, 1_000)
        await asyncio.sleep(0)  # they have entered; nobody stands in line
        return first, more, await rush(admission, 1_000)

    assert asyncio.run(lived()) == (WAIT / 0.002, 0, WAIT / 0.002)


def test_who_stands_in_line_is_counted_until_it_had_its_turn() -> None:
    async def lived() -> tuple[int, int]:
        admission = Admission(cost=WAIT / 10)
        admission.line._spent = 1.0
        asked = [asyncio.ensure_future(admission.line.run(lambda: None)) for _ in range(8)]
        await asyncio.sleep(0)
        while_waiting = await rush(admission, 1_000)
        admission.line._turn()
        await asyncio.gather(*asked)
        return while_waiting, await rush(admission, 1_000)

    assert asyncio.run(lived()) == (2, 10)


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
