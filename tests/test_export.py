"""`opslayer export`: everything that is kept, whole, in forms that harm no reader."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_content import add_rows, add_tags, outcome, row

from commands import execute
from commands.sheet import harmless, write
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Interaction, Recipe, Start, Status, TagSource
from opslayer.settings import Settings
from opslayer.steps.snapshot import split, take
from opslayer.stores import Stores
from opslayer.stores.journal import Entry

AT = datetime(2024, 5, 6, tzinfo=UTC)
SHOP = """\
name: shop
kind: classification
inputs: {size: {type: number, missing: true}, note: {type: text, missing: true}}
target: answer
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy, min_labels: 30}
"""
HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "\uff1d1"]


@dataclass
class Ran:
    """What a command line led to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def cells(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out)))


@dataclass
class Command:
    """The command line of one installation."""

    stores: Stores
    spec: Capability
    capsys: pytest.CaptureFixture[str]

    def __call__(self, what: str, *tokens: str) -> Ran:
        self.capsys.readouterr()
        code = execute(["export", what, "shop", *tokens])
        said = self.capsys.readouterr()
        return Ran(code, said.out, said.err)


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(SHOP)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    return Command(Stores.at(Settings()), load_capability("shop", tmp_path / "configs"), capsys)


def asked(id: str, note: str = "hello", **fields: Any) -> Interaction:
    values = {"input": {"note": note}, "output": {"value": "a"}, "variant": "model-1", "release": 1}
    return Interaction.model_validate(
        {"id": id, "capability": "shop", "event_time": AT, **values, **fields}
    )


def started(id: str) -> Entry:
    start = Start(
        id=id, capability="shop", event_time=AT, input={"note": "x"}, variant="llm", release=3
    )
    return Entry("start", id, "shop", start.model_dump_json())


def label(command: Command, count: int, note: str = "good") -> None:
    """So many rows, an hour apart, each with its label a day later."""
    times = [AT + timedelta(hours=at) for at in range(count)]
    add_rows(
        command.stores,
        command.spec,
        [row(f"r{at:03}", time, size=at / 2, note=note) for at, time in enumerate(times)],
    )
    add_tags(
        command.stores,
        command.spec,
        [
            outcome(f"r{at:03}", "ab"[at % 2], time, time + timedelta(days=1))
            for at, time in enumerate(times)
        ],
    )


def test_every_interaction_comes_out_whole_also_what_is_in_the_journal_alone(
    command: Command,
) -> None:
    logged = [
        asked(f"i{n}", status=list(Status)[n % 5], guards=("shape:output",)) for n in range(7)
    ]
    command.stores.events.append(logged, "a")
    fresh = asked("fresh", "\u2028\x7f\x9bé", cost=0.5, tenant="acme")
    writer = command.stores.journal.writer("b")
    writer.append([Entry("interaction", fresh.id, "shop", fresh.model_dump_json())])
    ran = command("interactions")
    writer.close()
    assert ran.code == 0
    assert [Interaction.model_validate(line) for line in ran.lines] == [*logged, fresh]
    assert all(list(line) == list(Interaction.model_fields) for line in ran.lines)
    assert ran.out.isascii()


