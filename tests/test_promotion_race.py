"""Races and kills at suite size; `make bench` runs the same at full size."""

from __future__ import annotations

import json
from datetime import timedelta
from math import nan
from pathlib import Path

import pytest

from benchmarks import one_run_per_cause, promotion_race
from benchmarks.__main__ import main, programs
from benchmarks.bars import Bar, finish, upper_bound
from benchmarks.one_run_per_cause import Plan


def test_promoters_that_race_and_die_leave_one_whole_history(tmp_path: Path) -> None:
    tally = promotion_race.race(str(tmp_path / "home"), rounds=8, killed=0.5)
    assert tally.promotions == 8 * promotion_race.PROMOTERS
    assert tally.kills > 0
    found = [bar for bar in promotion_race.bars(tally) if bar.name != "rounds_with_a_kill"]
    assert [bar.value for bar in found] == [0, 0, 0, 0]


def test_every_cause_is_run_once_while_its_workers_are_killed(tmp_path: Path) -> None:
    plan = Plan(
        home=str(tmp_path / "home"), events=20, causes=3, workers=2, kills=4, lease=0.5, chance=0.06
    )
    tally = one_run_per_cause.run(plan)
    assert (tally.finished, tally.lost, tally.doubled, tally.failed) == (3, 0, 0, 0)
    assert (tally.strays, tally.forgotten, tally.wrong_champion) == (0, 0, 0)
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
