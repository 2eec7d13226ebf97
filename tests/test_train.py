"""A training leads to one version, whatever happened on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from taught import at, give_database, order, shop, teach, trained

from opslayer.capability import Kind
from opslayer.errors import NotFound
from opslayer.learners.figures import draw, draw_importance
from opslayer.learners.importance import importance
from opslayer.learners.prediction import Prediction
from opslayer.learners.tabular import fit
from opslayer.records import Recipe, Version
from opslayer.steps.snapshot import load
from opslayer.steps.train import train
from opslayer.stores import Stores
from opslayer.stores.ledger.versions import Versions
from opslayer.stores.models import Models
from opslayer.stores.registration import CAUSE
from opslayer.stores.tracking import client

KILLS = ["log_model_artifacts", "create_model_version", "add"]
"""Before the files, the registry and the ledger; the script itself knows every write."""


def test_a_training_is_a_version_in_the_ledger_with_its_cut_and_metrics(stores: Stores) -> None:
    spec = shop("regression")
    teach(give_database(stores), spec, 15)
    snapshot, ordered = order(stores, spec, 15)
    version = train(spec, snapshot, stores, ordered)
    assert stores.ledger.versions.all("shop") == [version]
    assert version.cut == snapshot.until
    assert version.trained_at == at(15)
    assert (version.snapshot, version.exam) == (snapshot.digest, ordered.exam.digest)
    assert version.recipe is Recipe.ALL
    assert set(version.metrics) == {"mae", "rmse"}
    assert version.metrics["mae"] < 0.3
    assert set(version.manifest) >= {"MLmodel", "model.skops"}


def test_the_same_order_again_returns_the_version_and_fits_nothing(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(give_database(stores), shop(), 10)
    snapshot, ordered = order(stores, shop(), 10)
    version = train(shop(), snapshot, stores, ordered)
    monkeypatch.setattr("opslayer.learners.tabular.fit", None)
    assert train(shop(), snapshot, stores, ordered) == version


def test_an_attempt_that_died_before_the_one_that_counts_leaves_nothing_behind(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kills: one before the ledger has a version, the next before what was left is cleared."""
    teach(give_database(stores), shop(), 10)
    snapshot, ordered = order(stores, shop(), 10)
    for owner, name in ((Versions, "add"), (Models, "keep_only")):
        with monkeypatch.context() as dying:
            dying.setattr(owner, name, _die)
            with pytest.raises(SystemExit):
                train(shop(), snapshot, stores, ordered)
    version = train(shop(), snapshot, stores, ordered)
    mlflow = client(stores.models.tracking_uri)
    (found,) = mlflow.search_model_versions("name = 'shop'")
    assert int(found.version) == version.version
    every = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    assert [run.info.run_id for run in mlflow.search_runs(every)] == [version.run_id]


def _die(*_: object) -> None:
    raise SystemExit


WRITES = [
    "create_logged_model",
    "log_model_artifacts",
    "finalize_logged_model",
    "log_batch",
    "log_inputs",
    "log_outputs",
    "log_figure",
    "create_registered_model",
    "create_model_version",
    "set_terminated",
]
"""Every call with which a training writes to MLflow, once its run is there."""
DELETIONS = ["delete_model_version", "delete_logged_model", "set_terminated", "delete_run"]
"""And with which an attempt that does not count is cleared away."""


