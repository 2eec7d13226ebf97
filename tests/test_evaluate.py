"""Candidate and champion answer the same rows, which neither has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from taught import give_database, shop, teach, trained

from opslayer.frame import Frame
from opslayer.judgement import gate
from opslayer.records import Version
from opslayer.settings import Settings
from opslayer.steps.evaluate import evaluate, unseen
from opslayer.steps.predict import constant_prediction, score
from opslayer.steps.snapshot import load
from opslayer.stores import Stores
from opslayer.windows import EPOCH


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    made = give_database(Stores.at(Settings(home=tmp_path_factory.mktemp("evaluate") / "home")))
    teach(made, shop(), 20)
    return made


@pytest.fixture(scope="module")
def champion(stores: Stores) -> Version:
    return trained(stores, shop(), 20, about="the first")


@pytest.fixture(scope="module")
def candidate(stores: Stores, champion: Version) -> Version:
    teach(stores, shop(), 40, since=20, turned=True)
    return trained(stores, shop(), 60, about="the world has turned")


def document(stores: Stores, version: Version, tmp_path: Path) -> dict[str, Any]:
    uri = stores.models.tracking_uri
    path = MlflowClient(uri, uri).download_artifacts(
        version.run_id, "comparison.json", str(tmp_path)
    )
    return json.loads(Path(path).read_text())


def test_both_models_answer_the_rows_of_the_candidates_exam(
    stores: Stores, champion: Version, candidate: Version
) -> None:
    exam = evaluate(shop(), candidate, champion, stores)
    rows = load(shop(), candidate.exam, stores)
    assert (exam.truth == rows.target).all()
    assert (exam.candidate.values == score(shop(), candidate, rows.features, stores).values).all()
    assert (exam.champion.values == score(shop(), champion, rows.features, stores).values).all()
    assert exam.candidate.classes == ("no", "yes")
    assert set(exam.slices) == {"size", "city"}
    days = [(moment - EPOCH).days for moment in rows.event_time]
    assert exam.blocks.tolist() == days


def test_the_gate_promotes_a_candidate_that_knows_the_turned_world(
    stores: Stores, champion: Version, candidate: Version, tmp_path: Path
) -> None:
    spec = shop(gate={"metric": "accuracy", "min_labels": 60, "slices": ["size", "city"]})
    outcome = gate.judge(evaluate(spec, candidate, champion, stores), spec.gate, spec.kind)
    assert outcome.outcome == "promote"
    said = document(stores, candidate, tmp_path)
    assert said["against"] == "model-1"
    assert said["metrics"]["accuracy"]["candidate"] > said["metrics"]["accuracy"]["champion"] + 0.2
    by_city = {row["value"]: row["rows"] for row in said["slices"] if row["column"] == "city"}
    assert {"level 1", "(missing)"} <= set(by_city), "nobody declared the cities' names"
    assert sum(by_city.values()) == said["rows"]


def test_of_a_slice_only_declared_levels_are_named(
    stores: Stores, champion: Version, candidate: Version
) -> None:
    spec = shop(gate={"metric": "accuracy", "min_labels": 60, "slices": ["colour", "city"]})
    exam = evaluate(spec, candidate, champion, stores)
    assert set(exam.slices["colour"]) == {"red", "blue"}
    assert set(exam.slices["city"]) == {"level 1", "level 2", None}
    cities = load(spec, candidate.exam, stores).features["city"]
    assert ((exam.slices["city"] == "level 1") == (cities == cities.mode()[0])).all()


def test_the_first_training_is_held_against_the_constant(
    stores: Stores, champion: Version, tmp_path: Path
) -> None:
    exam = evaluate(shop(), champion, None, stores)
    learnt = load(shop(), champion.snapshot, stores)
    usual = learnt.target.mode()[0]
    assert set(exam.champion.values) == {usual}
    assert exam.champion.probabilities is not None
    assert exam.champion.probabilities.sum(axis=1) == pytest.approx(1)
    assert document(stores, champion, tmp_path)["against"] == "constant"


def test_rows_that_the_champion_was_trained_on_are_left_out(
    stores: Stores, champion: Version, candidate: Version
) -> None:
    rows = load(shop(), champion.exam, stores)
    middle = rows.event_time.iloc[len(rows) // 2].to_pydatetime()
    later = candidate.model_copy(update={"cut": middle})
    kept = unseen(rows, champion, later)
    assert kept.event_time.min() == middle
    assert len(kept) == len(rows) - len(rows) // 2
    assert len(evaluate(shop(), champion, candidate, stores).truth) == 0
    assert len(unseen(rows, champion, champion)) == len(rows)


def frame(target: list[object]) -> Frame:
    index = pd.Series(range(len(target)))
    times = pd.Series(pd.date_range("2024-01-01", periods=len(target), tz="UTC"))
    return Frame(index.astype(str), pd.DataFrame(index=index), pd.Series(target), times, times)


def test_the_constant_is_the_median_or_the_most_frequent_class() -> None:
    numbers, names = frame([1.0, 2.0, 9.0]), frame(["b", "a", "b", "a", "c"])
    assert constant_prediction(shop("regression"), numbers, 2).values.tolist() == [2.0, 2.0]
    usual = constant_prediction(shop(), names, 3)
    assert usual.values.tolist() == ["a", "a", "a"]
    assert usual.classes == ("a", "b", "c")
    assert usual.probabilities is not None
    assert usual.probabilities[0].tolist() == pytest.approx([0.4, 0.4, 0.2])
