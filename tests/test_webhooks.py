"""Webhooks hear what was decided: signed, once by id, as long as it takes, and nowhere else."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from at_rest import hits
from receiver import SECRET, Receiver, event_of, receiving
from sqlalchemy import Engine, event, update
from waiting import until

from commands import execute
from opslayer.capability import HookEvent
from opslayer.records import Release, Variant, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.doctor import Health, Installation, examine
from opslayer.steps.notify import PAUSES, Sender, notify, result_of
from opslayer.steps.promote import Promotion, Rollback, promote, rollback
from opslayer.stores import Stores
from opslayer.stores.ledger.database import moment_text, transaction
from opslayer.stores.ledger.deliveries import Delivery
from opslayer.stores.ledger.tables import deliveries
from opslayer.webhooks.post import Answer

NOW = datetime.now(UTC)
HARMLESS = ("SELECT", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE")
"""A kill before one of these leaves what a kill after the write before it leaves."""
FORK = multiprocessing.get_context("fork")
FILE = """\
name: desk
kind: chat
upstreams: [{{name: one, base_url: "http://127.0.0.1:9/v1", model: one}}]
webhooks:
  - {{name: pager, url: "{url}", secret_env: PAGER_SECRET{more}}}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Stores:
    """A machine whose one capability has one webhook, which has been looked at once."""
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.setenv("OPSLAYER_WEBHOOK_NETWORKS", "127.0.0.1/32")
    monkeypatch.setenv("PAGER_SECRET", SECRET)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    declare(receiver.url)
    assert execute(["webhooks", "send"]) == 0
    return Stores.at(Settings())


def declare(url: str, more: str = "") -> None:
    folder = Settings().configs / "capabilities"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "desk.yaml").write_text(FILE.format(url=url, more=more))


def judge(stores: Stores, kind: VerdictKind, outcome: str, about: str = "window 7") -> Verdict:
    """What a step of the loop writes down."""
    numbers = {"p": 0.003, "worst": "a text of a row", "columns": {"city": {"oslo": 4}}}
    return stores.ledger.verdicts.record(
        Verdict(
            capability="desk",
            kind=kind,
            about=about,
            outcome=outcome,
            reason="it is so",
            at=NOW,
            numbers=numbers,
            error_rate=0.05,
        )
    )


def release(stores: Stores, pool: str) -> Release:
    from opslayer.configuration import load_capability

    spec = load_capability("desk", Settings().configs)
    newest = stores.ledger.releases.newest("desk")
    decision = Promotion(newest.number if newest else 0, "ann", "because", None, (), NOW)
    return promote(spec, Variant(name=pool, pool=pool), stores, decision)