def test_a_call_that_never_ended_is_there_as_unknown_and_one_that_did_is_there_once(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opslayer.steps.export.PAGE", 2)
    command.stores.events.append_entries([started(f"s{n}") for n in range(5)], "a")
    command.stores.events.append([asked("s1"), asked("s4")], "b")
    found = {line["id"]: line for line in command("interactions").lines}
    assert {id: line["status"] for id, line in found.items()} == {
        "s0": "unknown",
        "s1": "answered",
        "s2": "unknown",
        "s3": "unknown",
        "s4": "answered",
    }
    assert list(found["s0"]) == list(Interaction.model_fields)
    assert (found["s0"]["variant"], found["s0"]["output"], found["s0"]["cost"]) == ("llm", {}, None)


def test_an_interaction_of_an_older_or_newer_opslayer_comes_out_too(command: Command) -> None:
    old = json.loads(asked("old").model_dump_json(include={"id", "capability", "input", "output"}))
    entries = [
        Entry("interaction", "old", "shop", json.dumps(old)),
        Entry("interaction", "new", "shop", json.dumps({**old, "id": "new", "mood": "sunny"})),
    ]
    command.stores.events.append_entries(entries, "a")
    first, second = command("interactions").lines
    assert (first["id"], first["status"], first["usage"]["input"]) == ("old", "answered", 0)
    assert (second["id"], second["mood"]) == ("new", "sunny")


def test_a_machine_that_asks_for_json_gets_one_list(command: Command) -> None:
    assert json.loads(command("interactions", "--json").out) == []
    command.stores.events.append([asked("i1"), asked("i2")], "a")
    assert [one["id"] for one in json.loads(command("interactions", "--json").out)] == ["i1", "i2"]


def test_labels_come_out_with_when_and_from_whom_they_are(command: Command) -> None:
    label(command, 3)
    later = AT + timedelta(days=9)
    expert = outcome("r001", "c", AT, later, source=TagSource.EXPERT.value, by="anna")
    add_tags(command.stores, command.spec, [expert])
    found = command("labels").lines
    assert found[1] == {
        "row_id": "r001",
        "value": "b",
        "event_time": "2024-05-06T01:00:00Z",
        "known_time": "2024-05-07T01:00:00Z",
        "source": "outcome",
        "confidence": 1.0,
    }
    assert [line["value"] for line in found] == ["a", "b", "a"]


def test_the_newest_training_set_comes_out_as_it_was_learnt_from(command: Command) -> None:
    label(command, 100)
    stores, spec, as_of = command.stores, command.spec, AT + timedelta(days=30)
    cut = split(spec, stores, as_of, 30)
    early = take(spec, stores, AT + timedelta(days=3), Recipe.ALL, cut)
    exam = take(spec, stores, as_of, Recipe.EXAM, cut)
    newest = take(spec, stores, as_of, Recipe.ALL, cut)
    assert len({early.digest, exam.digest, newest.digest}) == 3
    found = command("snapshot").lines
    assert [line["row_id"] for line in found] == [f"r{n:03}" for n in range(newest.rows)]
    assert found[1] == {
        "row_id": "r001",
        "event_time": "2024-05-06T01:00:00Z",
        "known_time": "2024-05-07T01:00:00Z",
        "label": "b",
        "in:size": 0.5,
        "in:note": "good",
    }
    assert len(command("snapshot", "--digest", exam.digest).lines) == exam.rows
    unknown = command("snapshot", "--digest", "0" * 64)
    assert (unknown.code, unknown.out) == (1, "")
    assert "has no snapshot" in unknown.err


def test_a_capability_that_never_trained_has_no_training_set(command: Command) -> None:
    ran = command("snapshot")
    assert ran.code == 1
    assert "`opslayer run train_model shop` makes one" in ran.err


def test_no_cell_of_a_csv_file_is_a_formula_and_numbers_stay_numbers(command: Command) -> None:
    command.stores.events.append(
        [asked(f"i{n}", tenant=text, cost=-1.5) for n, text in enumerate(HOSTILE)], "a"
    )
    found = command("interactions", "--format", "csv").cells
    assert [one["tenant"] for one in found] == [f"'{text}" for text in HOSTILE]
    assert {one["cost"] for one in found} == {"-1.5"}
    assert json.loads(found[0]["input"]) == {"note": "hello"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=6))
