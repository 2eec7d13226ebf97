"""Calls' guards, one after another: no turn of the loop is longer than it need be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.line import SLICE, Line


class Clock:
    """Seconds that pass only by work."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], float]:
        def done() -> float:
            self.now += seconds
            return self.now

        return done


async def worked(seconds: list[float]) -> tuple[list[float], list[float]]:
    """Let calls come at once, each with so much work; work in each turn, and when each was done."""
    clock = Clock()
    line, turns, before = Line(clock), [], 0.0
    asked = [asyncio.ensure_future(line.run(clock.work(one))) for one in seconds]
    while not all(one.done() for one in asked):
        await asyncio.sleep(0)
        turns.append(clock.now - before)
        before = clock.now
    return turns, [one.result() for one in asked]


@given(st.lists(st.floats(1e-5, 0.05), min_size=1, max_size=60))
def test_all_are_done_in_the_order_in_which_they_came(seconds: list[float]) -> None:
    _, done = asyncio.run(worked(seconds))
    assert done == sorted(done)
    assert done[-1] == pytest.approx(sum(seconds))


def test_of_long_texts_a_turn_looks_at_one() -> None:
    turns, _ = asyncio.run(worked([0.01] * 20))
    assert max(turns) == pytest.approx(0.01)


def test_of_short_texts_a_turn_looks_at_as_many_as_it_has_time_for() -> None:
    turns, _ = asyncio.run(worked([SLICE / 20] * 200))
    assert max(turns) <= 1.1 * SLICE
    assert sum(turn > 0 for turn in turns) < 25


def test_who_goes_while_waiting_holds_nobody_up() -> None:
    async def lived() -> list[str]:
        clock, said = Clock(), []
        line = Line(clock)

        async def ask(name: str) -> None:
            await line.run(clock.work(0.01))
            said.append(name)

        asked = {name: asyncio.ensure_future(ask(name)) for name in "abcd"}
        await asyncio.sleep(0)
        asked["b"].cancel()
        asked["c"].cancel()
        await asyncio.gather(*asked.values(), return_exceptions=True)
        assert len(line) == 0
        return said

    assert asyncio.run(lived()) == ["a", "d"]


def test_an_error_of_the_work_is_the_callers_alone() -> None:
    def broken() -> None:
        raise ValueError("a guard broke")

    async def lived() -> str:
        clock = Clock()
        line = Line(clock)
        first = asyncio.ensure_future(line.run(broken))
        second = asyncio.ensure_future(line.run(lambda: "well"))
        with pytest.raises(ValueError, match="broke"):
            await first
        return await second

    assert asyncio.run(lived()) == "well"
