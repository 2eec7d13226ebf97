"""Promise P23: a model file that somebody else wrote runs nothing and is not loaded.

A real model is trained and registered. In each attack somebody who can write every file of the
model spoils its folder; in the attacks on the second wall the ledger's manifest was changed to fit
as well. A process of its own then loads the version. Payloads make a sentinel file if they run at
all; the same payloads are first shown to work on `pickle`, and on skops with a list from the file
itself.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, finish, say
from opslayer.capability import Capability
from opslayer.records import Version

FLIPS = 100
"""Random bytes that are flipped in each file of the model, one at a time."""
HONEST = 20
"""Loads of the model as it was registered, between the attacks."""
MODEL = "model.skops"
SEED = 23

Spoil = Callable[[Path, Path], None]
"""Spoils the model's folder (first) with a payload that would make the sentinel (second)."""


@dataclass(frozen=True)
class Attack:
    """One way to spoil a model's folder."""

    name: str
    spoil: Spoil
    resealed: bool = False
    """Whether the ledger's manifest was changed to fit, so that only the second wall is left."""


SHOP = Capability.model_validate(
    {
        "name": "shop",
        "kind": "classification",
        "inputs": {"size": {"type": "number"}, "note": {"type": "text"}},
        "target": "answer",
        "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "gate": {"metric": "accuracy"},
    }
)


