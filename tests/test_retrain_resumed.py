"""A retrain whose worker dies at any of its steps is taken up where it was, and counts once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


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
    writes = ("register", "add", "keep_only", "publish", "set_champion", "record_next")
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
