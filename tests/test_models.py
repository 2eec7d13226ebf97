"""The model registry: a run tells everything, and files load as they were registered."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.models import Model
from taught import ESTIMATORS, give_database, order, shop, teach, trained

from opslayer.errors import NotFound, Refused, StoreError, UntrustedModel
from opslayer.learners.tabular import fit
from opslayer.records import Recipe, Version
from opslayer.settings import Settings
from opslayer.steps.predict import score
from opslayer.steps.snapshot import load
from opslayer.steps.train import _register, train
from opslayer.stores import Stores
from opslayer.stores.models import Models
from opslayer.stores.registration import example
from opslayer.stores.shelf import Shelf
from opslayer.stores.tracking import answering, make_database


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a home with spaces") / "home"


@pytest.fixture(scope="module")
def stores(home: Path) -> Stores:
    made = give_database(Stores.at(Settings(home=home)))
    teach(made, shop(), 30)
    return made


@pytest.fixture(scope="module")
def version(stores: Stores) -> Version:
    return trained(stores, shop(), 30)


def mlflow(stores: Stores) -> MlflowClient:
    uri = stores.models.tracking_uri
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_a_loaded_model_answers_as_the_fitted_one_did(stores: Stores, version: Version) -> None:
    exam = load(shop(), version.exam, stores)
    said = score(shop(), version, exam.features, stores)
    assert np.mean(said.values == exam.target) == pytest.approx(version.metrics["accuracy"])
    assert version.metrics["accuracy"] > 0.9


def test_the_run_says_what_was_trained_from_what_and_how_well(
    stores: Stores, version: Version
) -> None:
    run = mlflow(stores).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["estimator"] == ESTIMATORS["classification"]
    assert run.data.params["params.max_iter"] == "100"
    assert {"recipe", "seed", "cut", "as_of", "cause", "rows"} <= set(run.data.params)
    assert run.data.metrics == pytest.approx(version.metrics)
    assert run.data.tags["opslayer.cause"] == version.cause
    assert run.data.tags["opslayer.recipe"] == "all"
    assert run.data.tags["opslayer.snapshot"] == version.snapshot
    assert run.data.tags["opslayer.code"]
    inputs = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    assert version.snapshot.startswith(inputs["training"].digest)
    assert version.exam.startswith(inputs["evaluation"].digest)
    files = {item.path for item in mlflow(stores).list_artifacts(version.run_id)}
    assert {"confusion.png", "calibration.png", "importance.png"} <= files


def test_the_version_is_registered_under_the_capability_with_its_signature(
    stores: Stores, version: Version
) -> None:
    registered = mlflow(stores).get_model_version("shop", str(version.version))
    assert registered.run_id == version.run_id
    info = Model.load(registered.source)
    assert info.signature.inputs.input_names() == ["size", "colour", "city", "note"]
    assert [c.required for c in info.signature.inputs] == [False, True, False, False]
    assert info.flavors["sklearn"]["serialization_format"] == "skops"


def test_no_row_of_a_user_is_stored_with_the_model(home: Path, stores: Stores) -> None:
    spec = shop(training={"estimator": ESTIMATORS["classification"], "params": {"max_iter": 5}})
    assert example(spec).iloc[0].to_dict() == {
        "size": 0.0,
        "colour": "red",
        "city": "example",
        "note": "an example",
    }
    for path in (home / "models").rglob("*input_example.json"):
        assert "goods" not in path.read_text()


def test_the_alias_names_the_champion(stores: Stores, version: Version) -> None:
    assert stores.models.champion("nothing") is None
    stores.models.set_champion("shop", version.version)
    assert stores.models.champion("shop") == version.version
    with pytest.raises(NotFound, match=r"version.*999"):
        stores.models.set_champion("shop", 999)
    assert stores.models.champion("shop") == version.version


def test_a_version_that_mlflow_does_not_have_is_not_found(stores: Stores, version: Version) -> None:
    with pytest.raises(NotFound):
        stores.models.load(version.model_copy(update={"version": 999}))


def test_a_home_that_was_moved_still_loads(
    home: Path, stores: Stores, version: Version, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(home, moved)
    there = Stores.at(Settings(home=moved))
    hidden = home.rename(home.with_name("away"))
    try:
        assert there.models.load(version)
        again = trained(there, shop(), 30, about="after the move")
        assert Models(there.models.tracking_uri, f"{there.models.root}/.").load(again)
        assert not home.exists()
        with pytest.raises(StoreError, match="the model's files are not at"):
            Models(there.models.tracking_uri, str(tmp_path / "elsewhere")).load(version)
    finally:
        hidden.rename(home)


def test_mlflow_may_load_a_version_by_name_without_spoiling_it(
    stores: Stores, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.artifacts

    uri = stores.models.tracking_uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    by_name = f"models:/shop/{version.version}"
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=by_name))
    assert (folder / "registered_model_meta").exists()
    fresh = Models(f"{uri}?", stores.models.root)  # another address: not from this process's cache
    assert fresh.load(version)


def test_a_model_that_needs_code_to_load_is_refused_at_training(stores: Stores) -> None:
    scored = {
        "estimator": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "param_grid": {"C": [0.1, 1]},
        "scoring": "neg_log_loss",
    }
    spec = shop(training={"estimator": "sklearn.model_selection.GridSearchCV", "params": scored})
    with pytest.raises(Refused) as refusal:
        trained(stores, spec, 30, about="a scorer")
    assert "sklearn.metrics._scorer._Scorer" in str(refusal.value)
    assert "training.serialization to cloudpickle" in str(refusal.value)
    assert not [v for v in stores.ledger.versions.all("shop") if v.cause == "a scorer"]


def test_nothing_connects_and_nothing_is_printed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: called.append(address))
    snapshot, ordered = order(stores, shop(), 30, Recipe.LAST, about="quietly")
    version = train(shop(), snapshot, stores, ordered)
    stores.models.set_champion("shop", version.version)
    stores.models.load(version)
    assert called == []
    assert capfd.readouterr() == ("", "")


FIRST = """
import sys
from opslayer.stores.models import Models
models = Models(sys.argv[1], sys.argv[2])
assert models.champion("shop") is None
models._experiment("shop")
"""


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    uri, root = f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path / "models")
    running = [
        subprocess.Popen([sys.executable, "-c", FIRST, uri, root], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    said = [process.communicate()[1] for process in running]
    assert said == [b"", b"", b""]
    names = [e.name for e in MlflowClient(uri, uri).search_experiments()]
    assert sorted(names) == ["Default", "shop"]


def test_a_kill_while_the_database_is_made_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    killed = (
        "import os, signal, sys, opslayer.stores.tracking as t\n"
        "t._rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.make_database(sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", killed, f"sqlite:///{path}"], check=False)
    assert done.returncode == -9
    assert not path.exists()
    make_database(f"sqlite:///{path}")
    assert path.exists()
    assert not path.with_name("mlflow.db.new").exists()


def test_a_server_that_is_away_is_a_store_error_without_its_password() -> None:
    from mlflow.exceptions import MlflowException

    uri = "postgresql://loop:secret@db/mlflow"
    with pytest.raises(StoreError) as error, answering(uri):
        raise MlflowException("connection refused\nand much more")
    assert str(error.value) == "MLflow at postgresql://db/mlflow: connection refused"


def test_a_pickled_model_is_loaded_only_where_the_file_says_so(stores: Stores) -> None:
    spec = shop(
        training={
            "estimator": ESTIMATORS["classification"],
            "params": {"max_iter": 5},
            "serialization": "cloudpickle",
        }
    )
    version = trained(stores, spec, 30, about="pickled")
    assert "model.pkl" in version.manifest
    exam = load(spec, version.exam, stores)
    assert len(score(spec, version, exam.features, stores)) == len(exam)
    with pytest.raises(UntrustedModel, match=r"training\.serialization: cloudpickle"):
        score(shop(), version, exam.features, stores)


def test_two_registrations_of_one_training_leave_the_one_in_the_ledger(stores: Stores) -> None:
    snapshot, ordered = order(stores, shop(), 30, about="twice")
    kept = train(shop(), snapshot, stores, ordered)
    model = fit(shop(), load(shop(), snapshot.digest, stores))
    late = _register(shop(), snapshot, stores, ordered, model)
    assert late.version != kept.version
    assert stores.ledger.versions.add(late) == kept
    stores.models.keep_only(kept)
    found = mlflow(stores).search_model_versions(
        f"name = 'shop' and tags.`opslayer.cause` = '{kept.cause}'"
    )
    assert [int(v.version) for v in found] == [kept.version]
    with pytest.raises(NotFound):
        Models(f"{stores.models.tracking_uri}?", stores.models.root).load(late)
    assert Models(f"{stores.models.tracking_uri}?", stores.models.root).load(kept)


def test_what_is_forgotten_in_a_copied_home_goes_there_and_stays_in_the_first(
    stores: Stores, home: Path, tmp_path: Path
) -> None:
    version = trained(stores, shop(), 30, about="copied")
    copied = Path(shutil.copytree(home, tmp_path / "copy"))
    before = len(list((home / "models").rglob("model.skops")))
    Stores.at(Settings(home=copied)).models.forget(version)
    assert len(list((copied / "models").rglob("model.skops"))) == before - 1
    assert not list((copied / "models").rglob(f"{version.run_id}/artifacts/*.png"))
    assert len(list((home / "models").rglob("model.skops"))) == before
    assert list((home / "models").rglob(f"{version.run_id}/artifacts/*.png"))
    Models(f"{stores.models.tracking_uri}?", stores.models.root).load(version)


def test_a_copy_that_can_t_be_removed_is_no_model_that_is_gone(
    stores: Stores, tmp_path: Path
) -> None:
    version = trained(stores, shop(), 30, about="stuck")
    shelf = Shelf(tmp_path / "shelf", stores.models)
    shelf.drop(version)
    shelf.load(version)
    (place,) = (tmp_path / "shelf").iterdir()
    shutil.rmtree(place)
    place.write_bytes(b"no folder")
    with pytest.raises(StoreError, match="can't be removed: Not a directory"):
        shelf.drop(version)
