"""What becomes of an experiment by what was heard: winner, harm, miscounting, bandits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taught import give_database

from opslayer.capability import Capability
from opslayer.records import Release, VerdictKind
from opslayer.settings import Settings
from opslayer.steps import experiment
from opslayer.steps.experiment import Running
from opslayer.steps.heard import Call
from opslayer.steps.introduce import introduce
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(hours=5)
ARMS = [{"name": "plain"}, {"name": "other", "pool": "other"}]


def desk(*experiments: dict[str, Any]) -> Capability:
    return Capability.model_validate(
        {
            "name": "desk",
            "kind": "chat",
            "upstreams": [
                {"name": name, "pool": name, "base_url": "http://127.0.0.1:9/v1", "model": "m"}
                for name in ("main", "other")
            ],
            "experiments": experiments,
        }
    )


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    stores = Stores.at(Settings(home=tmp_path / "home", configs=tmp_path))
    give_database(stores)
    return stores


def begin(stores: Stores, *experiments: dict[str, Any]) -> Running:
    """Every experiment begun; the first one, with nothing heard yet."""
    spec = desk(*experiments)
    release = introduce(spec, stores, START)
    assert release is not None
    for number, one in enumerate(experiments, start=1):
        decision = Promotion(number, "ann", f"try {one['name']}", None, (), START)
        experiment.start(spec, one["name"], stores, decision)
    found = experiment.running(spec, stores, {})
    return found[0]


Value = Callable[[int, dict[str, str], np.random.Generator], dict[str, Any]]


def hear(run: Running, subjects: int, value: Value, share: float = 0.5) -> None:
    """One call of each subject, dealt out to the arms of every experiment."""
    draw = np.random.default_rng(7)
    for number in range(subjects):
        arms = {
            one.name: one.arms[int(draw.random() < share)].name for one in run.newest.experiments
        }
        given = {
            "unit": f"rider-{number}", "named": True, "at": START + timedelta(seconds=number),
            "release": run.newest.number, "assigned": "main", "arms": arms, "left": False,
            "failed": False, "guarded": False, "latency_ms": 5.0, "cost": 0.0,
        }  # fmt: skip
        run.heard.calls[str(number)] = Call(**{**given, **value(number, arms, draw)})


def thumbs(plain: float, other: float) -> Value:
    """Thumbs up with these chances."""

    def value(_: int, arms: dict[str, str], draw: np.random.Generator) -> dict[str, Any]:
        return {"thumb": bool(draw.random() < (other if arms["engine"] == "other" else plain))}

    return value


def act(run: Running, stores: Stores) -> Release | None:
    return experiment.act(run, experiment.look(run), stores, LATER)


def test_a_winner_serves_and_only_once(stores: Stores) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS})
    hear(run, 2_000, thumbs(0.5, 0.7))
    release = act(run, stores)
    assert release is not None
    assert (release.champion.name, release.experiments) == ("other", ())
    assert act(run, stores) == release


def test_a_winner_waits_for_a_person_where_the_file_says_so(stores: Stores) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS, "promote": False})
    hear(run, 2_000, thumbs(0.5, 0.7))
    assert act(run, stores) is None
    (verdict,) = stores.ledger.verdicts.list("desk", VerdictKind.EXPERIMENT)
    assert (verdict.outcome, verdict.numbers["winner"]) == ("winner", "other")


def test_an_arm_that_harms_a_guardrail_ends_the_experiment_though_it_would_win(
    stores: Stores,
) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS, "guardrails": {"error": 0.05}})

    def value(number: int, arms: dict[str, str], draw: np.random.Generator) -> dict[str, Any]:
        failed = arms["engine"] == "other" and draw.random() < 0.3
        return {**thumbs(0.5, 0.8)(number, arms, draw), "failed": bool(failed)}

    hear(run, 3_000, value)
    release = act(run, stores)
    assert release is not None
    assert (release.champion.name, release.experiments) == ("main", ())
    assert "harms error" in release.reason


def test_subjects_that_are_missing_stop_every_conclusion(stores: Stores) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS})
    hear(run, 4_000, thumbs(0.5, 0.8), share=0.4)
    assert act(run, stores) is None
    (verdict,) = stores.ledger.verdicts.list("desk", VerdictKind.EXPERIMENT)
    assert verdict.outcome == "sample_ratio"
    assert "nothing can be concluded" in verdict.reason


def test_a_subject_counts_once_however_often_it_calls(stores: Stores) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS})
    hear(run, 100, thumbs(0.5, 0.5))
    for number in range(100, 5_000):
        again = run.heard.calls[str(number % 10)]
        run.heard.calls[str(number)] = replace(again, at=START + timedelta(seconds=number))
    assert experiment.look(run).numbers["subjects"] == 100


def test_two_experiments_that_change_each_other_are_warned_of_with_the_winner(
    stores: Stores,
) -> None:
    flow = {"name": "flow", "arms": [{"name": "short", "flow": 1}, {"name": "long", "flow": 2}]}
    run = begin(stores, {"name": "engine", "arms": ARMS}, flow)

    def value(_: int, arms: dict[str, str], draw: np.random.Generator) -> dict[str, Any]:
        good = 0.8 if arms == {"engine": "other", "flow": "long"} else 0.5
        return {"thumb": bool(draw.random() < good)}

    hear(run, 6_000, value)
    release = act(run, stores)
    assert release is not None
    assert "beware: what one experiment's arm does depends on the other's" in release.reason
    assert [one.name for one in release.experiments] == ["flow"]


def test_a_bandit_shifts_shares_to_the_better_arm_and_states_no_confidence(stores: Stores) -> None:
    run = begin(stores, {"name": "engine", "arms": ARMS, "bandit": True, "most": 2_000})
    hear(run, 400, thumbs(0.4, 0.7))
    shifted = act(run, stores)
    assert shifted is not None
    weights = {arm.name: arm.weight for arm in shifted.experiments[0].arms}
    assert weights["other"] > 0.9
    assert weights["plain"] >= 0.05
    later = replace(run, newest=shifted, experiment=shifted.experiments[0])
    assert experiment.act(later, experiment.look(later), stores, LATER) is None, "within the hour"
    hear(later, 2_000, thumbs(0.4, 0.7), share=0.9)
    won = experiment.act(later, experiment.look(later), stores, LATER + timedelta(hours=9))
    assert won is not None
    assert won.champion.name == "other"
    assert "no difference is stated with any confidence" in won.reason
    winner = stores.ledger.verdicts.list("desk", VerdictKind.EXPERIMENT)[0]
    assert (winner.outcome, winner.error_rate) == ("winner", None)
