"""P23: a model file that somebody else wrote runs nothing and is not loaded."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from taught import give_database, give_database_at, shop, teach, trained

from opslayer.errors import UntrustedModel
from opslayer.learners.tabular import predict
from opslayer.records import Version
from opslayer.settings import Settings
from opslayer.steps.predict import score
from opslayer.steps.snapshot import load
from opslayer.stores import Stores
from opslayer.stores.manifest import seal, unseal
from opslayer.stores.models import Models
from opslayer.stores.trusted_types import TRUSTED


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stores, Version]:
    stores = give_database(Stores.at(Settings(home=tmp_path_factory.mktemp("honest") / "home")))
    teach(stores, shop(), 20)
    return stores, trained(stores, shop(), 20)


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """A file that appears if anything of a model file is run."""
    return tmp_path / "it-ran"


@pytest.fixture
def copy(honest: tuple[Stores, Version], tmp_path: Path) -> tuple[Models, Version, Path]:
    """A copy of the honest home that a test may spoil: registry, version, model folder."""
    stores, version = honest
    home = Path(stores.models.root).parent
    spoilt = tmp_path / "home"
    shutil.copytree(home, spoilt)
    models = Models(f"sqlite:///{spoilt / 'mlflow.db'}", str(spoilt / "models"))
    # MLflow's database names the honest folder: let it name the copy.
    with sqlite3.connect(spoilt / "mlflow.db") as database:
        database.execute(
            "UPDATE model_versions SET storage_location = replace(storage_location, ?, ?)",
            (str(home), str(spoilt)),
        )
    (folder,) = Path(models.root, "shop", "models").glob("*/artifacts")
    return models, version, folder


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = str(sentinel)

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.sentinel}'",)


def bomb(sentinel: Path) -> bytes:
    return pickle.dumps(Bomb(sentinel))


def skops_bomb(sentinel: Path) -> bytes:
    """A skops file whose pipeline hands os.system every text it is asked about."""
    return skops.io.dumps(Pipeline([("columns", FunctionTransformer(os.system))]))


def skops_reduce(sentinel: Path) -> bytes:
    """A skops file that asks for a call of os.system while it is loaded."""
    words = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [
            {
                "__class__": "str",
                "__module__": "builtins",
                "__loader__": "JsonNode",
                "content": json.dumps(f"touch '{sentinel}'"),
                "is_json": True,
            }
        ],
    }
    schema = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "ConstructorFromReduceNode",
        "content": words,
        "protocol": 2,
        "_skops_version": skops.__version__,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return file.getvalue()


def resealed(version: Version, folder: Path) -> Version:
    """The version with a manifest that fits the spoilt files: the second wall alone is left."""
    return version.model_copy(update={"manifest": seal(folder)})


def test_the_bombs_would_go_off_if_they_were_loaded_as_others_load_them(tmp_path: Path) -> None:
    for number, make in enumerate((bomb, skops_reduce)):
        sentinel = tmp_path / f"ran-{number}"
        if make is bomb:
            pickle.loads(make(sentinel))
        else:
            trusted = skops.io.get_untrusted_types(data=make(sentinel))
            skops.io.loads(make(sentinel), trusted=trusted)  # the list read from the file itself
        assert sentinel.exists()


def test_an_honest_file_loads_and_answers_as_before(
    honest: tuple[Stores, Version], copy: tuple[Models, Version, Path]
) -> None:
    stores, version = honest
    models, _, _ = copy
    exam = load(shop(), version.exam, stores)
    said = score(shop(), version, exam.features, stores)
    again = predict(models.load(version), exam.features)
    assert (said.values == again.values).all()
    assert (said.probabilities == again.probabilities).all()


PAYLOADS = [bomb, skops_bomb, skops_reduce]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("manifest_too", [False, True])
def test_a_malicious_file_in_place_of_the_model_runs_nothing(
    copy: tuple[Models, Version, Path], sentinel: Path, payload: Any, manifest_too: bool
) -> None:
    models, version, folder = copy
    (folder / "model.skops").write_bytes(payload(sentinel))
    if manifest_too:
        version = resealed(version, folder)
    with pytest.raises(UntrustedModel, match="shop: model version 1 is not loaded"):
        models.load(version)
    assert not sentinel.exists()


@pytest.mark.parametrize("manifest_too", [False, True])
def test_an_mlmodel_edited_to_pickle_runs_nothing(
    copy: tuple[Models, Version, Path], sentinel: Path, manifest_too: bool
) -> None:
    models, version, folder = copy
    text = (folder / "MLmodel").read_text()
    text = text.replace("model.skops", "model.pkl").replace("format: skops", "format: pickle")
    assert "format: pickle" in text
    (folder / "MLmodel").write_text(text)
    (folder / "model.skops").unlink()
    (folder / "model.pkl").write_bytes(bomb(sentinel))
    if manifest_too:
        version = resealed(version, folder)
    with pytest.raises(UntrustedModel):
        models.load(version)
    assert not sentinel.exists()


def test_a_trusted_list_in_the_model_folder_is_not_believed(
    copy: tuple[Models, Version, Path], sentinel: Path
) -> None:
    models, version, folder = copy
    text = (folder / "MLmodel").read_text()
    mark = "skops_trusted_types:\n"
    assert mark in text
    text = text.replace(mark, f"{mark}    - posix.system\n    - os.system\n")
    (folder / "MLmodel").write_text(text)
    (folder / "model.skops").write_bytes(skops_reduce(sentinel))
    for manifest in (version, resealed(version, folder)):
        with pytest.raises(UntrustedModel):
            models.load(manifest)
    assert not sentinel.exists()


def flips(folder: Path) -> list[tuple[Path, int]]:
    """First, last and some middle bytes of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(p, int(p.stat().st_size * part)) for p in files for part in (0, 0.31, 0.77, 0.999)]


