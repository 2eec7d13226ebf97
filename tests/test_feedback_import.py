"""`opslayer feedback import`: what was said later, from a file into the log and on to labels."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feeds import content
from hypothesis import given
from hypothesis import strategies as st

from commands import execute
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import FileRefused
from opslayer.records import Feedback, Interaction
from opslayer.settings import Settings
from opslayer.sources.feedback import read
from opslayer.sources.said import FeedbackFile
from opslayer.steps.feedback import Imported, import_feedback
from opslayer.steps.ingest import ingest
from opslayer.steps.labels import labels
from opslayer.steps.tag import tag
from opslayer.stores import Stores

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ASKED = datetime(2024, 5, 1, tzinfo=UTC)
HEADER = "interaction_id,kind,value,event_time,idempotency_key,capability"
BIKES = """\
name: bikes
kind: regression
inputs: {temp: {type: number}}
target: users
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae}
"""
MAIL = """\
name: mail
kind: classification
inputs: {size: {type: number}}
target: spam
classes: ["yes", "no", "7"]
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy}
"""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "bikes.yaml").write_text(BIKES)
    (folder / "mail.yaml").write_text(MAIL)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    return Stores.at(Settings())


def declared(name: str) -> Capability:
    return load_capability(name, Settings().configs)


def csv(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "feedback.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path


def jsonl(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "feedback.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join([*texts, ""]), encoding="utf-8")
    return path


def take(
    stores: Stores, path: Path, capability: str | None = "bikes", at: datetime = NOW
) -> Imported:
    return import_feedback(FeedbackFile(path, declared, capability), stores, at)


def logged(stores: Stores, capability: str = "bikes") -> list[Feedback]:
    records = [event.record() for event in stores.events.read(capability, {}).events]
    return [record for record in records if isinstance(record, Feedback)]


def told(imported: Imported) -> list[tuple[int, str, str]]:
    return [(one.line, one.field, one.message) for one in imported.problems]


def test_each_line_is_feedback_known_from_now_on(stores: Stores, tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "i1,true_value,12.50,2024-05-02 06:00,k1,",
        "i2,correction,7,,,",
        "i3,thumb,Up,,,",
        "i4,click,,,,",
        "i5,click,buy,2024-05-03T00:00+02:00,,",
        "m1,true_value,7,,,mail",
    )
    imported = take(stores, path)
    assert (imported.read, imported.new, imported.present, imported.refused) == (6, 6, 0, 0)
    said = logged(stores)
    assert [(one.interaction_id, one.kind.value, one.value) for one in said] == [
        ("i1", "true_value", 12.5),
        ("i2", "correction", 7.0),
        ("i3", "thumb", "up"),
        ("i4", "click", None),
        ("i5", "click", "buy"),
    ]
    assert [one.event_time for one in said] == [
        datetime(2024, 5, 2, 6, tzinfo=UTC),
        NOW,
        NOW,
        NOW,
        datetime(2024, 5, 2, 22, tzinfo=UTC),
    ]
    assert {one.known_time for one in said} == {NOW}
    assert said[0].id == "k1"
    assert [one.value for one in logged(stores, "mail")] == ["7"]


def test_json_lines_say_the_same_as_csv_whether_packed_or_not(
    stores: Stores, tmp_path: Path
) -> None:
    take(stores, csv(tmp_path, "i1,true_value,12.5,2024-05-02,,", "i2,thumb,down,,,"))
    lines = jsonl(
        tmp_path,
        {"interaction_id": "i1", "kind": "true_value", "value": 12.5, "event_time": "2024-05-02"},
        "",
        {"interaction_id": "i2", "kind": "thumb", "value": False, "event_time": None},
    )
    packed = tmp_path / "feedback.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    for path in (lines, packed):
        imported = take(stores, path)
        assert (imported.read, imported.new, imported.present) == (2, 0, 2)
    assert len(logged(stores)) == 2


def test_a_file_imported_twice_adds_nothing_and_keeps_the_first_time(
    stores: Stores, tmp_path: Path
) -> None:
    path = csv(
        tmp_path, "i1,true_value,1,,,", "i1,true_value,2,,,", "i1,click,,,a,", "i1,click,,,b,"
    )
    assert take(stores, path).new == 4
    again = take(stores, path, at=NOW + timedelta(days=1))
    assert (again.new, again.present) == (0, 4)
    assert {one.known_time for one in logged(stores)} == {NOW}


def test_two_lines_that_say_the_same_are_one_without_a_key_or_a_time(
    stores: Stores, tmp_path: Path
) -> None:
    imported = take(stores, csv(tmp_path, *["i1,click,,,,"] * 2, "i1,click,,2024-05-01,,"))
    assert (imported.new, imported.present) == (2, 1)


def test_bad_lines_are_told_all_at_once_and_keep_no_good_one_back(
    stores: Stores, tmp_path: Path
) -> None:
    path = csv(
        tmp_path,
        "i1,true_value,1,,,",
        ",true_valu,1,,,",
        "i2,true_value,many,yesterday,,",
        "i3,true_value,,2031-01-01,,",
        "i4,thumb,sideways,,,",
        "i5,correction,1e400,,,absent",
        "i6,true_value",
        "i7 ,true_value,1,,,",
        "m8,true_value,maybe,,,mail",
        "i9,true_value,1,,,",
    )
    imported = take(stores, path)
    assert (imported.read, imported.new, imported.refused) == (10, 2, 8)
    assert [one.interaction_id for one in logged(stores)] == ["i1", "i9"]
    places = [(line, field) for line, field, _ in told(imported)]
    assert places == [
        (3, "interaction_id"),
        (3, "kind"),
        (4, "event_time"),
        (4, "value"),
        (5, "event_time"),
        (5, "value"),
        (6, "value"),
        (7, "capability"),
        (8, "line"),
        (9, "interaction_id"),
        (10, "value"),
    ]
    text = "\n".join(map(str, imported.problems))
    for words in (
        f"{path}:3: kind: 'true_valu' is none of thumb, correction, true_value, click; "
        "did you mean true_value?",
        "no number; it is 'many'",
        "no time: write YYYY-MM-DD HH:MM:SS or ISO 8601; it is 'yesterday'",
        "write up or down",
        "no capability absent",
        "2 cells, where the header has 6",
        "none of yes, no, 7; it is 'maybe'",
    ):
        assert words in text


def test_bad_json_lines_are_told_by_line(stores: Stores, tmp_path: Path) -> None:
    good = {"interaction_id": "i1", "kind": "true_value", "value": 1}
    path = jsonl(
        tmp_path,
        good,
        '{"interaction_id": "i1"',
        '"i1"',
        {**good, "evnt_time": "2024-05-01"},
        '{"interaction_id": "i1", "kind": "click", "kind": "thumb", "value": 1}',
        '{"interaction_id": "i1", "kind": "true_value", "value": NaN}',
        '{"interaction_id": "i1", "kind": "click", "value": 1e400}',
        {**good, "value": "1"},
        {**good, "value": True},
        {**good, "value": [1]},
        {**good, "event_time": 1714521600},
        {**good, "interaction_id": "\ud800"},
        {**good, "idempotency_key": "k" * 65},
    )
    imported = take(stores, path)
    assert (imported.read, imported.new, imported.refused) == (13, 1, 12)
    text = "\n".join(map(str, imported.problems))
    for words in (
        ":2: line: no JSON:",
        ":3: line: no JSON object",
        ":4: line: key evnt_time: not known",
        "did you mean event_time?",
        ":5: line: key kind occurs twice",
        ":6: line: NaN is no JSON",
        ":7: value: no plain value",
        ":8: value: no number: str; it is '1'",
        ":9: value: no number: bool; it is True",
        ":10: value: no plain value",
        ":11: event_time: no time",
        ":12: interaction_id:",
        ":13: idempotency_key: longer than 64",
    ):
        assert words in text


def test_a_key_may_not_say_two_things_in_one_file(stores: Stores, tmp_path: Path) -> None:
    path = csv(tmp_path, "i1,true_value,1,,k,", "i1,true_value,1,,k,", "i1,true_value,2,,k,")
    imported = take(stores, path)
    assert (imported.new, imported.present, imported.refused) == (1, 1, 1)
    assert told(imported)[0][:2] == (4, "idempotency_key")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "the file is empty"),
        (b"interaction_id,kind\ni1,click\n", "column value is missing"),
        (b"interaction_id,kind,value,when\ni1,click,,\n", "column when: not known, take it out"),
        (b"interaction_id,kind,value,event_tme\n", "did you mean event_time?"),
        (b"interaction_id,kind,value,value\n", "column value occurs twice"),
        (b'[{"interaction_id": "i1"}]', "write one object a line"),
        (gzip.compress(b"interaction_id,kind,value\n" + b"i1,click,\n" * 9999)[:-9], "broken gzip"),
        (gzip.compress(b'{"interaction_id": "i1"}\n' * 9999)[:-9], "broken gzip"),
        (b"\x89PNG\0\0", "binary"),
    ],
)
def test_a_file_that_is_no_feedback_is_refused_and_nothing_is_written(
    stores: Stores, tmp_path: Path, raw: bytes, words: str
) -> None:
    path = tmp_path / "wrong"
    path.write_bytes(raw)
    with pytest.raises(FileRefused) as refused:
        take(stores, path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert logged(stores) == []


def test_text_is_read_strictly(stores: Stores, tmp_path: Path) -> None:
    """Not as pandas.read_csv would: NA is a text, 007 is not 7, and a long row moves no cell."""
    path = csv(tmp_path, "007,click,NA,,,", "NA,click,1e400,,,", "i3,click,a,,,,b")
    imported = take(stores, path)
    assert [(one.interaction_id, one.value) for one in logged(stores)] == [
        ("007", "NA"),
        ("NA", "1e400"),
    ]
    assert told(imported) == [(4, "line", "7 cells, where the header has 6")]


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_no_bytes_at_all_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], as_json: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b"\n".join([b"{}" if as_json else b"interaction_id,kind,value", *lines]))
    try:
        portions = list(read(path))
    except FileRefused:
        return
    for portion in portions:
        for problem in portion.problems:
            assert problem.line >= 1
            assert problem.message


def asked(stores: Stores) -> None:
    """Two answered interactions in the log."""
    stores.events.append(
        [
            Interaction(
                id=f"i{number}",
                capability="bikes",
                event_time=ASKED + timedelta(hours=number),
                input={"temp": float(number)},
                output={"value": 10.0},
                variant="model-1",
                release=1,
            )
            for number in (1, 2)
        ],
        "gateway",
    )


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, "-c", "from commands import main; main()"]
    return subprocess.run(
        [*script, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )


def test_through_the_command_a_file_becomes_labels(stores: Stores, tmp_path: Path) -> None:
    lines = ("i1,true_value,31,2024-05-02,,", "i2,thumb,down,,,", "i2,correction,8,,,")
    path = csv(tmp_path, *lines, "i3,true_value,5,,,")  # i3 is asked later, or never
    done = command("feedback", "import", str(path), "--capability", "bikes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: 4 lines: 4 new, 0 there already, 0 refused\n"
    asked(stores)  # the interactions come after what was said of them
    now, bikes = datetime.now(UTC), declared("bikes")
    counts = ingest(bikes, stores, now).counts
    assert (counts.stored, counts.statements, counts.remarks, counts.quarantined) == (2, 3, 1, 0)
    tag(bikes, stores, now)
    found = labels(bikes, stores, now).set_index("row_id")["value"].to_dict()
    assert found == {"i1": 31.0, "i2": 8.0}
    assert labels(bikes, stores, NOW).empty  # what is imported today was not known then
    assert len(content(stores, bikes, "tags", ["id"])) == 3
    assert command("feedback", "import", str(path), "--capability", "bikes").returncode == 0
    assert ingest(bikes, stores, now).counts.read == 0


def test_the_command_tells_bad_lines_and_exits_with_1_though_it_takes_the_good(
    stores: Stores, tmp_path: Path
) -> None:
    path = csv(tmp_path, "i1,true_value,1,,,bikes", "i2,true_value,x,,,bikes", "i3,click,,,,")
    done = command("feedback", "import", str(path))
    assert done.returncode == 1
    assert done.stdout == f"{path}: 3 lines: 1 new, 0 there already, 2 refused\n"
    assert done.stderr.splitlines() == [
        f"{path}:3: value: no number; it is 'x'",
        f"{path}:4: capability: missing: name it in the file, or for all lines with --capability",
    ]
    as_json = command("feedback", "import", str(path), "--json")
    assert (as_json.returncode, as_json.stderr) == (1, "")
    said = json.loads(as_json.stdout)
    assert [said[name] for name in ("read", "new", "present", "refused")] == [3, 0, 1, 2]
    assert said["problems"][0] == {
        "file": str(path),
        "line": 3,
        "field": "value",
        "message": "no number; it is 'x'",
    }


def test_wrong_names_are_told_in_one_sentence(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, "i1,true_value,1,,,")
    assert execute(["feedback", "import", str(path), "--capability", "bike"]) == 1
    assert "did you mean bikes?" in capsys.readouterr().err
    assert execute(["feedback", "import", str(tmp_path / "absent.csv")]) == 1
    assert capsys.readouterr().err == f"there is no file {tmp_path / 'absent.csv'}\n"
    assert execute(["feedback", "import"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert logged(stores) == []


def test_many_bad_lines_are_counted_where_they_are_too_many_to_tell(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = csv(tmp_path, *["i1,true_value,x,,,bikes"] * 1200, "i1,true_value,1,,,bikes")
    assert execute(["feedback", "import", str(path)]) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1001
    assert "and 200 more lines" in said.err
    assert "1,201 lines: 1 new, 0 there already, 1,200 refused" in said.out
