"""The `opslayer` command: quick to start, plain in its errors, exact in its exit codes."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import commands
from commands import VERBS, execute, main
from commands.context import context
from commands.output import between, cell, duration, jsonable, number, printable, show, when
from opslayer.errors import ConfigError, StaleParent
from opslayer.records import CauseKind

OPSLAYER = [sys.executable, "-c", "from commands import main; main()"]
HEAVY = {
    "prefect", "mlflow", "pandas", "numpy", "sklearn", "great_expectations", "evidently",
    "deltalake", "sqlalchemy", "pyarrow", "boto3", "pydantic",
}  # fmt: skip


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*OPSLAYER, *arguments], capture_output=True, text=True, check=False, **options
    )


def test_help_lists_every_verb_and_imports_nothing_heavy() -> None:
    script = "import sys\nfrom commands import execute\nexecute(['--help'])\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    *shown, modules = done.stdout.splitlines()
    loaded = {name.partition(".")[0] for name in modules.split()}
    assert not loaded & HEAVY
    assert not {name for name in modules.split() if name.startswith("commands.")}
    for verb, (_, sentence) in VERBS.items():
        assert any(f"{verb}: {sentence}" in line for line in shown)


def test_every_verb_has_its_file_and_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in VERBS:
        assert execute([verb, "--help"]) == 0
        assert f"opslayer {verb}" in capsys.readouterr().out


def test_every_verb_prints_json_for_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    from cyclopts import App

    app = commands.build()
    for verb in VERBS:
        inner = app[verb]
        names = [name for name in inner if not name.startswith("-")]
        for command in [inner[name] for name in names] or [inner]:
            assert isinstance(command, App)
            command.help_print([])
            assert "--json" in capsys.readouterr().out, verb


def test_wrong_use_exits_with_2_and_one_line() -> None:
    for arguments in (["nonsense"], ["config", "check", "--nonsense"], ["config", "nonsense"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_mistyped_verb_names_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["confg"]) == 2
    assert "did you mean config?" in capsys.readouterr().err
    assert execute(["confg", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "WrongUse"


def test_a_refusal_exits_with_1_and_no_traceback(tmp_path: Path) -> None:
    done = run("config", "check", "absent", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no capability absent")
    assert "Traceback" not in done.stderr


def test_any_refusal_of_ours_is_told_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise StaleParent("release 3 was made\x1b[2J first")

    monkeypatch.setattr("commands.config.context", refuse)
    assert execute(["config", "check"]) == 1
    assert capsys.readouterr().err == "release 3 was made\\x1b[2J first\n"
    assert execute(["config", "check", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["type"], error["problems"]) == ("StaleParent", [])


def test_a_file_that_cannot_be_written_is_a_refusal_and_a_bug_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise PermissionError(13, "Permission denied", "/data/opslayer.db")

    monkeypatch.setattr("commands.config.context", full)
    assert execute(["config", "check"]) == 1
    assert "/data/opslayer.db" in capsys.readouterr().err

    def bug() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("commands.config.context", bug)
    with pytest.raises(ZeroDivisionError):
        execute(["config", "check"])


def test_ctrl_c_exits_with_130_and_says_nothing() -> None:
    script = (
        "import commands, commands.config, os, signal, time\n"
        "def wait():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "commands.config.context = wait\n"
        "commands.main(['config', 'check'])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = (
        "import os, sys\n"
        "from commands import main\n"
        "reader, writer = os.pipe()\n"
        "os.close(reader)\n"
        "os.dup2(writer, 1)\n"
        "main(['config', 'check', '--json'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_main_leaves_with_the_verbs_exit_code() -> None:
    with pytest.raises(SystemExit) as left:
        main(["nonsense"])
    assert left.value.code == 2


def test_the_data_folder_is_made_only_when_a_verb_asks_for_stores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    here = context()
    assert not (tmp_path / "home").exists()
    assert here.stores is here.stores
    assert (tmp_path / "home").is_dir()


def test_an_empty_variable_of_the_environment_is_as_if_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPSLAYER_HOME", "OPSLAYER_DATABASE_URL", "OPSLAYER_SECRET"):
        monkeypatch.setenv(name, "")
    settings = context().settings
    assert settings.root.name == ".opslayer"
    assert settings.database.startswith("sqlite:///")
    assert settings.secret is None


def test_json_has_exact_types() -> None:
    moment = datetime(2011, 1, 1, 7, tzinfo=timezone(timedelta(hours=1)))
    value = {
        "time": moment,
        "span": timedelta(minutes=1),
        "kind": CauseKind.HARM,
        "path": PurePosixPath("a/b"),
        "nan": math.nan,
        "many": (1, 2.5, None, True),
    }
    assert json.loads(json.dumps(jsonable(value))) == {
        "time": "2011-01-01T06:00:00Z",
        "span": 60.0,
        "kind": "harm",
        "path": "a/b",
        "nan": None,
        "many": [1, 2.5, None, True],
    }


def test_a_person_reads_times_numbers_and_spans() -> None:
    assert when(datetime(2011, 1, 31, 6, tzinfo=UTC)) == "2011-01-31 06:00 UTC"
    assert [number(value) for value in (1234567, 0.123456, 12345.6)] == [
        "1,234,567",
        "0.1235",
        "12,346",
    ]
    spans = (timedelta(days=7), timedelta(minutes=90), timedelta(seconds=0.25), timedelta(0))
    assert [duration(span) for span in spans] == ["7d", "1h 30m", "0.25s", "0s"]
    assert [cell(value) for value in (None, True, [1, 2], {"mae": 0.5})] == [
        "–",  # noqa: RUF001
        "yes",
        "1, 2",
        "mae 0.5",
    ]


def test_a_table_shows_markup_and_control_characters_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([{"who": "[red]x[/red]\x1b[2J", "count": 1234}], False, "Title")
    out = capsys.readouterr().out
    assert "[red]x[/red]\\x1b[2J" in out
    assert "1,234" in out
    assert "\x1b" not in out
    assert printable("a\tb") == "a\\x09b"


def test_no_rows_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    show([], False, "Releases", empty="none yet; train first")
    assert capsys.readouterr().out == "Releases: none yet; train first\n"
    show([], True, "Releases")
    assert json.loads(capsys.readouterr().out) == []


def test_problems_are_told_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    from opslayer.errors import Problem

    error = ConfigError([Problem("a.yaml", 1, "x", "wrong"), Problem("b.yaml", 2, "y", "worse")])
    assert str(error) == "a.yaml:1: x: wrong\nb.yaml:2: y: worse"


def test_a_span_is_told_by_its_days_and_by_its_hours_only_where_it_has_some() -> None:
    start = datetime(2011, 1, 24, tzinfo=UTC)
    assert between(start, start + timedelta(days=7)) == "2011-01-24 to 2011-01-31"
    hours = between(start, start + timedelta(hours=6))
    assert hours == "2011-01-24 00:00 to 2011-01-24 06:00"


def test_a_demo_of_nothing_says_so_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path))
    assert execute(["demo", "nothing"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("no capability nothing")
    assert not (tmp_path / "home").exists()
