"""The notebooks, each executed on what a real loop and a real experiment have left."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import drifting
import nbformat
import pytest
from nbclient import NotebookClient
from taught import give_database

from opslayer.configuration import load_capability
from opslayer.records import Feedback, FeedbackKind, Interaction
from opslayer.settings import Settings
from opslayer.steps import experiment
from opslayer.steps.decide import decide
from opslayer.steps.ingest import ingest
from opslayer.steps.introduce import introduce
from opslayer.steps.monitor import monitor
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
DONE, RETRAIN, ENDED = (
    next(path for path in NOTEBOOKS if path.stem == stem)
    for stem in ("how_a_capability_has_done", "why_a_retrain_happened", "how_an_experiment_ended")
)
FIRST = datetime(2024, 1, 15, tzinfo=UTC)
DESK = """\
name: desk
kind: chat
upstreams:
  - {name: main, pool: main, base_url: "http://127.0.0.1:9/v1", model: m}
  - {name: other, pool: other, base_url: "http://127.0.0.1:9/v1", model: m}
experiments:
  - {name: engine, arms: [{name: plain}, {name: other, pool: other}]}
"""
BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUBJECTS = 1_000


@dataclass
class Home:
    """An installation in which something has happened."""

    root: Path
    configs: Path
    stores: Stores


def watched(home: Home) -> None:
    """A model is trained; the world turns over; the loop finds that a retrain pays, and does it."""
    spec = drifting.capability(home.configs)
    now = FIRST
    drifting.train(spec, home.stores, now)
    for _ in range(30):
        now += timedelta(days=2)
        ingest(spec, home.stores, now)
        monitor(spec, home.stores, now)
        cause = decide(spec, home.stores, now).cause
        if cause is not None and cause.kind == "harm":
            drifting.train(spec, home.stores, now, cause)
            return
    raise AssertionError("nothing was found to pay")


def tried(home: Home) -> None:
    """Two pools are compared on subjects who like the other one better."""
    spec, stores = load_capability("desk", home.configs), home.stores
    introduce(spec, stores, BEGAN)
    experiment.start(spec, "engine", stores, Promotion(1, "ann", "try it", None, (), BEGAN))
    draw = random.Random(0)
    records: list[Interaction | Feedback] = []
    for number in range(SUBJECTS):
        records += liked(number, draw.choice(["plain", "other"]), draw)
    stores.events.append(records, "test")
    (run,) = experiment.running(spec, stores, {})
    run.heard.listen(stores.events)
    release = experiment.act(run, experiment.look(run), stores, BEGAN + timedelta(hours=5))
    assert release is not None
    assert release.champion.name == "other"


def liked(number: int, arm: str, draw: random.Random) -> list[Interaction | Feedback]:
    """A call of a subject, and its thumb."""
    at = BEGAN + timedelta(seconds=number)
    value = "up" if draw.random() < {"plain": 0.4, "other": 0.8}[arm] else "down"
    said: dict[str, Any] = {"capability": "desk", "event_time": at}
    variant = "main" if arm == "plain" else "other"
    return [
        Interaction(
            id=f"i{number}", subject=f"s{number}", input={}, output={"reply": "Hi"}, release=2,
            variant=variant, assigned=variant, arms={"engine": arm}, **said,
        ),
        Feedback(
            id=f"f{number}", interaction_id=f"i{number}", kind=FeedbackKind.THUMB, value=value,
            known_time=at, **said,
        ),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("notebooks")
    configs = drifting.write(folder, drifting.rows(days=44))
    (configs / "capabilities" / "desk.yaml").write_text(DESK)
    stores = Stores.at(Settings(home=folder / "home", configs=configs))
    give_database(stores)
    made = Home(folder / "home", configs, stores)
    watched(made)
    tried(made)
    return made


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(path: Path, root: Path, configs: Path, **parameters: str) -> str:
        """Everything that a notebook shows as one text; a picture is `image/png`."""
        monkeypatch.setenv("OPSLAYER_HOME", str(root))
        monkeypatch.setenv("OPSLAYER_CONFIGS", str(configs))
        book = nbformat.read(path, as_version=4)
        (cell,) = [one for one in book.cells if "parameters" in one.metadata.get("tags", [])]
        cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(book, timeout=240, kernel_name="python3", resources=resources).execute()
        shown = [out for one in book.cells if one.cell_type == "code" for out in one.outputs]
        data = [out.get("data", {}) for out in shown]
        texts = [out.get("text", "") for out in shown] + [one.get("text/plain", "") for one in data]
        return "\n".join(texts + [kind for one in data for kind in one if kind == "image/png"])

    return run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert code
    for cell in code:
        assert (cell.outputs, cell.execution_count) == ([], None)
        assert set(cell.metadata) <= {"tags"}
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert set(book.metadata.language_info) == {"name"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_where_nothing_is_declared_a_notebook_says_what_to_write(
    run: Any, tmp_path: Path, path: Path
) -> None:
    told = run(path, tmp_path / "home", tmp_path / "configs")
    assert "write configs/capabilities/NAME.yaml" in told
    assert "image/png" not in told


@pytest.mark.parametrize(
    ("path", "way"),
    [
        (DONE, "opslayer run train_model desk"),
        (RETRAIN, "opslayer run watch_production desk"),
        (ENDED, "opslayer experiment start desk"),
    ],
    ids=lambda value: getattr(value, "stem", ""),
)
def test_where_nothing_has_happened_a_notebook_says_what_makes_it(
    run: Any, tmp_path: Path, path: Path, way: str
) -> None:
    (tmp_path / "configs" / "capabilities").mkdir(parents=True)
    (tmp_path / "configs" / "capabilities" / "desk.yaml").write_text(DESK)
    told = run(path, tmp_path / "home", tmp_path / "configs")
    assert way in told
    assert "image/png" not in told


def test_how_a_capability_has_done(run: Any, home: Home) -> None:
    told = run(DONE, home.root, home.configs, capability=drifting.NAME)
    assert drifting.NAME in told
    assert "image/png" in told
    assert home.stores.ledger.releases.all(drifting.NAME)[0].champion.name in told
    calls = run(DONE, home.root, home.configs, capability="desk")
    logged = home.stores.events.read("desk", {}).events
    asked = [one.record() for one in logged if one.kind == "interaction"]
    for name in ("main", "other"):
        count = sum(isinstance(one, Interaction) and one.variant == name for one in asked)
        assert re.search(rf"{name}\s+answered\s+{count}\b", calls)
    assert "No window was judged yet: opslayer run watch_production desk" in calls


def test_why_a_retrain_happened(run: Any, home: Home) -> None:
    causes = home.stores.ledger.causes.list(drifting.NAME)
    told = run(RETRAIN, home.root, home.configs, capability=drifting.NAME)
    newest = causes[-1].cause
    assert f"{newest.kind.value}, {newest.about}" in told
    assert "harm" in told
    assert "image/png" in told
    for version in home.stores.ledger.versions.for_cause(drifting.NAME, newest.id):
        assert f"{version.version}" in told
    first = run(
        RETRAIN, home.root, home.configs, capability=drifting.NAME, cause=causes[0].cause.id
    )
    assert "person, " in first
    assert "Release 1, served by model-1" in first
    wrong = run(RETRAIN, home.root, home.configs, capability=drifting.NAME, cause="none")
    assert f"{drifting.NAME} has no cause none" in wrong


def test_how_an_experiment_ended(run: Any, home: Home) -> None:
    told = run(ENDED, home.root, home.configs, capability="desk")
    (verdict,) = [
        one for one in home.stores.ledger.verdicts.list("desk") if one.kind == "experiment"
    ]
    assert verdict.reason in told
    assert "image/png" in told
    assert "Release 3, served by other" in told
    wrong = run(ENDED, home.root, home.configs, capability="desk", experiment="none")
    assert "none has ended by a verdict yet" in wrong
