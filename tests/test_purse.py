"""No key's calls cost more than its budget, whichever worker makes them and whoever dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backend import database_at, local_only
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from gateway.access import Denied, Hold, Purse
from gateway.access.purse import IDLE
from opslayer.records import Key
from opslayer.stores.ledger.database import engine
from opslayer.stores.ledger.keys import Keys, Terms
from opslayer.stores.ledger.money import amount_of, billionths

FORK = multiprocessing.get_context("fork")
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(database_at(tmp_path / "ledger.db"))


def key_of(keys: Keys, budget: float | None) -> Key:
    return keys.create(Terms(name="test", budget=budget), AT).key


def spent(keys: Keys) -> float:
    return keys.all()[0].spent


@asynccontextmanager
async def purses(keys: Keys, count: int = 1) -> AsyncIterator[list[Purse]]:
    made = [Purse(keys, Clock()) for _ in range(count)]
    yield made
    for purse in made:
        await purse.stop()


async def held(purse: Purse, key: Key, worst: float) -> Hold | None:
    """A hold, or None where it does not fit."""
    try:
        return await purse.hold(key, worst)
    except Denied as denied:
        if denied.status != 429:
            raise
        return None


def test_a_call_is_refused_when_the_most_it_can_cost_does_not_fit(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            first = await purse.hold(key, 0.6)
            with pytest.raises(
                Denied, match=r"up to 0\.6, and 0\.4 is left of its budget of 1:"
            ) as no:
                await purse.hold(key, 0.6)
            assert (no.value.status, no.value.code) == (429, "insufficient_quota")
            assert no.value.retry_after
            await purse.settle(first, 0.1)
            await purse.settle(await purse.hold(key, 0.6), 0.2)

    asyncio.run(run())
    assert spent(keys) == 0.3


def test_a_worst_case_without_a_bound_never_fits(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            for worst in (float("inf"), float("nan"), 1e300, 1.1):
                with pytest.raises(Denied, match="its whole budget is 1: ask for less"):
                    await purse.hold(key, worst)

    asyncio.run(run())
    assert spent(keys) == 0.0


def test_a_free_call_is_admitted_though_nothing_is_left(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            await purse.settle(await purse.hold(key, 1.0), 1.0)
            assert await held(purse, key, 1e-9) is None
            await purse.settle(await purse.hold(key, 0.0), 0.0)
            await purse.settle(await purse.hold(None, 5.0), 5.0)

    asyncio.run(run())
    assert spent(keys) == 1.0


def test_a_call_that_costs_more_than_its_worst_case_is_paid_all_the_same(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            await purse.settle(await purse.hold(key, 0.9), 1.2)
            assert billionths(spent(keys)) == billionths(1.2)  # at once, not only at the end
            assert await held(purse, key, 0.1) is None

    asyncio.run(run())


def test_a_hold_is_settled_once(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            hold = await purse.hold(key, 0.5)
            await purse.settle(hold, 0.2)
            await purse.settle(hold, 0.0)

    asyncio.run(run())
    assert spent(keys) == 0.2


def test_what_a_key_without_a_budget_costs_is_added_up(keys: Keys) -> None:
    key = key_of(keys, None)

    async def run() -> None:
        async with purses(keys, 2) as made:
            for purse in made:
                for _ in range(5):
                    await purse.settle(await purse.hold(key, 1e9), 0.25)

    asyncio.run(run())
    assert spent(keys) == 2.5


Steps = list[tuple[int, int, int, bool]]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(0, 100), st.booleans()),
        max_size=40,
    )
)
def test_the_ledger_never_knows_less_than_what_was_held_and_ends_at_what_was_paid(
    tmp_path_factory: pytest.TempPathFactory, steps: Steps
) -> None:
    keys = Keys(database_at(tmp_path_factory.mktemp("purse") / "ledger.db"))
    key = key_of(keys, 1000e-9)

    async def run() -> int:
        paid, open_holds = 0, list[tuple[Purse, Hold]]()
        async with purses(keys, 3) as made:
            for worker, worst, share, settles in steps:
                hold = await held(made[worker], key, amount_of(worst))
                if hold is not None:
                    open_holds.append((made[worker], hold))
                if settles and open_holds:
                    purse, done = open_holds.pop(0)
                    cost = done.amount * share // 100
                    await purse.settle(done, amount_of(cost))
                    paid += cost
                taken = paid + sum(hold.amount for _, hold in open_holds)
                assert taken <= billionths(spent(keys)) <= 1000
            for purse, hold in open_holds:
                await purse.settle(hold, 0)
        return paid

    assert asyncio.run(run()) == billionths(spent(keys))


def test_calls_at_once_spend_the_whole_budget_and_no_more(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def call(purse: Purse) -> bool:
        hold = await held(purse, key, 0.01)
        if hold is None:
            return False
        await asyncio.sleep(0)
        await purse.settle(hold, 0.01)
        return True

    async def run() -> int:
        async with purses(keys) as (purse,):
            return sum(await asyncio.gather(*(call(purse) for _ in range(150))))

    assert asyncio.run(run()) == 100
    assert spent(keys) == 1.0


def test_a_call_hardly_ever_waits_for_sql(keys: Keys) -> None:
    key, commits = key_of(keys, 50.0), list[object]()
    event.listen(engine(keys.url), "commit", commits.append)

    async def run() -> None:
        async with purses(keys) as (purse,):
            for _ in range(5000):
                await purse.settle(await purse.hold(key, 0.004), 0.001)

    asyncio.run(run())
    assert spent(keys) == 5.0
    assert len(commits) < 30


def test_refused_calls_don_t_hammer_the_ledger(keys: Keys) -> None:
    key, commits = key_of(keys, 1.0), list[object]()

    async def run() -> None:
        async with purses(keys) as (purse,):
            await purse.settle(await purse.hold(key, 1.0), 1.0)
            event.listen(engine(keys.url), "commit", commits.append)
            refused = [await held(purse, key, 0.1) for _ in range(500)]
            assert refused == [None] * 500

    asyncio.run(run())
    assert len(commits) <= 2


def test_an_advance_that_nobody_uses_is_given_back(keys: Keys) -> None:
    key = key_of(keys, 100.0)

    async def run() -> None:
        async with purses(keys, 2) as (idle, busy):
            await idle.settle(await idle.hold(key, 60.0), 0.0)
            assert await held(busy, key, 50.0) is None
            clock = idle.clock
            assert isinstance(clock, Clock)
            clock.now += IDLE
            await idle.tidy()
            other = busy.clock
            assert isinstance(other, Clock)
            other.now += IDLE
            await busy.settle(await busy.hold(key, 50.0), 50.0)

    asyncio.run(run())
    assert spent(keys) == 50.0


def test_a_caller_who_goes_away_while_money_is_taken_loses_none(keys: Keys) -> None:
    key = key_of(keys, 1.0)

    async def run() -> None:
        async with purses(keys) as (purse,):
            call = asyncio.create_task(purse.hold(key, 0.5))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await purse.settle(await purse.hold(key, 1.0), 0.25)

    asyncio.run(run())
    assert spent(keys) == 0.25


@local_only("moves SQLite's file away")
def test_while_the_ledger_is_away_what_is_in_hand_is_spent_and_no_more(
    keys: Keys, tmp_path: Path
) -> None:
    key = key_of(keys, 1.0)
    database, aside = tmp_path / "ledger.db", tmp_path / "aside"

    async def run() -> None:
        async with purses(keys) as (purse,):
            hold = await purse.hold(key, 0.5)
            engine(keys.url).dispose()
            database.rename(aside)
            database.mkdir()
            await purse.settle(hold, 0.1)
            await purse.settle(await purse.hold(key, 0.4), 0.1)
            for _ in range(3):
                with pytest.raises(Denied, match="does not answer") as away:
                    await purse.hold(key, 0.4)
                assert (away.value.status, away.value.retry_after) == (503, 1)
            clock = purse.clock
            assert isinstance(clock, Clock)
            clock.now += IDLE
            await purse.tidy()  # nothing is lost by it
            database.rmdir()
            aside.rename(database)
            await purse.settle(await purse.hold(key, 0.8), 0.2)

    asyncio.run(run())
    assert billionths(spent(keys)) == billionths(0.4)


def _spend(url: str, key: Key, seed: int, pipe: int) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        async with purses(Keys(url)) as (purse,):
            misses = 0
            while misses < 40:
                hold = await held(purse, key, chance.uniform(0.001, 0.02))
                if hold is None:
                    misses += 1
                    assert isinstance(purse.clock, Clock)
                    purse.clock.now += 1  # ask the ledger again
                    continue
                cost = hold.amount * chance.randint(0, 100) // 100
                os.write(pipe, f"{cost}\n".encode())  # the call is made, and costs this
                await purse.settle(hold, amount_of(cost))

    asyncio.run(run())


def test_workers_that_are_killed_leave_no_call_unpaid(keys: Keys) -> None:
    key = key_of(keys, 2.0)
    reader, writer = os.pipe()
    workers = [FORK.Process(target=_spend, args=(keys.url, key, n, writer)) for n in range(4)]
    for worker in workers:
        worker.start()
    os.close(writer)
    with os.fdopen(reader) as lines:
        costs = [int(next(lines)) for _ in range(40)]
        for worker in workers[:2]:
            os.kill(worker.pid or 0, signal.SIGKILL)
        costs += [int(line) for line in lines]
    for worker in workers:
        worker.join()
    assert sorted(worker.exitcode or 0 for worker in workers) == [-9, -9, 0, 0]
    assert sum(costs) <= billionths(spent(keys)) <= billionths(2.0)
    assert len(costs) > 100
