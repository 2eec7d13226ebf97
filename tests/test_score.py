"""Files of rows scored by the model that serves: every row answered or told, on any engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import drifting
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from schooling import school

from commands import execute
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.engine import HERE, Executor
from opslayer.engine.cluster import Cluster
from opslayer.errors import NotFound, Refused
from opslayer.settings import Settings
from opslayer.sources import chunk
from opslayer.steps.score import score_files
from opslayer.stores import Stores

ROWS = drifting.rows(days=80).head(2_400)
"""Before that world turns over."""
LATER = ROWS.tail(300).drop(columns="level").reset_index(drop=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a line serves `tank-level`, and two files of rows without a target."""
    folder = tmp_path_factory.mktemp("score")
    configs = drifting.write(folder, ROWS, drifting.LINE)
    stores = Stores.at(Settings(home=folder / "home", configs=configs))
    now = ROWS.measured_at.max().tz_localize("UTC")
    settled = school(load_capability(drifting.NAME, configs), stores, now)
    assert settled.release is not None, settled.reason
    (folder / "later").mkdir()
    LATER.head(200).to_csv(folder / "later" / "a.csv", index=False)
    LATER.tail(100).to_parquet(folder / "later" / "b.parquet", index=False)
    return folder


@pytest.fixture
def spec(place: Path) -> Capability:
    return load_capability(drifting.NAME, place / "configs")


@pytest.fixture
def stores(place: Path) -> Stores:
    return Stores.at(Settings(home=place / "home", configs=place / "configs"))


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.name: pq.read_table(path).to_pylist() for path in sorted(folder.iterdir())}


def test_every_row_is_answered_as_the_model_answers_it(
    place: Path, spec: Capability, stores: Stores, tmp_path: Path
) -> None:
    version, scored = score_files(spec, stores, str(place / "later"), tmp_path / "to")
    assert [(one.rows, one.bad, one.reason) for one in scored] == [(200, 0, None), (100, 0, None)]
    found = read(tmp_path / "to")
    assert list(found) == ["a.csv.parquet", "b.parquet"]
    said = [row["value"] for rows in found.values() for row in rows]
    model = stores.models.load(version)
    np.testing.assert_array_equal(said, model.predict(LATER[drifting.COLUMNS]))
    times = [row["event_time"] for rows in found.values() for row in rows]
    assert [pd.Timestamp(time) for time in times] == [*LATER.measured_at.dt.tz_localize("UTC")]


def test_answers_are_named_by_the_row_ids_that_ingest_gave(
    place: Path, spec: Capability, stores: Stores, tmp_path: Path
) -> None:
    score_files(spec, stores, str(place / "plant.csv"), tmp_path / "to")
    (found,) = read(tmp_path / "to").values()
    held = stores.lake.query(spec, "SELECT row_id FROM rows", ["rows"])["row_id"].to_pylist()
    assert sorted(row["row_id"] for row in found) == sorted(held)


def test_two_workers_write_what_one_machine_writes(
    place: Path, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "ROWS", 64)
    monkeypatch.chdir(place)  # where the workers are not
    spec = load_capability(drifting.NAME, place / "configs")
    stores = Stores.at(Settings(home=place / "home", configs=place / "configs"))
    engines: dict[str, Executor] = {"here": HERE, "there": Cluster(scheduler, stores.lake_address)}
    came = {
        name: score_files(spec, stores, "later", tmp_path / name, engine)[1]
        for name, engine in engines.items()
    }
    assert read(tmp_path / "here") == read(tmp_path / "there")
    counts = {name: [(one.file, one.rows, one.bad) for one in its] for name, its in came.items()}
    assert counts["here"] == counts["there"]


def test_a_row_that_breaks_the_contract_is_there_with_its_fault(
    spec: Capability, stores: Stores, tmp_path: Path
) -> None:
    broken = LATER.head(3).astype({"sensor_1": object})
    broken.loc[1, "sensor_1"] = "warm"
    broken.to_csv(tmp_path / "rows.csv", index=False)
    _, (scored,) = score_files(spec, stores, str(tmp_path / "rows.csv"), tmp_path / "to")
    assert (scored.rows, scored.bad) == (3, 1)
    (rows,) = read(tmp_path / "to").values()
    assert [row["line"] for row in rows] == [2, 3, 4]
    assert [row["fault"] for row in rows] == [None, "sensor_1: no number", None]
    assert [row["value"] is None for row in rows] == [False, True, False]


def test_a_refused_file_leaves_nothing_and_the_others_go_on(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(place / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(place / "configs"))
    LATER.head(5).to_csv(tmp_path / "good.csv", index=False)
    LATER.head(5).drop(columns="sensor_3").to_csv(tmp_path / "lacking.csv", index=False)
    to = tmp_path / "to"
    words = ["score", drifting.NAME, str(tmp_path), "--to", str(to)]
    assert execute([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["files"]
    assert [(Path(one["file"]).name, one["rows"]) for one in told] == [
        ("good.csv", 5),
        ("lacking.csv", 0),
    ]
    assert "sensor_3" in told[1]["reason"]
    assert [path.name for path in to.iterdir()] == ["good.csv.parquet"]
    assert execute(words) == 1
    assert "5 rows" in capsys.readouterr().out


def test_answers_never_take_the_place_of_rows_or_of_other_answers(
    place: Path, spec: Capability, stores: Stores, tmp_path: Path
) -> None:
    later = place / "later"
    with pytest.raises(Refused, match=r"b\.parquet"):
        score_files(spec, stores, str(later / "b.parquet"), later)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        LATER.head(2).to_csv(tmp_path / name / "rows.csv", index=False)
    with pytest.raises(Refused, match=r"rows\.csv"):
        score_files(spec, stores, str(tmp_path / "**" / "rows.csv"), tmp_path / "to")


def test_without_a_model_or_a_file_scoring_is_refused(
    place: Path, spec: Capability, stores: Stores, tmp_path: Path
) -> None:
    fresh = Stores.at(Settings(home=tmp_path / "fresh", configs=place / "configs"))
    with pytest.raises(Refused, match="opslayer release list"):
        score_files(spec, fresh, str(place / "later"), tmp_path / "to")
    with pytest.raises(NotFound, match="nowhere"):
        score_files(spec, stores, str(tmp_path / "nowhere.csv"), tmp_path / "to")
