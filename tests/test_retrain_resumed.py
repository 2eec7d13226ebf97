"""A retrain whose worker dies at any of its steps is taken up where it was, and counts once."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lake_content import LATER, START, capability, labelled_rows
from prefect import Task
from taught import at, give_database, shop, teach, trained

from flows.ground import Ground
from flows.retrain_model import train_for
from opslayer.records import Cause, CauseKind
from opslayer.steps import settle
from opslayer.steps.judge import judge
from opslayer.steps.memory import Memory, recall
from opslayer.steps.settle import Judged
from opslayer.steps.succession import cut
from opslayer.stores import Stores
from tasks import loop


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What there was after each kill and the run that took the cause up; the last had no kill."""
    script = Path(__file__).with_name("killed_retrain.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("resumed"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    names = [line for line in lines if isinstance(line, str)]
    found = [line for line in lines if isinstance(line, dict)]
    assert len(found) == len(names) + 1
    places = [f"{place}: {name}" for place, name in enumerate([*names, "unharmed"])]
    return dict(zip(places, found, strict=True))


def test_it_was_killed_after_every_step_and_inside_those_that_write_more_than_once(
    resumed: dict[str, Any],
) -> None:
    names = {place.split(": ")[1] for place in resumed}
    steps = {f"after {step}" for step in ("cut", "take", "validate", "train", "judge", "settle")}
    assert steps | {"after claim", "after finish", "unharmed"} <= names
    writes = ("add", "keep_only", "publish", "set_champion", "record_next")
    assert {f"before {write}" for write in writes} <= names


def test_whenever_its_worker_died_a_cause_ends_where_an_undisturbed_one_ends(
    resumed: dict[str, Any],
) -> None:
    *killed, whole = resumed.items()
    for place, found in killed:
        assert found == whole[1], place


def test_a_cause_leads_to_one_version_per_recipe_and_one_release(resumed: dict[str, Any]) -> None:
    for place, found in resumed.items():
        assert (found["status"], found["releases"]) == ("done", 1), place
        assert found["recipes"] == ["all", "last"], place
        assert len(found["cuts"]) == len(found["exams"]) == 1, place
        assert found["alias"], place
        assert found["loads"], place


def test_the_policy_hears_of_a_training_once(resumed: dict[str, Any]) -> None:
    for place, found in resumed.items():
        assert [kind for kind, _ in found["verdicts"]].count("policy") == 1, place
        assert found["forgotten"] == 0, place


def test_a_killed_training_leaves_no_run_or_file_behind(resumed: dict[str, Any]) -> None:
    for place, found in resumed.items():
        assert (found["strays"], found["aside"]) == (0, []), place


def test_two_trainings_that_end_at_once_are_both_remembered(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the policy's memory first and writes it last must not undo the other."""
    teach(give_database(stores), shop(), 14)
    run(stores, trained_for(stores, 10))
    one, other = trained_for(stores, 11), trained_for(stores, 12)
    calls: list[Memory | None] = []

    def slow(*here: Any) -> Memory | None:
        memory = recall(*here)
        calls.append(memory)
        if len(calls) == 1:
            settle.settle(shop(), other[0], other[1], stores)
        return memory

    monkeypatch.setattr("opslayer.steps.settle.recall", slow)
    settle.settle(shop(), one[0], one[1], stores)
    memory = recall(shop(), stores)
    assert memory is not None
    assert sorted(member.version for member in memory.state.pool) == [1, 2, 3]
    assert memory.state.trained == 2, "the first model is what the policy begins with"


def trained_for(stores: Stores, day: int) -> tuple[Cause, list[Judged]]:
    """A cause of a day, trained for and judged but not settled."""
    version = trained(stores, shop(), day, about=f"day {day}")
    asked = Cause(capability="shop", kind=CauseKind.PERSON, about=f"day {day}", at=at(day))
    return asked, [Judged(version, judge(shop(), version, asked, stores))]


def run(stores: Stores, judged: tuple[Cause, list[Judged]]) -> None:
    settle.settle(shop(), *judged, stores)


def test_rows_that_share_one_moment_are_trained_on_and_the_same_exam_is_kept_when_taken_up(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a moment is divided; what is not in the exam is what there is to learn from."""
    for name, task in list(vars(loop).items()):
        if isinstance(task, Task):
            monkeypatch.setattr(loop, name, task.fn)
    spec = capability("regression", training={"estimator": "sklearn.dummy.DummyRegressor"})
    labelled_rows(give_database(stores), spec, [START] * 300)
    asked = Cause(capability=spec.name, kind=CauseKind.PERSON, about="asked", at=LATER)
    judged, settled = train_for(Ground(spec, stores), asked)
    assert settled.release is not None
    version = judged[0].version
    sizes = [
        stores.ledger.snapshots.get(spec.name, digest).rows
        for digest in (version.snapshot, version.exam)
    ]
    assert sum(sizes) == 300
    assert all(sizes)
    again, _ = train_for(Ground(spec, stores), asked)
    assert again == judged
    exams = [cut(spec, stores, asked), version.cut]
    assert exams[0] == exams[1] == START + timedelta(microseconds=1)