def test_a_flipped_byte_in_any_file_is_found(copy: tuple[Models, Version, Path]) -> None:
    models, version, folder = copy
    for path, place in flips(folder):
        raw = path.read_bytes()
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(UntrustedModel, match=f"changed since .*: {path.name}"):
            models.load(version)
        path.write_bytes(raw)
    assert models.load(version)


def a_link_to_the_honest_file(folder: Path, aside: Path) -> None:
    shutil.move(folder / "model.skops", aside / "model.skops")
    (folder / "model.skops").symlink_to(aside / "model.skops")


def a_link_in_place_of_the_folder(folder: Path, aside: Path) -> None:
    shutil.move(folder, aside / "artifacts")
    folder.symlink_to(aside / "artifacts")


def a_linked_folder_inside(folder: Path, aside: Path) -> None:
    (folder / "more").symlink_to(aside)


def a_further_file(folder: Path, aside: Path) -> None:
    (folder / "sitecustomize.py").write_text("print('run me')")


def a_further_file_in_a_folder(folder: Path, aside: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "model.py").write_text("print('run me')")


def a_missing_file(folder: Path, aside: Path) -> None:
    (folder / "conda.yaml").unlink()


def a_pipe(folder: Path, aside: Path) -> None:
    (folder / "model.skops").unlink()
    os.mkfifo(folder / "model.skops")


def an_empty_model(folder: Path, aside: Path) -> None:
    (folder / "model.skops").write_bytes(b"")


TAMPERING = [
    a_link_to_the_honest_file,
    a_link_in_place_of_the_folder,
    a_linked_folder_inside,
    a_further_file,
    a_further_file_in_a_folder,
    a_missing_file,
    a_pipe,
    an_empty_model,
]


@pytest.mark.parametrize("tamper", TAMPERING)
def test_links_pipes_and_further_or_missing_files_are_refused(
    copy: tuple[Models, Version, Path], tmp_path: Path, tamper: Any
) -> None:
    models, version, folder = copy
    aside = tmp_path / "aside"
    aside.mkdir()
    tamper(folder, aside)
    with pytest.raises(UntrustedModel):
        models.load(version)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "a/../../outside", "./model.skops", "a\\b", "", "a//b"]
)
def test_a_manifest_that_leaves_its_folder_is_refused(
    copy: tuple[Models, Version, Path], name: str
) -> None:
    models, version, folder = copy
    (folder.parent / "outside").write_text("here")
    raw = sha256(b"here").hexdigest()
    strange = version.model_copy(update={"manifest": {**version.manifest, name: raw}})
    with pytest.raises(UntrustedModel, match="outside its folder"):
        models.load(strange)