def test_any_text_comes_back_from_csv_and_starts_no_formula(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "rows.csv"
    assert write(["text"], [{"text": text} for text in texts], "csv", file) == len(texts)
    with file.open(newline="", encoding="utf-8") as lines:
        cells = [cell for (cell,) in list(csv.reader(lines))[1:]]
    assert cells == [harmless(text) for text in texts]
    assert not any(cell.strip().startswith(("=", "+", "-", "@")) for cell in cells)
    assert all(cell in (text, f"'{text}") for cell, text in zip(cells, texts, strict=True))


def test_a_file_is_written_whole_for_this_user_alone(command: Command, tmp_path: Path) -> None:
    command.stores.events.append([asked("i1"), asked("i2")], "a")
    file = tmp_path / "out.jsonl"
    file.write_text("before")
    ran = command("interactions", "--output", str(file), "--json")
    assert json.loads(ran.out) == {"file": str(file), "rows": 2}
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["i1", "i2"]
    assert file.stat().st_mode & 0o077 == 0
    assert command("interactions", "--output", str(file)).out == f"{file}: 2 rows\n"


def test_an_export_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("before")
    rows = ({"value": 1 // (2 - n)} for n in range(5))
    with pytest.raises(ZeroDivisionError):
        write(["value"], rows, "jsonl", file)
    assert file.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def parquet(command: Command, folder: Path, *tokens: str) -> pq.ParquetFile:
    file = folder / "out.parquet"
    ran = command(*tokens, "--output", str(file), "--json")
    assert ran.code == 0, ran.err
    table = pq.ParquetFile(file)
    assert json.loads(ran.out)["rows"] == table.metadata.num_rows
    return table


def test_interactions_come_out_as_parquet_with_every_field_of_its_type(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.columnar.PORTION", 2)
    kept = [asked(f"i{n}", guards=("shape:output",), cost=n / 2, stream=n == 1) for n in range(5)]
    command.stores.events.append(kept, "a")
    command.stores.events.append_entries([started("s1")], "b")
    table = parquet(command, tmp_path, "interactions").read()
    assert table.column_names == list(Interaction.model_fields)
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types["event_time"] == "timestamp[us, tz=UTC]"
    assert (types["cost"], types["release"], types["stream"]) == ("double", "int64", "bool")
    *whole, unknown = table.to_pylist()
    parts = ("input", "output", "arms", "guards", "attempts", "usage")
    read = [{**line, **{name: json.loads(line[name]) for name in parts}} for line in whole]
    assert [Interaction.model_validate(line) for line in read] == kept
    assert (unknown["status"], unknown["cost"], unknown["usage"]) == ("unknown", None, None)


def test_labels_and_training_sets_come_out_as_parquet(command: Command, tmp_path: Path) -> None:
    label(command, 100)
    labels = parquet(command, tmp_path, "labels", "--format", "parquet").read().to_pylist()
    assert [row["value"] for row in labels[:3]] == ["a", "b", "a"]
    assert labels[0]["event_time"] == AT
    stores, spec, as_of = command.stores, command.spec, AT + timedelta(days=30)
    taken = take(spec, stores, as_of, Recipe.ALL, split(spec, stores, as_of, 30))
    rows = parquet(command, tmp_path, "snapshot").read().to_pylist()
    assert len(rows) == taken.rows
    lines = command("snapshot").lines
    assert [(row["row_id"], row["in:size"], row["in:note"], row["label"]) for row in rows] == [
        (line["row_id"], line["in:size"], line["in:note"], line["label"]) for line in lines
    ]


def test_nothing_to_give_out_is_a_parquet_file_without_rows(
    command: Command, tmp_path: Path
) -> None:
    for what in ("interactions", "labels"):
        table = parquet(command, tmp_path, what)
        assert table.metadata.num_rows == 0
        assert "event_time" in table.schema_arrow.names


def test_a_value_that_its_column_can_t_hold_is_refused_and_leaves_no_file(
    command: Command, tmp_path: Path
) -> None:
    odd = {**json.loads(asked("odd").model_dump_json()), "release": "spring"}
    command.stores.events.append_entries(
        [Entry("interaction", "odd", "shop", json.dumps(odd))], "a"
    )
    ran = command("interactions", "--output", str(tmp_path / "out.parquet"))
    assert ran.code == 1
    assert "release: a value is no integer" in ran.err
    assert "--format jsonl" in ran.err
    assert list(tmp_path.glob("*out*")) == list(tmp_path.glob(".export-*")) == []


def test_parquet_needs_a_file(command: Command) -> None:
    ran = command("interactions", "--format", "parquet")
    assert (ran.code, ran.out) == (1, "")
    assert "--output" in ran.err


def test_a_files_name_says_how_it_is_written(command: Command, tmp_path: Path) -> None:
    command.stores.events.append([asked("i1")], "a")
    for name, start in (("out.csv", b'"id"'), ("out.PARQUET", b"PAR1"), ("out.txt", b"{")):
        assert command("interactions", "--output", str(tmp_path / name)).code == 0
        assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize(("place", "said"), [("none/out", "has no folder"), (".", "is a folder")])
def test_a_place_that_can_t_be_written_is_refused(
    command: Command, tmp_path: Path, place: str, said: str
) -> None:
    ran = command("labels", "--output", str(tmp_path / place))
    assert ran.code == 1
    assert said in ran.err
