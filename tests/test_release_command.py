"""`opslayer release` as a person and a machine use it: words, JSON and exit codes."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from backend import copy_home

from benchmarks.promotion_race import RACED, register, stores_at
from commands import execute
from opslayer.records import Verdict, VerdictKind
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores

NUMBERS = f"""\
name: {RACED.name}
kind: regression
inputs: {{x: {{type: number}}}}
target: y
training: {{estimator: sklearn.linear_model.Ridge}}
gate: {{metric: mae}}
"""


@dataclass
class Ran:
    """What a command line led to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Command:
    """The command line of one installation."""

    stores: Stores
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *tokens: str) -> Ran:
        self.capsys.readouterr()
        code = execute(["release", *tokens])
        said = self.capsys.readouterr()
        return Ran(code, said.out, said.err)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three registered versions; a registry takes seconds to make."""
    home = tmp_path_factory.mktemp("registered") / "home"
    register(str(home), 3)
    return home


@pytest.fixture
def command(
    registered: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    """An installation with one capability and three registered versions, none of them released."""
    home = copy_home(registered, tmp_path / "home")
    file = tmp_path / "configs" / "capabilities" / f"{RACED.name}.yaml"
    file.parent.mkdir(parents=True)
    upstream = "{name: nobody, base_url: 'http://127.0.0.1:9/v1', model: none}"
    file.write_text(f"name: {RACED.name}\nkind: chat\nupstreams: [{upstream}]\n")
    monkeypatch.setenv("OPSLAYER_HOME", str(home))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    return Command(stores_at(str(home)), capsys)


def test_a_release_s_whole_life_from_the_command_line(command: Command) -> None:
    assert command("list", "raced", "--json").json == []
    assert "nothing was released yet" in command("list", "raced").out
    for version in ("1", "2"):
        done = command("promote", "raced", version, "--reason", "it won", "--by", "ann", "--json")
        assert done.code == 0
        assert done.json["champion"] == f"model-{version}"
    done = command("rollback", "raced", "--reason", "it harms", "--json")
    assert (done.code, done.json["number"], done.json["parent"]) == (0, 3, 2)
    assert (done.json["champion"], done.json["by"]) == ("model-1", getpass.getuser())
    listed = command("list", "raced", "--json").json
    assert [(row["number"], row["champion"], row["by"], row["reason"]) for row in listed] == [
        (1, "model-1", "ann", "it won"),
        (2, "model-2", "ann", "it won"),
        (3, "model-1", getpass.getuser(), "back to release 1: it harms"),
    ]
    assert all(row["at"].endswith("Z") for row in listed)
    table = command("list", "raced").out
    assert "model-2" in table
    assert "back to release 1: it harms" in table


def test_show_tells_a_release_and_the_verdicts_it_rests_on(command: Command) -> None:
    at = command.stores.ledger.versions.get("raced", 1).trained_at
    gate = Verdict(
        capability="raced",
        kind=VerdictKind.GATE,
        about="model-1",
        outcome="promote",
        reason="better by 2 points",
        at=at,
        numbers={"p": 0.01, "candidate": 0.9},
        error_rate=0.05,
    )
    command.stores.ledger.verdicts.record(gate)
    decision = Promotion(
        parent=0, by="loop", reason="it won", cause="c1", evidence=(gate.id,), at=at
    )
    promote(RACED, 1, command.stores, decision)
    shown = command("show", "raced", "--json").json
    assert (shown["number"], shown["cause"]) == (1, "c1")
    assert [verdict["kind"] for verdict in shown["evidence"]] == ["promotion", "gate"]
    assert shown["evidence"][1]["numbers"] == {"p": 0.01, "candidate": 0.9}
    page = command("show", "raced", "1").out
    assert "better by 2 points" in page
    assert "candidate 0.9" in page


@pytest.mark.parametrize(
    ("tokens", "code", "words"),
    [
        (["show", "raced"], 1, "no release yet: `opslayer run train_model raced`"),
        (["show", "raced", "4"], 1, "no release 4: nothing was released yet"),
        (["list", "racd"], 1, "raced"),
        (["promote", "raced", "9", "--reason", "r"], 1, "there are 1, 2, 3"),
        (["promote", "raced", "1", "--reason", " "], 1, "reason must not be empty"),
        (["promote", "raced", "1", "--reason", "r", "--parent", "7"], 1, "serves now is nothing"),
        (["rollback", "raced", "--reason", "r"], 1, "nothing to go back to"),
        (["promote", "raced", "1"], 2, "reason"),
        (["promote", "raced", "one", "--reason", "r"], 2, "one"),
        (["undo", "raced"], 2, "undo"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    command: Command, tokens: list[str], code: int, words: str
) -> None:
    said, machine = command(*tokens), command(*tokens, "--json")
    assert (said.code, machine.code) == (code, code)
    assert words in said.out + said.err
    assert words in machine.json["error"]["message"]
    assert "Traceback" not in said.out + said.err
    assert command.stores.ledger.releases.all("raced") == []


def test_a_trial_is_begun_shown_for_a_subject_and_stopped(command: Command) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    tried = command("promote", RACED.name, "2", "--canary", "--reason", "try it", "--json").json
    assert tried["champion"] == "model-1"
    assert (tried["canary"]["variant"]["name"], tried["canary"]["share"]) == ("model-2", 0.1)
    got = {}
    for number in range(40):
        subject = f"rider-{number}"
        said = command("show", RACED.name, "--subject", subject, "--json").json["subject"]
        got[said["variant"]] = said["why"]
    assert got == {
        "model-1": "model-1 is the champion of release 2",
        "model-2": "the subject is in the 10.0% that try model-2",
    }
    assert "What rider-4 gets from it" in command("show", RACED.name, "--subject", "rider-4").out
    stopped = command("stop", RACED.name, "canary", "--reason", "not today", "--json").json
    assert (stopped["number"], stopped["canary"], stopped["champion"]) == (3, None, "model-1")
    again = command("stop", RACED.name, "canary", "--reason", "once more")
    assert (again.code, again.err.strip()) == (1, f"{RACED.name}: nothing is on trial")


def test_a_rule_is_for_those_it_names_and_history_says_who_got_what_then(command: Command) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    before = datetime.now(UTC)
    rule = ("--for", "tenant=acme", "--reason", "they asked for it")
    made = command("promote", RACED.name, "3", *rule, "--json").json
    assert [one["name"] for one in made["variants"]] == ["model-1", "model-3"]
    subject = ("--subject", "ann", "--json")
    theirs = command("show", RACED.name, *subject, "--tenant", "acme").json["subject"]
    assert (theirs["variant"], theirs["why"]) == ("model-3", "a rule for tenant acme picks model-3")
    made = command("promote", RACED.name, "2", "--for", "plan=gold,trial", "--reason", "ours")
    assert made.code == 0, made.err
    gold = command("show", RACED.name, *subject, "--segment", "plan=gold").json["subject"]
    assert (gold["variant"], gold["why"]) == (
        "model-2",
        "a rule for plan = gold or trial picks model-2",
    )
    then = command("show", RACED.name, *subject, "--tenant", "acme", "--at", before.isoformat())
    assert (then.json["number"], then.json["subject"]["variant"]) == (1, "model-1")
    promoted = command("promote", RACED.name, "2", "--reason", "better", "--json").json
    assert [(one["name"], one["weight"]) for one in promoted["variants"]] == [
        ("model-2", 1.0), ("model-3", 0.0)
    ]  # fmt: skip
    dropped = command("stop", RACED.name, "rules", "--reason", "no more", "--json").json
    assert [one["name"] for one in dropped["variants"]] == ["model-2"]


@pytest.mark.parametrize("option", ["--for", "--segment"])
def test_a_value_that_a_column_cannot_have_is_refused_by_the_option_that_it_came_with(
    command: Command, tmp_path: Path, option: str
) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    (tmp_path / "configs" / "capabilities" / f"{RACED.name}.yaml").write_text(NUMBERS)
    verb = ("promote", RACED.name, "2", "--reason", "odd")
    if option == "--segment":
        verb = ("show", RACED.name, "--subject", "ann")
    ran = command(*verb, option, "x=big")
    assert (ran.code, f"{option} x=big: x is number" in ran.err) == (1, True), ran.err


def test_a_release_may_start_later(command: Command) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    friday = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    planned = command(
        "promote", RACED.name, "2", "--starts", friday, "--reason", "Friday", "--json"
    )
    assert planned.json["number"] == 2
    assert command("show", RACED.name, "--json").json["number"] == 1
    later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert command("show", RACED.name, "--at", later, "--json").json["champion"] == "model-2"


def test_a_share_moves_nobody_but_those_it_needs(command: Command) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    made = command(
        "promote", RACED.name, "2", "--share", "0.25", "--reason", "half a try", "--json"
    )
    assert [(one["name"], one["weight"]) for one in made.json["variants"]] == [
        ("model-1", 0.75), ("model-2", 0.25)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--canary", "--shadow"), "name one of --canary, --shadow, --share and --for"),
        (("--share", "1.5"), "a share of 1.5 is none: write one between 0 and 1, or promote it"),
        (("--for", "acme"), "--for acme: write tenant=NAME, or COLUMN=VALUE[,VALUE …]"),
        (("--since", "2026-01-01"), "--since and --until go with --for; a whole release has"),
    ],
)
def test_what_makes_no_release_is_refused_with_the_way_out(
    command: Command, options: tuple[str, ...], said: str
) -> None:
    command("promote", RACED.name, "1", "--reason", "first")
    ran = command("promote", RACED.name, "2", *options, "--reason", "odd")
    assert (ran.code, said in ran.err) == (1, True)
    assert command("list", RACED.name, "--json").json[-1]["number"] == 1