def test_an_empty_manifest_trusts_nothing(copy: tuple[Models, Version, Path]) -> None:
    models, version, _ = copy
    with pytest.raises(UntrustedModel):
        models.load(version.model_copy(update={"manifest": {}}))


def test_a_registry_that_points_elsewhere_is_found_out(
    copy: tuple[Models, Version, Path], sentinel: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    models, version, folder = copy
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    (elsewhere / "model.skops").write_bytes(skops_reduce(sentinel))
    client = MlflowClient(models.tracking_uri, models.tracking_uri)
    client.delete_registered_model("shop")
    client.create_registered_model("shop")
    client.create_model_version("shop", str(elsewhere))
    with pytest.raises(UntrustedModel, match="changed since"):
        models.load(version)
    assert not sentinel.exists()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """An MLflow server that keeps the artefacts itself: its address and their folder."""
    place = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    give_database_at(place / "mlflow.db")
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--workers=1"]
    command += [f"--backend-store-uri=sqlite:///{place / 'mlflow.db'}", f"--port={port}"]
    command += [f"--artifacts-destination={place / 'far'}", "--host=127.0.0.1"]
    with (place / "log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not answers(port):
            assert running.poll() is None, (place / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", place / "far"
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(30)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return True
    except OSError:
        return False


def test_a_model_behind_a_tracking_server_is_checked_as_well(
    server: tuple[str, Path], tmp_path: Path, sentinel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address, far = server
    stores = Stores.at(Settings(home=tmp_path / "home", mlflow_url=address))
    teach(stores, shop(), 10)
    version = trained(stores, shop(), 10)
    stores.models.set_champion("shop", version.version)
    assert stores.models.champion("shop") == version.version
    assert stores.models.load(version)
    assert capfd.readouterr() == ("", "")
    fresh = Models(address, f"{stores.models.root}/.")
    (folder,) = far.glob("*/models/*/artifacts")
    (folder / "further.py").write_text("print('run me')")
    with pytest.raises(UntrustedModel, match=r"not in its manifest: further\.py"):
        fresh.load(version)
    (folder / "further.py").unlink()
    honest = (folder / "model.skops").read_bytes()
    (folder / "model.skops").write_bytes(skops_reduce(sentinel))
    with pytest.raises(UntrustedModel, match="changed since"):
        fresh.load(version)
    assert not sentinel.exists()
    (folder / "model.skops").write_bytes(honest)
    assert fresh.load(version)
    assert not list(Path(stores.models.root, ".writing").iterdir())


def test_our_list_holds_no_function_and_nothing_that_opens_or_imports() -> None:
    from importlib import import_module

    for name in TRUSTED:
        module, _, attribute = name.rpartition(".")
        assert isinstance(getattr(import_module(module), attribute), type), name
        assert module.split(".")[0] in ("sklearn", "scipy", "numpy")
    assert len(set(TRUSTED)) == len(TRUSTED)


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(
        st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6})?", fullmatch=True),
        st.binary(max_size=50),
        min_size=1,
        max_size=5,
    )
)
def test_a_sealed_folder_opens_and_any_change_of_it_does_not(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("sealed")
    for name, raw in files.items():
        if not any((folder / part).is_file() for part in Path(name).parents):
            if (folder / name).is_dir():
                continue
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(raw)
    manifest = seal(folder)
    assert unseal(folder, manifest) == {n: (folder / n).read_bytes() for n in manifest}
    for name in manifest:
        changed = {**manifest, name: sha256(b"other" + files[name]).hexdigest()}
        with pytest.raises(UntrustedModel, match="changed"):
            unseal(folder, changed)
        fewer = {other: digest for other, digest in manifest.items() if other != name}
        with pytest.raises(UntrustedModel):
            unseal(folder, fewer)
        with pytest.raises(UntrustedModel, match="missing"):
            unseal(folder, {**manifest, "further": manifest[name]})
