"""`opslayer config check` tells everything wrong with configs/, for a person and for a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import execute

RIGHT = """\
name: shop
kind: regression
inputs: {size: {type: number}}
target: price
training: {estimator: sklearn.linear_model.Ridge, params: {alpha: 2.0}}
gate: {metric: mae}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """configs/capabilities with one right file, which OPSLAYER_CONFIGS names."""
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path))
    folder = tmp_path / "capabilities"
    folder.mkdir()
    (folder / "shop.yaml").write_text(RIGHT)
    return folder


def test_right_files_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["config", "check"]) == 0
    assert "shop" in capsys.readouterr().out
    assert execute(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "capability": "shop",
            "kind": "regression",
            "inputs": 1,
            "sources": 0,
            "file": str(folder / "shop.yaml"),
        }
    ]


def test_problems_of_all_files_are_lines_that_an_editor_opens(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "store.yaml").write_text(RIGHT.replace("shop", "store").replace("mae", "mea"))
    upstream = "upstreams: [{name: one, base_url: 'http://127.0.0.1:9/v1', model: m}]"
    (folder / "stall.yaml").write_text(f"name: stall\nkind: chat\ncolour: red\n{upstream}\n")
    assert execute(["config", "check"]) == 1
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == ""
    assert lines[0].startswith(f"{folder / 'stall.yaml'}:3: colour: unknown key")
    assert lines[1].startswith(f"{folder / 'store.yaml'}:6: gate.metric: 'mea'; must be one of")


def test_problems_for_a_machine_are_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "shop.yaml").write_text(RIGHT.replace("mae", "mea"))
    assert execute(["config", "check", "shop", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == "ConfigError"
    (problem,) = error["problems"]
    assert problem["file"] == str(folder / "shop.yaml")
    assert (problem["line"], problem["field"]) == (6, "gate.metric")
    assert "did you mean mae?" in problem["message"]


def test_the_estimator_is_checked_beside_other_problems(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RIGHT.replace("alpha: 2.0", "\n  alhpa: 2.0").replace("mae", "mea")
    (folder / "shop.yaml").write_text(text)
    assert execute(["config", "check", "shop"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["training.params.alhpa", "gate.metric"]
    assert "shop.yaml:6: " in lines[0]
    assert "alpha" in lines[0].partition("alhpa")[2]


def test_an_estimator_of_the_wrong_kind_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RIGHT.replace("Ridge, params: {alpha: 2.0}", "LogisticRegression")
    (folder / "shop.yaml").write_text(text)
    assert execute(["config", "check"]) == 1
    assert "shop.yaml:5: training.estimator: " in capsys.readouterr().err


def test_a_file_anywhere_can_be_checked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "draft.yaml"
    path.write_text(RIGHT.replace("shop", "draft"))
    assert execute(["config", "check", str(path)]) == 0
    path.write_text("name: [")
    assert execute(["config", "check", str(path), "shop"]) == 1
    assert capsys.readouterr().err.startswith(f"{path}:")


def test_nothing_to_check_says_where_it_looked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shop.yaml").unlink()
    assert execute(["config", "check"]) == 1
    assert "OPSLAYER_CONFIGS" in capsys.readouterr().err
    assert execute(["config", "check", "shop"]) == 1
    assert "no capability shop" in capsys.readouterr().err
