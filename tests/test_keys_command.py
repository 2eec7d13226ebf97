"""`opslayer keys` as a person and a machine use it: words, JSON and exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands import execute
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.ledger.keys import secret_digest

SECRET = re.compile(r"ops_[A-Za-z0-9_-]{43}")


@dataclass
class Ran:
    """What a command line led to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*tokens: str) -> Ran:
        capsys.readouterr()
        code = execute(["keys", *tokens])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


def test_a_key_s_whole_life_from_the_command_line(command: Command, home: Path) -> None:
    assert "the API is open to this machine alone" in command("list").out
    made = command(
        "create", "--name", "web shop", "--tenant", "acme", "--role", "call", "--role", "release",
        "--per-minute", "600", "--budget", "50", "--expires", "90d", "--json",
    )  # fmt: skip
    assert made.code == 0
    secret = made.json["secret"]
    assert SECRET.fullmatch(secret)
    (listed,) = command("list", "--json").json
    assert listed == {key: value for key, value in made.json.items() if key != "secret"} | {
        "spent": 0.0
    }
    assert (listed["id"], listed["name"], listed["tenant"]) == (secret[:12], "web shop", "acme")
    assert listed["roles"] == ["call", "release"]
    assert (listed["per_minute"], listed["budget"], listed["state"]) == (600, 50.0, "active")
    lasts = datetime.fromisoformat(listed["expires"]) - datetime.fromisoformat(listed["created"])
    assert lasts == timedelta(days=90)
    kept = Stores.at(Settings(home=home)).ledger.keys.all()
    assert kept[0].key.digest == secret_digest(secret)
    revoked = command("revoke", listed["id"], "--json")
    assert (revoked.code, revoked.json["state"]) == (0, "revoked")
    assert command("list", "--json").json[0]["revoked"] == revoked.json["revoked"]


def test_a_person_sees_the_secret_once_and_is_told_so(command: Command) -> None:
    made = command("create", "--name", "web shop")
    (secret,) = SECRET.findall(made.out)
    assert "shown this once" in made.out
    listed = command("list")
    assert secret[:12] in listed.out
    assert "call, feedback" in listed.out
    for said in (listed.out, command("list", "--json").out):
        assert not SECRET.search(said)
        assert secret_digest(secret) not in said


def test_everything_wrong_with_a_wish_is_said_at_once_and_nothing_is_made(command: Command) -> None:
    wrong = command(
        "create", "--name", "", "--tenant", "a b", "--per-minute", "0", "--budget", "-1",
        "--expires", "soon",
    )  # fmt: skip
    assert wrong.code == 2
    for part in ("--name", "--tenant a b", "--per-minute 0", "--budget -1.0", "--expires soon"):
        assert part in wrong.err
    assert command("list", "--json").json == []


@pytest.mark.parametrize(
    "tokens",
    [["create"], ["create", "--name", "x", "--role", "boss"], ["revoke"], ["lend"]],
)
def test_wrong_use_has_exit_code_2(command: Command, tokens: list[str]) -> None:
    assert command(*tokens).code == 2


def test_a_key_that_is_not_there_is_refused_with_those_that_are(command: Command) -> None:
    made = command("create", "--name", "mine", "--json").json
    refused = command("revoke", "ops_nobody00")
    assert refused.code == 1
    assert made["id"] in refused.err


def test_a_leaked_key_is_revoked_by_its_whole_text_and_not_printed_again(command: Command) -> None:
    secret = command("create", "--name", "leaked", "--json").json["secret"]
    done = command("revoke", secret)
    assert done.code == 0
    again = command("revoke", "ops_" + "x" * 43)
    assert again.code == 1
    for said in (done.out, again.err):
        assert not SECRET.search(said)


def test_the_list_says_who_may_call_where_only_the_admin_key_is_set(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLAYER_ADMIN_KEY", "canary-admin-secret")
    said = command("list").out
    assert "OPSLAYER_ADMIN_KEY alone" in said
    assert "canary" not in said
