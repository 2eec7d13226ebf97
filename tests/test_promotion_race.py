"""Races and kills at suite size; `make bench` runs the same at full size."""

from __future__ import annotations

import itertools
import json
import time
from datetime import timedelta
from math import nan
from pathlib import Path

import pytest

from benchmarks import one_run_per_cause, promotion_race
from benchmarks.__main__ import main, programs
from benchmarks.bars import Bar, finish, upper_bound
from benchmarks.kills import dies
from benchmarks.one_run_per_cause import HARMED, Plan, deliver_and_run, harm


def test_promoters_that_race_and_die_leave_one_whole_history(tmp_path: Path) -> None:
    tally = promotion_race.race(str(tmp_path / "home"), rounds=8, killed=0.5)
    assert tally.promotions == 8 * promotion_race.PROMOTERS
    assert tally.kills > 0
    found = [bar for bar in promotion_race.bars(tally) if bar.name != "rounds_with_a_kill"]
    assert [bar.value for bar in found] == [0, 0, 0, 0]


def test_a_worker_killed_at_any_write_leads_to_one_training_and_one_release(
    tmp_path: Path,
) -> None:
    plan = Plan(home=str(tmp_path / "home"), lease=0.1, seconds=0)
    one_run_per_cause.register(plan)
    ledger = one_run_per_cause.stores_at(plan.home).ledger
    left = set()
    for number in itertools.count():
        died = dies(number + 1, deliver_and_run, plan, number)
        made = harm(number)
        trained = len(ledger.versions.for_cause(HARMED.name, made.id))
        released = ledger.releases.for_cause(HARMED.name, made.id) is not None
        row = next((row for row in ledger.causes.list(HARMED.name) if row.cause == made), None)
        left.add((row.status if row else "nothing", trained, released))
        time.sleep(plan.lease)
        deliver_and_run(plan, number)
        assert ledger.causes.get(made.id).status == "done"
        assert len(ledger.versions.for_cause(HARMED.name, made.id)) == 1
        assert [release.cause for release in ledger.releases.all(HARMED.name)].count(made.id) == 1
        if not died:
            break
    assert left == {
        ("nothing", 0, False),
        ("open", 0, False),
        ("claimed", 0, False),
        ("claimed", 1, False),
        ("claimed", 1, True),
        ("done", 1, True),
    }


def test_every_cause_is_run_once_while_its_workers_are_killed(tmp_path: Path) -> None:
    plan = Plan(
        home=str(tmp_path / "home"),
        events=20,
        causes=4,
        workers=2,
        kills=6,
        lease=0.5,
        seconds=0.4,
        chance=0.3,
    )
    tally = one_run_per_cause.run(plan)
    assert (tally.finished, tally.lost, tally.doubled) == (4, 0, 0)
    assert tally.kills > 0
    assert max(tally.resumed, default=0) < timedelta(minutes=1).total_seconds()


def test_no_failures_in_a_hundred_show_a_rate_below_three_percent() -> None:
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_bound(1, 20) == pytest.approx(0.2161, abs=1e-4)  # Clopper-Pearson's tables
    assert upper_bound(3, 3) == 1


def test_a_missed_bar_is_said_in_the_last_line_and_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bars = [Bar("lost", 0, "<= 0", of=100), Bar("ratio", 1.4, "<= 1.3"), Bar("rate", nan, ">= 0")]
    assert finish("mine", 100, bars) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["name"], last["n"]) == ("mine", 100)
    assert last["bars"][0] == {
        "name": "lost",
        "value": 0,
        "bar": "<= 0",
        "ok": True,
        "upper_95": pytest.approx(0.029513, abs=1e-6),
    }
    assert last["bars"][1:] == [
        {"name": "ratio", "value": 1.4, "bar": "<= 1.3", "ok": False},
        {"name": "rate", "value": None, "bar": ">= 0", "ok": False},
    ]
    assert finish("mine", 100, bars[:1]) == 0


def test_a_benchmark_that_is_not_there_names_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["promotion-races"]) == 2
    assert "promotion_race" in capsys.readouterr().err
    assert {"promotion_race", "one_run_per_cause"} <= set(programs())
    assert not {"bars", "kills"} & set(programs())
