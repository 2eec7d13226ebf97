"""`opslayer review` as a person at a keyboard and a script use it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from lake_content import START, add_rows, row

from commands import execute
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.settings import Settings
from opslayer.stores import Stores

FILE = """
name: made
kind: classification
inputs: {text: {type: text}}
target: y
classes: ["yes", "no"]
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy}
review: {double: 0, claim: 15m}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Capability:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "made.yaml").write_text(FILE)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    made = load_capability("made", tmp_path / "configs")
    stores = Stores.at(Settings(home=tmp_path / "home", configs=tmp_path / "configs"))
    add_rows(stores, made, [row(f"r{n}", START, text=f"text {n}") for n in range(3)])
    return made


def said(capsys: pytest.CaptureFixture[str], *tokens: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert execute(["review", *tokens, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_script_claims_answers_skips_undoes_and_asks_how_far_it_is(
    spec: Capability, capsys: pytest.CaptureFixture[str]
) -> None:
    by = ("--by", "ada")
    item = said(capsys, "next", "made", *by)["item"]
    assert item["choices"] == ["yes", "no"]
    assert said(capsys, "made", *by)["item"]["row_id"] == item["row_id"]
    assert said(capsys, "answer", "made", item["row_id"], "yes", *by)["value"] == "yes"
    assert said(capsys, "undo", "made", *by)["item"]["row_id"] == item["row_id"]
    assert said(capsys, "skip", "made", item["row_id"], *by)["skipped"] is True
    told = said(capsys, "progress", "made")
    assert (told["waiting"], told["answered"], told["skipped"]) == (3, 0, 1)
    refused = said(capsys, "answer", "made", item["row_id"], "yes", *by, code=1)
    assert refused["error"]["type"] == "Refused"


def test_a_person_answers_with_a_key_undoes_skips_types_and_quits(
    spec: Capability, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nu\n2\n?\ns\nt\nmaybe\nt\nno\nq\n"))
    assert execute(["review", "made", "--by", "ada"]) == 0
    shown = capsys.readouterr()
    assert "1 yes   2 no   t type it   u undo   s skip   q quit" in shown.out
    assert "no such key" in shown.out
    assert "maybe" in shown.err
    assert "nothing in made waits for ada" in shown.out
    told = said(capsys, "progress", "made")
    assert (told["answered"], told["skipped"]) == (2, 1)


def test_with_nothing_to_review_it_says_so(
    spec: Capability, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        said(capsys, "next", "made", "--by", name)
    assert execute(["review", "next", "made", "--by", "d"]) == 0
    assert "nothing in made waits for d" in capsys.readouterr().out
    assert said(capsys, "next", "made", "--by", "\x1b", code=1)["error"]["type"] == "Refused"
