"""One run per cause: who may hold it, for how long, and when there is room for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from backend import database_at
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from opslayer.capability import Budget, Retrain
from opslayer.errors import CauseTaken, NotFound, NotNow
from opslayer.records import Cause, CauseKind, Recipe, Version
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.causes import LEASE, Causes, new_owner
from opslayer.stores.ledger.database import transaction
from opslayer.stores.ledger.room import earliest

AT = datetime(2024, 5, 6, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FREE = Retrain(cooldown=timedelta(0), budget=Budget(runs=1000, per=DAY))
RULES = Retrain(cooldown=DAY, budget=Budget(runs=3, per=30 * DAY))
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(database_at(tmp_path / "ledger.db"))


@pytest.fixture
def brief(ledger: Ledger) -> Causes:
    """The same causes with leases of half a second, so that a test can outlive one."""
    return Causes(ledger.url, lease=0.5)


def cause(about: str = "window 7", at: datetime = AT, recipes: int = 1) -> Cause:
    wanted = (Recipe.ALL, Recipe.LAST)[:recipes]
    return Cause(capability="bike-demand", kind=CauseKind.HARM, about=about, at=at, recipes=wanted)


def opened(causes: Causes, *args: object, **more: object) -> Cause:
    made = cause(*args, **more)  # type: ignore[arg-type]
    assert causes.open(made)
    return made


def trained(ledger: Ledger, number: int, cause: str, at: datetime, recipe: str = "all") -> None:
    ledger.versions.add(
        Version(
            settings="as ever",
            capability="bike-demand",
            version=number,
            run_id="run",
            recipe=Recipe(recipe),
            snapshot="aa",
            exam="bb",
            cut=at,
            trained_at=at,
            cause=cause,
            manifest={},
        )
    )


def test_a_cause_delivered_twice_is_one_cause(ledger: Ledger) -> None:
    made = cause()
    assert [ledger.causes.open(made), ledger.causes.open(made)] == [True, False]
    assert [row.cause for row in ledger.causes.list("bike-demand")] == [made]


def test_a_cause_asked_for_again_counts_later_while_it_waits_and_only_then(ledger: Ledger) -> None:
    made = opened(ledger.causes)
    later, last = (made.model_copy(update={"at": AT + days * DAY}) for days in (1, 2))
    assert [ledger.causes.open(later), ledger.causes.open(made)] == [False, False]
    assert ledger.causes.claim(made.id, "one", RULES) == later
    assert not ledger.causes.open(last)
    assert ledger.causes.get(made.id).cause == later


def test_a_cause_that_waits_can_be_refused_and_one_that_runs_can_not(ledger: Ledger) -> None:
    waiting, running = opened(ledger.causes, "window 7"), opened(ledger.causes, "window 8")
    ledger.causes.claim(running.id, "one", FREE)
    said = [ledger.causes.refuse(made.id, "me", "overtaken") for made in (waiting, running)]
    assert said == [True, False]
    with pytest.raises(CauseTaken, match="overtaken"):
        ledger.causes.claim(waiting.id, "two", FREE)
    assert ledger.causes.get(running.id).status == "claimed"


def test_a_cause_has_one_holder_and_one_run(ledger: Ledger) -> None:
    made = opened(ledger.causes)
    assert ledger.causes.claim(made.id, "one", RULES) == made
    with pytest.raises(CauseTaken, match="held by one until"):
        ledger.causes.claim(made.id, "two", RULES)
    ledger.causes.finish(made.id, "one", "done", "release 4")
    for owner in ("one", "two"):
        with pytest.raises(CauseTaken, match="had its one run: release 4"):
            ledger.causes.claim(made.id, owner, RULES)
    row = ledger.causes.get(made.id)
    assert (row.status, row.owner, row.attempts, row.result) == ("done", "one", 1, "release 4")
    assert not ledger.causes.open(made)


def test_a_holder_may_ask_again_without_a_new_attempt(ledger: Ledger) -> None:
    made = opened(ledger.causes)
    ledger.causes.claim(made.id, "one", RULES)
    ledger.causes.claim(made.id, "one", RULES)
    assert ledger.causes.get(made.id).attempts == 1


def test_causes_are_listed_oldest_first_and_by_status(ledger: Ledger) -> None:
    late, early = opened(ledger.causes, "late", AT + DAY), opened(ledger.causes, "early")
    ledger.causes.claim(late.id, "one", RULES)
    assert [row.cause for row in ledger.causes.list("bike-demand")] == [early, late]
    assert [row.cause for row in ledger.causes.list("bike-demand", "open")] == [early]
    assert ledger.causes.list("bike-demand", "done") == ledger.causes.list("digit-images") == []
    with pytest.raises(NotFound):
        ledger.causes.claim("0" * 16, "one", RULES)


def test_a_lapsed_lease_is_taken_over_and_the_old_holder_is_told(brief: Causes) -> None:
    made = opened(brief)
    brief.claim(made.id, "dead", RULES)
    time.sleep(0.6)
    assert brief.claim(made.id, "heir", RULES) == made
    assert brief.get(made.id).attempts == 2
    with pytest.raises(CauseTaken, match="held by heir"):
        brief.renew(made.id, "dead")
    with pytest.raises(CauseTaken, match="held by heir"):
        brief.finish(made.id, "dead", "done", "too late")
    brief.finish(made.id, "heir", "done", "release 1")
    with pytest.raises(CauseTaken, match="finished by heir"):
        brief.finish(made.id, "dead", "done", "too late")


def test_a_lease_lasts_fifteen_seconds_of_wall_clock_time(ledger: Ledger) -> None:
    made = opened(ledger.causes)
    before = datetime.now(UTC)
    ledger.causes.claim(made.id, "one", RULES)
    until = ledger.causes.get(made.id).lease_until
    assert until is not None
    assert LEASE == 15
    assert before <= until - timedelta(seconds=LEASE) <= datetime.now(UTC)


def test_a_held_cause_outlives_its_lease_many_times(brief: Causes) -> None:
    made = opened(brief)
    brief.claim(made.id, "one", RULES)
    with brief.hold(made.id, "one"):
        for _ in range(4):
            time.sleep(0.5)
            with pytest.raises(CauseTaken):
                brief.claim(made.id, "two", RULES)
    brief.finish(made.id, "one", "done", "release 1")


def test_a_block_that_lost_its_lease_hears_of_it_at_its_end(brief: Causes) -> None:
    made = opened(brief)
    brief.claim(made.id, "one", RULES)
    with (
        pytest.raises(CauseTaken, match="held by two"),
        brief.hold(made.id, "one"),
        transaction(brief.url) as connection,
    ):
        connection.execute(text("UPDATE causes SET owner = 'two'"))
    with pytest.raises(CauseTaken, match="held by two") as told, brief.hold(made.id, "one"):
        raise KeyError("its run was cleared away from under it")
    assert isinstance(told.value.__cause__, KeyError)
    with pytest.raises(KeyError), brief.hold(made.id, "two"):
        raise KeyError("an error of its own")
    assert not any("_renew_until" in thread.name for thread in threading.enumerate())


def test_a_block_may_finish_its_cause_itself(brief: Causes) -> None:
    made = opened(brief)
    brief.claim(made.id, "one", RULES)
    with brief.hold(made.id, "one"):
        brief.finish(made.id, "one", "refused", "too few labels")
        time.sleep(0.4)
    assert brief.get(made.id).status == "refused"
    brief.finish(made.id, "one", "refused", "too few labels")


@pytest.mark.parametrize("jump", [-DAY, -HOUR, HOUR, DAY])
def test_a_clock_that_jumps_takes_no_cause_from_a_living_holder(
    brief: Causes, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(brief)
    holding, over = FORK.Event(), FORK.Event()

    def hold() -> None:
        brief.claim(made.id, "living", RULES)
        with brief.hold(made.id, "living"):
            holding.set()
            over.wait(60)

    holder = FORK.Process(target=hold)
    holder.start()
    assert holding.wait(60)

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + jump

    monkeypatch.setattr("opslayer.stores.ledger.causes.datetime", Jumped)
    with pytest.raises(CauseTaken, match="held by living"):
        brief.claim(made.id, "elsewhere", RULES)
    over.set()
    holder.join()
    assert holder.exitcode == 0
    assert brief.claim(made.id, "elsewhere", RULES) == made  # the holder is silent now


def test_a_worker_killed_while_it_holds_a_cause_is_followed_by_the_next(brief: Causes) -> None:
    made = opened(brief)
    child = os.fork()
    if child == 0:
        brief.claim(made.id, new_owner(), RULES)
        with brief.hold(made.id, "whoever"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert brief.get(made.id).status == "claimed"
    time.sleep(0.6)
    assert brief.claim(made.id, new_owner(), RULES) == made


def test_of_workers_that_claim_at_once_one_holds_the_cause(ledger: Ledger) -> None:
    ids = [opened(ledger.causes, f"window {window}").id for window in range(10)]
    start = FORK.Event()
    results = FORK.Queue()

    def claim_all() -> None:
        owner = new_owner()
        start.wait()
        for id in ids:
            try:
                ledger.causes.claim(id, owner, FREE)
                results.put(id)
            except CauseTaken:
                results.put(None)

    workers = [FORK.Process(target=claim_all) for _ in range(5)]
    for worker in workers:
        worker.start()
    start.set()
    said = [results.get(timeout=60) for _ in range(50)]
    for worker in workers:
        worker.join()
    assert sorted(id for id in said if id) == sorted(ids)


def test_owners_differ_between_threads_and_calls() -> None:
    owners = [new_owner(), new_owner()]
    thread = threading.Thread(target=lambda: owners.append(new_owner()))
    thread.start()
    thread.join()
    assert len(set(owners)) == 3
    assert all(len(owner) <= 64 for owner in owners)


def test_a_first_training_is_never_blocked(ledger: Ledger) -> None:
    made = opened(ledger.causes, recipes=2)
    tight = Retrain(cooldown=365 * DAY, budget=Budget(runs=1, per=365 * DAY))
    assert ledger.causes.claim(made.id, "one", tight) == made


def test_the_cool_down_says_when_to_ask_again_and_leaves_the_cause_open(ledger: Ledger) -> None:
    trained(ledger, 1, "earlier", AT - HOUR)
    made = opened(ledger.causes)
    with pytest.raises(NotNow, match="ask again from 2024-05-06 23:00 UTC"):
        ledger.causes.claim(made.id, "one", RULES)
    assert ledger.causes.get(made.id).status == "open"
    for hours in (22, 23):
        again = made.model_copy(update={"at": AT + hours * HOUR})
        ledger.causes.open(again)
        if hours == 22:
            with pytest.raises(NotNow):
                ledger.causes.claim(made.id, "one", RULES)
    assert ledger.causes.claim(made.id, "one", RULES) == again


def test_the_budget_counts_trainings_in_any_span(ledger: Ledger) -> None:
    for number, days in enumerate((25, 20, 2), start=1):
        trained(ledger, number, f"cause {number}", AT - days * DAY)
    made = opened(ledger.causes)
    with pytest.raises(NotNow, match=r"at most 3 trainings per 30d.*from 2024-05-11 00:00 UTC"):
        ledger.causes.claim(made.id, "one", RULES)
    ledger.causes.open(made.model_copy(update={"at": AT + 5 * DAY}))
    assert ledger.causes.claim(made.id, "one", RULES).at == AT + 5 * DAY


def test_more_trainings_than_the_budget_ever_allows_is_said_plainly(ledger: Ledger) -> None:
    trained(ledger, 1, "earlier", AT - 400 * DAY)
    made = opened(ledger.causes, recipes=2)
    one = Retrain(budget=Budget(runs=1, per=DAY))
    with pytest.raises(NotNow, match=r"wants 2 trainings.*raise retrain\.budget\.runs"):
        ledger.causes.claim(made.id, "one", one)


def test_a_half_done_cause_is_not_blocked_by_its_own_trainings(
    ledger: Ledger, brief: Causes
) -> None:
    trained(ledger, 1, "earlier", AT - 10 * DAY)
    made = opened(brief, recipes=2)
    brief.claim(made.id, "dead", RULES)
    trained(ledger, 2, made.id, AT)
    time.sleep(0.6)
    assert brief.claim(made.id, "heir", RULES) == made


def test_causes_that_are_claimed_count_before_they_have_trained(ledger: Ledger) -> None:
    trained(ledger, 1, "earlier", AT - 10 * DAY)
    claimed = opened(ledger.causes, recipes=2)
    ledger.causes.claim(claimed.id, "one", RULES)
    other = opened(ledger.causes, "window 8", AT + 2 * DAY)
    for done in (None, "all", "last"):  # whether its trainings are owed or done, they are two
        if done:
            trained(ledger, 2 + (done == "last"), claimed.id, AT, done)
        with pytest.raises(NotNow, match="from 2024-05-26 00:00 UTC"):
            ledger.causes.claim(other.id, "two", RULES)
    ledger.causes.finish(claimed.id, "one", "done", "release 2")
    with pytest.raises(NotNow, match="from 2024-05-26 00:00 UTC"):
        ledger.causes.claim(other.id, "two", RULES)


def test_a_refused_cause_that_trained_nothing_leaves_its_room(ledger: Ledger) -> None:
    trained(ledger, 1, "earlier", AT - 10 * DAY)
    refused = opened(ledger.causes)
    ledger.causes.claim(refused.id, "one", RULES)
    other = opened(ledger.causes, "window 8")
    with pytest.raises(NotNow):
        ledger.causes.claim(other.id, "two", RULES)
    ledger.causes.finish(refused.id, "one", "refused", "too few labels")
    assert ledger.causes.claim(other.id, "two", RULES) == other


def test_claims_at_once_never_overshoot_the_budget(ledger: Ledger) -> None:
    trained(ledger, 1, "earlier", AT - 10 * DAY)
    rules = Retrain(cooldown=timedelta(0), budget=Budget(runs=4, per=30 * DAY))
    ids = [opened(ledger.causes, f"window {w}", AT + w * HOUR).id for w in range(12)]
    start = FORK.Event()
    results = FORK.Queue()

    def claim_some(mine: list[str]) -> None:
        start.wait()
        for id in mine:
            try:
                ledger.causes.claim(id, new_owner(), rules)
                results.put(1)
            except NotNow:
                results.put(0)

    workers = [FORK.Process(target=claim_some, args=(ids[part::4],)) for part in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    assert sum(results.get(timeout=60) for _ in ids) == 3
    for worker in workers:
        worker.join()


moments = st.integers(0, 60 * 24).map(lambda hours: AT + hours * HOUR)


@given(
    at=moments,
    wanted=st.integers(1, 3),
    trainings=st.lists(moments, max_size=12),
    rules=st.builds(
        lambda cooldown, runs, per: Retrain(
            cooldown=cooldown * HOUR, budget=Budget(runs=runs, per=per * HOUR)
        ),
        cooldown=st.integers(0, 72),
        runs=st.integers(1, 6),
        per=st.integers(1, 400),
    ),
)
def test_the_moment_named_is_the_first_whole_hour_that_breaks_no_rule(
    at: datetime, wanted: int, trainings: list[datetime], rules: Retrain
) -> None:
    runs, per = rules.budget.runs, rules.budget.per // HOUR

    def breaks(moment: datetime) -> bool:
        if any(abs(moment - time) < rules.cooldown for time in trainings):
            return True
        every = [*trainings, *[moment] * wanted]
        spans = [moment + shift * HOUR for shift in range(-per + 1, 1)]  # those that hold it
        return any(sum(s <= time < s + per * HOUR for time in every) > runs for s in spans)

    said = earliest(at, wanted, trainings, rules)
    if said is None:
        assert wanted > runs
        return
    hours = int((said - at) / HOUR)
    assert not breaks(said)
    assert all(breaks(at + hour * HOUR) for hour in range(max(0, hours - 48), hours))