def make_home(home: Path) -> Version:
    """Train and register one model as the loop does, from rows made here."""
    from datetime import UTC, datetime

    import numpy as np
    import pandas as pd

    from opslayer.frame import Frame
    from opslayer.learners.tabular import fit
    from opslayer.records import Recipe, Snapshot
    from opslayer.settings import Settings
    from opslayer.stores import Stores
    from opslayer.stores.registration import Registration

    size = np.random.default_rng(SEED).normal(size=300)
    features = pd.DataFrame({"size": size, "note": np.where(size > 1, "large", "small one")})
    index = pd.Series(range(300))
    times = pd.Series(pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC"))
    answers = pd.Series(np.where(size > 0, "yes", "no"))
    frame = Frame(index.astype("str"), features, answers, times, times)
    moment = datetime(2024, 2, 1, tzinfo=UTC)
    snapshot = Snapshot(
        capability="shop",
        digest="made",
        recipe=Recipe.ALL,
        as_of=moment,
        since=moment,
        until=moment,
        rows=300,
        columns=SHOP.columns,
    )
    models = Stores.at(Settings(home=home)).models
    made = models.register(
        Registration(SHOP, fit(SHOP, frame), "bench", snapshot, snapshot, moment, "nowhere")
    )
    return Version(
        settings="as ever",
        capability="shop",
        version=made.version,
        run_id=made.run_id,
        recipe=Recipe.ALL,
        snapshot="made",
        exam="made",
        cut=moment,
        trained_at=moment,
        cause="bench",
        manifest=made.manifest,
    )


class Bomb:
    """Calls something with something when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *words: Any) -> None:
        self.call, self.words = call, words

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.words


def bombs(sentinel: Path) -> dict[str, Bomb]:
    """Ways of making the sentinel while unpickling."""
    code = f"open({str(sentinel)!r}, 'w').close()"
    return {
        "os.system": Bomb(os.system, f"touch '{sentinel}'"),
        "subprocess": Bomb(subprocess.check_call, ["touch", str(sentinel)]),
        "eval": Bomb(eval, code),
        "exec": Bomb(exec, code),
        "open": Bomb(open, str(sentinel), "w"),
        "pathlib": Bomb(Path.touch, sentinel),
    }


def pickles(sentinel: Path) -> Iterator[tuple[str, bytes]]:
    """Each bomb in each pickle protocol, and in joblib's and cloudpickle's clothes."""
    import cloudpickle
    import joblib

    for name, bomb in bombs(sentinel).items():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield f"{name}, protocol {protocol}", pickle.dumps(bomb, protocol)
        yield f"{name}, cloudpickle", cloudpickle.dumps(bomb)
        file = io.BytesIO()
        joblib.dump(bomb, file, compress=3)
        yield f"{name}, joblib", file.getvalue()


def _leaf(value: str) -> dict[str, Any]:
    return {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(value),
        "is_json": True,
    }


def _tuple(*items: Any) -> dict[str, Any]:
    return {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": list(items),
    }


def _archive(schema: dict[str, Any], **files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
        archive.writestr(
            "schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.16.0"})
        )
    return file.getvalue()


def calls(sentinel: Path) -> dict[str, dict[str, Any]]:
    """Nodes of a skops file that ask for a call while it is loaded."""
    code = f"open({str(sentinel)!r}, 'w').close()"
    touch = f"touch '{sentinel}'"

    def construct(module: str, name: str, *words: Any) -> dict[str, Any]:
        return {
            "__class__": name,
            "__module__": module,
            "__loader__": "ConstructorFromReduceNode",
            "content": _tuple(*words),
        }

    return {
        "os.system": construct("os", "system", _leaf(touch)),
        "posix.system": construct("posix", "system", _leaf(touch)),
        "eval": construct("builtins", "eval", _leaf(code)),
        "exec": construct("builtins", "exec", _leaf(code)),
        "open": construct("builtins", "open", _leaf(str(sentinel)), _leaf("w")),
        "popen": construct("subprocess", "getoutput", _leaf(touch)),
        "joblib.load": construct("joblib", "load", _leaf(str(sentinel.with_suffix(".pickle")))),
        "pandas.eval": construct("pandas", "eval", _leaf("@__import__('os').getcwd()")),
    }


def held(sentinel: Path) -> dict[str, bytes]:
    """Skops files that hold a function for later, or a pickle inside."""
    import numpy as np
    import skops.io
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    file = io.BytesIO()
    np.save(file, np.array([Bomb(os.system, f"touch '{sentinel}'")], object), allow_pickle=True)
    array = {
        "__class__": "ndarray",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "numpy",
        "file": "array.npy",
    }
    return {
        "function": skops.io.dumps(Pipeline([("columns", FunctionTransformer(os.system))])),
        "method": skops.io.dumps(Pipeline([("columns", FunctionTransformer(Path.touch))])),
        "pickled array": _archive(array, **{"array.npy": file.getvalue()}),
        "path slip": _archive({**array, "file": "../../../array.npy"}),
        "absolute path": _archive({**array, "file": "/etc/hostname"}),
    }


def attacks(folder: Path, version: Version) -> list[Attack]:
    """Every attack on the model in a folder."""
    return [
        *_instead_of_the_model(),
        *_on_mlmodel(),
        *_on_files(),
        *_flips(folder, sorted(version.manifest)),
    ]


def _instead_of_the_model() -> Iterator[Attack]:
    """A payload under the model's own name; with the manifest changed to fit, too."""
    anywhere = Path("nowhere")
    names: dict[str, Callable[[Path], bytes]] = {}
    for name, _ in pickles(anywhere):
        names[f"pickle: {name}"] = lambda at, name=name: dict(pickles(at))[name]  # type: ignore[misc]
    for name in calls(anywhere):
        names[f"skops call: {name}"] = lambda at, name=name: _archive(calls(at)[name])  # type: ignore[misc]
    for name in held(anywhere):
        names[f"skops: {name}"] = lambda at, name=name: held(at)[name]  # type: ignore[misc]
    for name, payload in names.items():

        def spoil(folder: Path, sentinel: Path, payload: Any = payload) -> None:
            (folder / MODEL).write_bytes(payload(sentinel))

        yield Attack(name, spoil)
        yield Attack(f"{name}, resealed", spoil, resealed=True)


def _on_mlmodel() -> Iterator[Attack]:
    """MLmodel says pickle, or another loader, or lists what to trust."""

    def edited(*changes: tuple[str, str]) -> Spoil:
        def spoil(folder: Path, sentinel: Path) -> None:
            text = (folder / "MLmodel").read_text()
            for old, new in changes:
                text = text.replace(old, new)
            (folder / "MLmodel").write_text(text)
            (folder / "model.pkl").write_bytes(dict(pickles(sentinel))["os.system, protocol 4"])
            (folder / MODEL).write_bytes(_archive(calls(sentinel)["os.system"]))
            (folder / "code").mkdir()
            (folder / "code" / "loader.py").write_text(
                f"open({str(sentinel)!r}, 'w').close()\ndef _load_pyfunc(path): return None\n"
            )

        return spoil

    edits = {
        "pickle": [("format: skops", "format: pickle"), (MODEL, "model.pkl")],
        "cloudpickle": [("format: skops", "format: cloudpickle"), (MODEL, "model.pkl")],
        "own trusted list": [("skops_trusted_types:\n", "skops_trusted_types:\n    - os.system\n")],
        "own loader": [("loader_module: mlflow.sklearn", "code: code\n    loader_module: loader")],
    }
    for name, changes in edits.items():
        yield Attack(f"MLmodel: {name}", edited(*changes))
        yield Attack(f"MLmodel: {name}, resealed", edited(*changes), resealed=True)


def _on_files() -> Iterator[Attack]:
    """Links, pipes, further and missing files, and what somebody made of the model's folder."""

    def linked(folder: Path, _: Path) -> None:
        (folder / MODEL).rename(folder.parent / MODEL)
        (folder / MODEL).symlink_to(folder.parent / MODEL)

    def linked_folder(folder: Path, _: Path) -> None:
        folder.rename(folder.parent / "elsewhere")
        folder.symlink_to(folder.parent / "elsewhere")

    def dangling(folder: Path, _: Path) -> None:
        (folder / "more").symlink_to("/nowhere")

    def pipe(folder: Path, _: Path) -> None:
        (folder / MODEL).unlink()
        os.mkfifo(folder / MODEL)

    def device(folder: Path, _: Path) -> None:
        (folder / MODEL).unlink()
        (folder / MODEL).symlink_to("/dev/zero")

    def further(folder: Path, sentinel: Path) -> None:
        (folder / "sitecustomize.py").write_text(f"open({str(sentinel)!r}, 'w')")

    def missing(folder: Path, _: Path) -> None:
        (folder / "requirements.txt").unlink()

    def emptied(folder: Path, _: Path) -> None:
        (folder / MODEL).write_bytes(b"")

    def swapped(folder: Path, _: Path) -> None:
        shutil.copy(folder / "MLmodel", folder / MODEL)

    for spoil in (
        linked,
        linked_folder,
        dangling,
        pipe,
        device,
        further,
        missing,
        emptied,
        swapped,
    ):
        yield Attack(f"files: {spoil.__name__}", spoil)


def _flips(folder: Path, names: list[str]) -> Iterator[Attack]:
    """One bit of one byte, anywhere."""
    chance = random.Random(SEED)
    for name in names:
        size = (folder / name).stat().st_size
        for _ in range(FLIPS):
            place, bit = chance.randrange(size), 1 << chance.randrange(8)

            def spoil(
                at: Path, _: Path, name: str = name, place: int = place, bit: int = bit
            ) -> None:
                raw = bytearray((at / name).read_bytes())
                raw[place] ^= bit
                (at / name).write_bytes(raw)

            yield Attack(f"flip: byte {place} of {name}", spoil)


LOADER = """
import json, sys
from opslayer.errors import UntrustedModel
from opslayer.records import Version
from opslayer.stores.models import Models
for line in sys.stdin:
    order = json.loads(line)
    version = Version.model_validate(order["version"])
    try:
        Models(order["tracking"], order["root"]).load(version)
        said = "accepted"
    except UntrustedModel:
        said = "refused"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
"""


class Loader:
    """A process that loads what it is told to, as a worker or a gateway does."""

    def __init__(self, home: Path) -> None:
        self.tracking = f"sqlite:///{home / 'mlflow.db'}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOADER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.asked = 0

    def ask(self, root: Path, version: Version) -> str:
        """`accepted`, `refused`, or what else became of it."""
        self.asked += 1
        order = {
            "tracking": self.tracking,
            # Every question has an address of its own, so that no answer comes from the cache.
            "root": f"{root}#{self.asked}",
            "version": version.model_dump(mode="json"),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else "the process died"

    def stop(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def working(folder: Path) -> int:
    """How many payloads make their sentinel where a file is believed: the check of the check."""
    import skops.io

    ran = 0
    for number, name in enumerate(dict(pickles(folder))):
        sentinel = folder / f"pickle-{number}"
        if "joblib" not in name:
            pickle.loads(dict(pickles(sentinel))[name])
            ran += sentinel.exists()
    for number, name in enumerate(("os.system", "eval", "exec", "open")):
        sentinel = folder / f"skops-{number}"
        raw = _archive(calls(sentinel)[name])
        skops.io.loads(raw, trusted=skops.io.get_untrusted_types(data=raw))
        ran += sentinel.exists()
    return ran


def restore(folder: Path, pristine: Path) -> None:
    """The model's folder as it was registered, and nothing beside it."""
    shutil.rmtree(folder.parent)
    shutil.copytree(pristine, folder)


def main() -> int:
    """Run every attack; print progress, the bars and the last line."""
    with tempfile.TemporaryDirectory(prefix="opslayer-untrusted-") as name:
        return _measure(Path(name))


def _measure(place: Path) -> int:
    version = make_home(place / "home")
    (folder,) = (place / "home" / "models" / "shop" / "models").glob("*/artifacts")
    pristine = place / "pristine"
    shutil.copytree(folder, pristine)
    (place / "check").mkdir()
    fine = working(place / "check")
    every = attacks(folder, version)
    say(f"{fine} payloads run where a file is believed; {len(every)} attacks follow")
    loader = Loader(place / "home")
    ran, wrong, honest = [], [], 0
    for number, attack in enumerate(every):
        said, sentinel = _try(loader, attack, (folder, pristine), version)
        ran += [attack.name] * sentinel
        wrong += [f"{attack.name}: {said}"] * (said != "refused")
        if number % (len(every) // HONEST) == 0 and honest < HONEST:
            restore(folder, pristine)
            honest += loader.ask(folder, version) == "accepted"
        if number % 200 == 199:
            say(f"{number + 1} attacks: {len(ran)} ran, {len(wrong)} not refused")
    loader.stop()
    for line in (*ran, *wrong):
        say(f"  {line}")
    return finish(
        "untrusted_models",
        len(every),
        [
            Bar("payloads_that_work_elsewhere", fine, ">= 40"),
            Bar("runs", len(ran), "== 0", of=len(every)),
            Bar("not_refused", len(wrong), "== 0", of=len(every)),
            Bar("honest_loads", honest, f"== {HONEST}"),
        ],
    )


def _try(
    loader: Loader, attack: Attack, folders: tuple[Path, Path], version: Version
) -> tuple[str, bool]:
    """What the loader says of a spoilt folder, and whether the payload ran."""
    from opslayer.stores.manifest import seal

    folder, pristine = folders
    restore(folder, pristine)
    sentinel = pristine.parent / "it-ran"
    attack.spoil(folder, sentinel)
    if attack.resealed:
        version = version.model_copy(update={"manifest": seal(folder)})
    said = loader.ask(folder, version)
    ran = sentinel.exists()
    sentinel.unlink(missing_ok=True)
    return said, ran


if __name__ == "__main__":
    sys.exit(main())