def test_a_training_overtaken_at_any_write_ends_with_the_version_that_counts(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker of its cause ends first, and clears away what this one has written so far."""
    teach(give_database(stores), shop(), 10)
    for moment in WRITES:
        snapshot, ordered = order(stores, shop(), 10, about=moment)
        faster: list[Version] = []
        with monkeypatch.context() as patch:
            again = partial(train, shop(), snapshot, stores, ordered)
            _first(patch, moment, lambda again=again, faster=faster: faster.append(again()))
            version = train(shop(), snapshot, stores, ordered)
        assert faster == [version], moment
        assert stores.ledger.versions.for_cause("shop", ordered.cause.id) == faster, moment
        assert _left(stores, ordered.cause.id) == ([version.version], [version.run_id]), moment
    folders = {path.parent for path in Path(stores.models.root).rglob("model.skops")}
    assert len(folders) == len(stores.ledger.versions.all("shop"))
    mlflow = client(stores.models.tracking_uri)
    every = [one.experiment_id for one in mlflow.search_experiments()]
    assert len(mlflow.search_logged_models(every)) == len(folders)
    runs = {path.parts[-3] for path in Path(stores.models.root).rglob("*.png")}
    assert runs == {one.run_id for one in stores.ledger.versions.all("shop")}


def test_an_attempt_that_two_clear_away_at_once_is_cleared_away(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(give_database(stores), shop(), 10)
    for moment in DELETIONS:
        snapshot, ordered = order(stores, shop(), 10, about=moment)
        for owner, name in ((MlflowClient, "set_terminated"), (Models, "keep_only")):
            with monkeypatch.context() as dying:
                dying.setattr(owner, name, _die)
                with pytest.raises(SystemExit):
                    train(shop(), snapshot, stores, ordered)
        (kept,) = stores.ledger.versions.for_cause("shop", ordered.cause.id)
        numbers, runs = _left(stores, ordered.cause.id)
        assert (len(numbers), len(runs)) == (2, 2), moment
        with monkeypatch.context() as patch:
            _first(patch, moment, partial(stores.models.keep_only, kept))
            assert train(shop(), snapshot, stores, ordered) == kept, moment
        assert _left(stores, ordered.cause.id) == ([kept.version], [kept.run_id]), moment


def _first(patch: pytest.MonkeyPatch, name: str, other: Callable[[], object]) -> None:
    """Let something else happen just before the first call of a method of MLflow's client."""
    call = getattr(MlflowClient, name)

    def late(*args: Any, **kwargs: Any) -> Any:
        patch.setattr(MlflowClient, name, call)
        other()
        return call(*args, **kwargs)

    patch.setattr(MlflowClient, name, late)


def _left(stores: Stores, cause: str) -> tuple[list[int], list[str]]:
    """The versions and the runs that MLflow has for a cause."""
    mlflow = client(stores.models.tracking_uri)
    made = mlflow.search_model_versions(f"name = 'shop' and tags.`{CAUSE}` = '{cause}'")
    every = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    runs = mlflow.search_runs(every, f"tags.`{CAUSE}` = '{cause}'")
    return [int(one.version) for one in made], [run.info.run_id for run in runs]


def test_each_recipe_of_a_cause_has_its_own_version(stores: Stores) -> None:
    teach(give_database(stores), shop(), 10)
    every = trained(stores, shop(), 10)
    last = trained(stores, shop(), 10, Recipe.LAST)
    assert every.cause == last.cause
    assert [v.recipe for v in stores.ledger.versions.all("shop")] == [Recipe.ALL, Recipe.LAST]
    assert (every.version, last.version) == (1, 2)


def test_a_training_that_fails_leaves_nothing_and_can_be_done_again(stores: Stores) -> None:
    teach(give_database(stores), shop(), 10)
    snapshot, ordered = order(stores, shop(), 10)
    gone = replace(ordered, exam=snapshot.model_copy(update={"digest": "none"}))
    with pytest.raises(NotFound):
        train(shop(), snapshot, stores, gone)
    assert stores.ledger.versions.all("shop") == []
    assert train(shop(), snapshot, stores, ordered).version == 1


def test_a_training_killed_before_a_write_and_done_again_is_one_version(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_training.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *KILLS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["killed_before"] for r in reports] == KILLS
    for after in reports:
        assert after["registered"] == [after["version"]], after
        assert after["runs"] == [after["run_id"]], after
        assert after["status"] == ["FINISHED"], after
        assert after["folders"] == 1, after
        assert after["half_written"] == [], after
        assert after["metrics"] == reports[0]["metrics"], after
        assert after["loads"]


def test_importance_finds_the_columns_that_matter(stores: Stores) -> None:
    spec = shop("regression")
    teach(stores, spec, 20)
    snapshot, ordered = order(stores, spec, 20)
    model = fit(spec, load(spec, snapshot.digest, stores))
    exam = load(spec, ordered.exam.digest, stores)
    rise = importance(model, exam.features, exam.target.to_numpy(), 0)
    assert max(rise, key=lambda name: rise[name]) == "size"
    assert abs(rise["city"]) < 0.1 * rise["size"]
    assert importance(model, exam.features[["size"]], exam.target.to_numpy(), 0) == {}


@pytest.mark.filterwarnings("ignore:Glyph")
def test_figures_take_any_class_and_column_name(tmp_path: Path) -> None:
    names = np.array(["$x^$", "_{", "a" * 200, "雨", "\\frac", "%s"] * 10, dtype=object)
    shares = np.full((60, 6), 1 / 6)
    said = Prediction(np.roll(names, 1), shares, tuple(names[:6]))
    times = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    figures = draw(Kind.CLASSIFICATION, names, said, times)
    figures["importance"] = draw_importance(dict.fromkeys(names, 1.0))
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
    assert set(figures) == {"confusion", "calibration", "importance"}
    numbers = Prediction(np.arange(60.0))
    drawn = draw(Kind.REGRESSION, np.ones(60), numbers, times)
    assert set(drawn) == {"predicted_and_true", "errors_over_time"}
    for name, figure in drawn.items():
        figure.savefig(tmp_path / f"{name}.png")
    assert draw(Kind.REGRESSION, np.array([]), Prediction(np.array([])), times[:0]) == {}
