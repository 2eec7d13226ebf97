"""Concurrent rows are asked together, and one that fails harms no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.predict import BATCH, QUICK, TRIED, Answer, Batcher, Row


@dataclass(eq=False)
class Doubles:
    """A model that doubles `x`, refuses 13, and remembers how it was asked."""

    seconds: float = 0.0
    """That a call takes, by the model's own clock."""
    now: float = 0.0
    calls: list[tuple[int, str]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        self.calls.append((len(rows), threading.current_thread().name))
        self.now += self.seconds
        if any(row["x"] == 13 for row in rows):
            raise ValueError("unlucky")
        return [{"value": 2 * row["x"]} for row in rows]


async def ask(batcher: Batcher, model: Doubles, xs: Sequence[int]) -> list[object]:
    asked = (batcher.predict(model, {"x": x}) for x in xs)
    return [
        said["value"] if isinstance(said, dict) else type(said)
        for said in await asyncio.gather(*asked, return_exceptions=True)
    ]


async def _known(batcher: Batcher, model: Doubles) -> None:
    """Ask often enough for the model's pace to be known."""
    for x in range(TRIED):
        await batcher.predict(model, {"x": x})
    model.calls.clear()


def test_rows_that_come_together_get_their_own_answers() -> None:
    async def run() -> list[object]:
        batcher = Batcher()
        first = await ask(batcher, Doubles(), range(12))
        await batcher.close()
        return first

    assert asyncio.run(run()) == [2 * x for x in range(12)]


@pytest.mark.parametrize("seconds", [0.0, 2 * QUICK])
def test_a_row_that_fails_fails_alone(seconds: float) -> None:
    async def run() -> list[object]:
        model = Doubles(seconds)
        batcher = Batcher(model.clock)
        await _known(batcher, model)
        said = await ask(batcher, model, [1, 13, 2])
        await batcher.close()
        return said

    assert asyncio.run(run()) == [2, ValueError, 4]


def test_a_quick_model_is_asked_in_the_event_loop_for_all_rows_of_a_turn() -> None:
    async def run() -> Doubles:
        model = Doubles()
        batcher = Batcher(model.clock)
        await _known(batcher, model)
        assert await ask(batcher, model, [7] * (2 * BATCH + 1)) == [14] * (2 * BATCH + 1)
        await batcher.close()
        return model

    here = threading.current_thread().name
    assert asyncio.run(run()).calls == [(BATCH, here), (BATCH, here), (1, here)]


def test_a_slow_model_never_holds_the_event_loop() -> None:
    async def run() -> Doubles:
        model = Doubles(2 * QUICK)
        batcher = Batcher(model.clock)
        await _known(batcher, model)
        await ask(batcher, model, range(5))
        await batcher.close()
        return model

    assert {thread for _, thread in asyncio.run(run()).calls} == {"predict"}


def test_a_quick_model_that_becomes_slow_leaves_the_event_loop() -> None:
    async def run() -> Doubles:
        model = Doubles()
        batcher = Batcher(model.clock)
        await _known(batcher, model)
        model.seconds = 20 * QUICK
        for x in range(3):
            await batcher.predict(model, {"x": x})
        await batcher.close()
        return model

    assert [thread for _, thread in asyncio.run(run()).calls][1:] == ["predict"] * 2