def send(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was attempted, as the command tells a machine."""
    return told(["webhooks", "send", "--json"], capsys)


def told(command: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert execute(command) == 0
    return json.loads(capsys.readouterr().out)


def make_due(stores: Stores) -> None:
    """Let the pause before the next attempt be over."""
    with transaction(stores.ledger.url) as connection:
        connection.execute(update(deliveries).values(due=moment_text(datetime.now(UTC))))


def test_every_decision_is_told_as_a_signed_cloud_event(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    from opslayer.configuration import load_capability

    release(stores, "one")
    release(stores, "two")
    rollback(
        load_capability("desk", Settings().configs), stores, Rollback("ann", "two is worse", NOW)
    )
    judge(stores, VerdictKind.ALARM, "alarm")
    judge(stores, VerdictKind.ALARM, "quiet", "window 8")
    judge(stores, VerdictKind.HARM, "harm")
    judge(stores, VerdictKind.HARM, "no_harm", "window 8")
    judge(stores, VerdictKind.EXPERIMENT, "winner", "experiment e: winner")
    judge(stores, VerdictKind.EXPERIMENT, "shares", "experiment e at 9")
    judge(stores, VerdictKind.CANARY, "rolled_back", "canary model-2: release 3 is rolled back")
    judge(stores, VerdictKind.SHADOW, "worse", "shadow model-2")
    judge(stores, VerdictKind.GATE, "promote", "version 3")
    assert {row["status"] for row in send(capsys)} == {"delivered"}
    types = [one["type"].removeprefix("opslayer.") for one in receiver.events]
    assert sorted(types) == [
        "alarm", "canary", "experiment", "harm", "release", "release", "rollback", "shadow"
    ]  # fmt: skip
    alarm = next(one for one in receiver.events if one["type"] == "opslayer.alarm")
    assert alarm["subject"] == "window 7"
    assert alarm["source"] == "/opslayer/capabilities/desk"
    assert alarm["data"]["reason"] == "it is so"
    assert alarm["data"]["error_rate"] == 0.05
    assert alarm["data"]["numbers"] == {"p": 0.003}  # no text or table: they may hold rows' values
    back = next(one for one in receiver.events if one["type"] == "opslayer.rollback")
    assert back["data"]["numbers"]["release"] == 3
    assert send(capsys) == []
    assert len(set(receiver.ids)) == len(receiver.ids) == 8


def test_a_webhook_hears_only_what_it_asked_for_and_nothing_from_before_it(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(stores, VerdictKind.ALARM, "alarm")
    declare(receiver.url.replace("pager", "other"), ", events: [harm]")
    path = Settings().configs / "capabilities" / "desk.yaml"
    path.write_text(path.read_text().replace("name: pager", "name: other"))
    assert send(capsys) == []  # now it is known
    judge(stores, VerdictKind.ALARM, "alarm", "window 8")
    judge(stores, VerdictKind.HARM, "harm", "window 8")
    (row,) = send(capsys)
    assert (row["event"], row["about"], row["hook"]) == ("harm", "window 8", "other")


def test_an_answer_of_500_is_tried_again_under_the_same_id(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [500, 302]
    receiver.headers = {"Location": receiver.url}
    judge(stores, VerdictKind.ALARM, "alarm")
    (row,) = send(capsys)
    assert (row["status"], row["attempts"], row["code"]) == ("waiting", 1, 500)
    assert send(capsys) == []  # not before its time
    make_due(stores)
    (row,) = send(capsys)
    assert "redirects are not followed" in row["reason"]
    make_due(stores)
    (row,) = send(capsys)
    assert (row["status"], row["attempts"], row["reason"]) == ("delivered", 3, None)
    assert len(receiver.got) == 3
    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.got}) == 1
    assert all(receiver.events)


def test_attempts_go_on_for_a_day_and_then_end() -> None:
    failed = Answer(503, "it answered 503")
    now, spent = NOW, timedelta()
    for attempt in range(1, len(PAUSES) + 1):
        result = result_of(failed, attempt, now)
        assert result.status == "waiting"
        spent += result.due - now
    assert timedelta(hours=18) < spent < timedelta(hours=30)
    assert result_of(failed, len(PAUSES) + 1, now).status == "failed"
    pauses = {result_of(failed, 1, now).due for _ in range(20)}
    assert len(pauses) > 10
    asked = result_of(Answer(429, "it answered 429", wait=3600.0), 1, now)
    assert asked.due - now >= timedelta(hours=1)


def test_an_answer_of_410_stops_the_webhook_until_somebody_asks_again(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [410]
    judge(stores, VerdictKind.ALARM, "alarm")
    (row,) = send(capsys)
    assert (row["status"], row["code"]) == ("stopped", 410)
    judge(stores, VerdictKind.HARM, "harm")
    make_due(stores)
    assert send(capsys) == []
    assert len(receiver.got) == 1
    assert {row["status"] for row in told(["webhooks", "list", "--json"], capsys)} == {"stopped"}
    (finding,) = unwell()
    assert "asked for no more" in finding.message
    again = told(["webhooks", "resend", row["id"], "--json"], capsys)
    assert (again["status"], again["attempts"]) == ("delivered", 1)
    judge(stores, VerdictKind.HARM, "harm", "window 9")
    (row,) = send(capsys)
    assert row["status"] == "delivered"


def test_another_address_is_no_longer_the_one_that_is_gone(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [410]
    judge(stores, VerdictKind.ALARM, "alarm")
    send(capsys)
    declare(f"{receiver.url}/new")
    judge(stores, VerdictKind.HARM, "harm")
    (row,) = send(capsys)
    assert (row["event"], row["status"]) == ("harm", "delivered")


def unwell(as_of: datetime = NOW) -> list[Any]:
    installation = Installation(Settings(), as_of, dict(os.environ))
    return [
        one
        for one in examine(installation)
        if one.code == "webhooks" and one.status is not Health.OK
    ]


def test_a_webhook_that_is_down_for_long_is_named_by_the_doctor(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(stores, VerdictKind.ALARM, "alarm")
    assert send(capsys)[0]["status"] == "delivered"
    receiver.answers = [503]
    judge(stores, VerdictKind.HARM, "harm")
    send(capsys)
    assert unwell(datetime.now(UTC)) == []
    later = datetime.now(UTC) + timedelta(hours=3)
    (finding,) = unwell(later)
    assert finding.status is Health.WARNING
    assert "desk: webhook pager" in finding.message
    assert "it answered 503" in finding.message
    assert "s3cr3t-path" not in finding.message
    make_due(stores)
    send(capsys)
    assert unwell(later) == []


def test_the_doctor_says_that_nobody_sends_and_that_a_secret_is_missing(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opslayer.configuration import load_all
    from opslayer.steps.notify import notice

    judge(stores, VerdictKind.ALARM, "alarm")
    notice(load_all(Settings().configs), stores, NOW)
    (finding,) = unwell(NOW + timedelta(hours=1))
    assert "nobody sends" in finding.message
    assert "opslayer up" in finding.way_out
    monkeypatch.setenv("PAGER_SECRET", "whsec_c2hvcnQ=")
    assert any("PAGER_SECRET holds no secret" in one.message for one in unwell())
    monkeypatch.delenv("PAGER_SECRET")
    assert any("PAGER_SECRET is not set" in one.message for one in unwell())


def test_two_secrets_sign_while_one_takes_the_others_place(
    stores: Stores,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("PAGER_SECRET", f"{new} {SECRET}")
    judge(stores, VerdictKind.ALARM, "alarm")
    send(capsys)
    for secret in (new, SECRET):
        event_of(*receiver.got[0], secret)


def test_an_address_of_this_machine_is_not_connected_to_unless_it_is_allowed(
    stores: Stores,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("OPSLAYER_WEBHOOK_NETWORKS")
    judge(stores, VerdictKind.ALARM, "alarm")
    (row,) = send(capsys)
    assert row["reason"] == (
        "127.0.0.1 is no public address, and OPSLAYER_WEBHOOK_NETWORKS does not allow it"
    )
    assert receiver.got == []


def test_networks_that_are_none_are_refused_by_name(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_WEBHOOK_NETWORKS", "10.0.0.1/8, everywhere")
    assert execute(["webhooks", "list"]) == 1
    said = capsys.readouterr().err
    assert "OPSLAYER_WEBHOOK_NETWORKS" in said
    assert "10.0.0.1/8" in said
    assert "everywhere" in said


def test_an_answer_without_end_is_read_for_a_few_kilobytes(
    stores: Stores, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.body = b"x" * 50_000_000
    judge(stores, VerdictKind.ALARM, "alarm")
    begun = time.monotonic()
    assert send(capsys)[0]["status"] == "delivered"
    assert time.monotonic() - begun < 5


def test_nothing_that_is_told_names_the_secret_or_the_address(
    stores: Stores,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PAGER_SECRET", SECRET[:20])
    receiver.answers = [500]
    judge(stores, VerdictKind.ALARM, "alarm")
    (row,) = send(capsys)
    declare("http://127.0.0.1:9/hooks/s3cr3t-path")
    told(["webhooks", "resend", row["id"], "--json"], capsys)
    assert execute(["webhooks", "list"]) == 0
    said = capsys.readouterr()
    assert "PAGER_SECRET" in said.out
    for text in (said.out, said.err):
        assert SECRET[6:20] not in text
        assert "s3cr3t-path" not in text
    assert hits(Settings().root, [SECRET[6:20], "s3cr3t-path"]) == []


def test_an_unknown_delivery_is_refused_with_the_way_out(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["webhooks", "resend", "0123456789abcdef"]) == 1
    assert "opslayer webhooks list" in capsys.readouterr().err


def sent_and_killed(stores: Stores, statement: int) -> bool:
    """Send in a child that dies before its n-th write or commit; whether it died."""
    child = os.fork()
    if child == 0:
        left = [statement]

        def die(*call: Any) -> None:
            reads = len(call) > 2 and call[2].lstrip().upper().startswith(HARMLESS)
            left[0] -= 0 if reads else 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(Engine, "before_cursor_execute", die)
        event.listen(Engine, "commit", die)
        try:
            send_all(stores)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def send_all(stores: Stores) -> None:
    from opslayer.configuration import load_all

    settings = Settings()
    notify(load_all(settings.configs), stores, Sender(settings.webhook_reach, dict(os.environ)))


def test_a_sender_killed_at_any_write_loses_nothing_and_doubles_no_id(
    stores: Stores, receiver: Receiver
) -> None:
    statement = events = 0
    died = True
    while died:
        statement += 1
        judge(stores, VerdictKind.ALARM, "alarm", f"window {events}")
        events += 1
        died = sent_and_killed(stores, statement)
        make_due(stores)  # the leases of the dead
        send_all(stores)
    assert statement > 5
    assert {one.status for one in listed(stores)} == {"delivered"}
    assert len(set(receiver.ids)) == events
    assert len(receiver.ids) > events  # some were heard by nobody but the receiver
    bodies = {headers["webhook-id"]: body for headers, body in receiver.got}
    assert all(bodies[headers["webhook-id"]] == body for headers, body in receiver.got)
    assert {one["subject"] for one in receiver.events} == {f"window {n}" for n in range(events)}


def test_a_sender_that_follows_tells_what_comes_and_stops_when_asked(
    stores: Stores, receiver: Receiver
) -> None:
    command = [sys.executable, "-m", "commands", "webhooks", "send", "--follow"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        judge(stores, VerdictKind.ALARM, "alarm")
        until(lambda: len(receiver.got) == 1)
        judge(stores, VerdictKind.HARM, "harm")
        until(lambda: len(receiver.got) == 2)
    finally:
        child.terminate()
        said = child.communicate(timeout=30)[1]
    assert (child.returncode, said) == (0, "")


def listed(stores: Stores) -> list[Delivery]:
    return stores.ledger.deliveries.newest("desk")


def test_senders_at_once_send_each_once(stores: Stores, receiver: Receiver) -> None:
    for number in range(30):
        judge(stores, VerdictKind.ALARM, "alarm", f"window {number}")
    senders = [FORK.Process(target=send_all, args=(stores,)) for _ in range(3)]
    for one in senders:
        one.start()
    for one in senders:
        one.join(60)
    assert [one.exitcode for one in senders] == [0, 0, 0]
    assert len(receiver.ids) == len(set(receiver.ids)) == 30
    assert all(one.event is HookEvent.ALARM and one.attempts == 1 for one in listed(stores))


@pytest.mark.parametrize(
    ("hook", "field", "said"),
    [
        ("{name: a, url: 'ftp://x', secret_env: S}", "webhooks[0].url", "https://"),
        ("{name: a, url: 'https://u:p@x.org', secret_env: S}", "webhooks[0].url", "signature"),
        ("{name: a, url: 'https://x.org/#a', secret_env: S}", "webhooks[0].url", "path and query"),
        (
            "{name: a, url: 'https://x.org', secret_env: 'whsec_+'}",
            "webhooks[0].secret_env",
            "PAGER_",
        ),
        ("{name: a, url: 'https://x.org'}", "webhooks[0].secret_env", "missing"),
        ("{name: a, url: 'https://x.org', secret_env: S, events: [alarms]}", "webhooks[0]", ""),
        ("{name: a, url: 'https://x.org', secret_env: S, events: []}", "webhooks[0].events", ""),
    ],
)
def test_a_wrong_webhook_is_told_by_its_line(
    stores: Stores, capsys: pytest.CaptureFixture[str], hook: str, field: str, said: str
) -> None:
    path = Settings().configs / "capabilities" / "desk.yaml"
    path.write_text(FILE.split("webhooks", maxsplit=1)[0].format() + f"webhooks:\n  - {hook}\n")
    assert execute(["config", "check"]) == 1
    printed = capsys.readouterr()
    assert field in printed.out + printed.err
    assert said in printed.out + printed.err
    assert "whsec_" not in printed.out + printed.err
