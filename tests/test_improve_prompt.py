"""A prompt that people dislike is improved by what they said of its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from taught import give_database

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import NotEnoughData, Refused, StoreError
from opslayer.records import Attempt, Feedback, FeedbackKind, Interaction, Value
from opslayer.settings import Settings
from opslayer.steps.examine import examine, likeness
from opslayer.steps.improve import improve
from opslayer.steps.introduce import introduce
from opslayer.steps.propose import propose
from opslayer.steps.rated import Case, gather
from opslayer.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RIGHT = "Tap Unlock in the app and scan the code on the handlebar, please."
WRONG = "Bikes are a wonderful invention with a long history."
WRITTEN = "Say which button of the app does it. Their city is {{city}}."
DESK = """\
name: desk
kind: chat
improve: {{pool: writers, proposals: 2, min_rated: 30}}
upstreams:
  - {{name: main, pool: main, base_url: "{url}/v1", model: talk, price: {{input: 1, output: 1}}}}
  - {{name: writer, pool: writers, base_url: "{url}/v1", model: write}}
prompts:
  - {{name: plain, template: "You are a rider in {{{{city}}}}.", defaults: {{city: Oslo}}}}
  - {{name: placeless, template: "Name the button that does it."}}
"""


class Upstream(BaseHTTPRequestHandler):
    """Answers well where the instructions speak of buttons; writes such instructions when asked."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        instructions = body["messages"][0]["content"]
        good = RIGHT if "button" in instructions else WRONG
        text = WRITTEN if body["model"] == "write" else good
        if "{{" in instructions and body["model"] == "talk":
            text = "a place was left empty"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}}
        said = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 9}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Desk:
    def __init__(self, folder: Path, url: str) -> None:
        configs = folder / "configs"
        (configs / "capabilities").mkdir(parents=True)
        (configs / "capabilities" / "desk.yaml").write_text(DESK.format(url=url))
        self.stores = Stores.at(Settings(home=folder / "home", configs=configs))
        give_database(self.stores)
        self.capability: Capability = load_capability("desk", configs)
        introduce(self.capability, self.stores, NOW - timedelta(days=9))

    def say(self, number: int, kind: FeedbackKind, value: Value) -> None:
        """One answer, and what was said of it."""
        at = NOW - timedelta(minutes=number)
        answer = Interaction(
            id=f"call-{number}",
            capability="desk",
            event_time=at,
            input={"messages": [{"role": "user", "content": f"How do I unlock? ({number})"}]},
            output={"reply": WRONG},
            variant="main-plain-1",
            assigned="main-plain-1",
            release=1,
            attempts=(Attempt(variant="main-plain-1", outcome="ok"),),
        )
        said = Feedback(
            id=f"said-{number}-{kind}",
            capability="desk",
            interaction_id=answer.id,
            kind=kind,
            value=value,
            event_time=at,
            known_time=at,
        )
        self.stores.events.append([answer, said], "test")

    def disliked(self, count: int) -> None:
        for number in range(count):
            self.say(number, FeedbackKind.CORRECTION, RIGHT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with upstream() as url:
        yield Desk(tmp_path, url)


def test_a_better_prompt_is_written_examined_and_tried_on_a_share(desk: Desk) -> None:
    desk.disliked(60)
    case = gather(desk.capability, desk.stores)
    templates = propose(desk.capability, case)
    assert templates == [WRITTEN], "what lacks a place, and what is written twice, is no candidate"
    judged = examine(desk.capability, case, templates, desk.stores, NOW)
    improved = improve(desk.capability, judged, desk.stores, ("loop", NOW))
    assert improved.release is not None
    canary = improved.release.canary
    assert canary is not None
    assert (canary.variant.name, canary.share) == ("main-plain-2", 0.1)
    assert improved.release.champion.name == "main-plain-1"
    assert desk.stores.prompts.load("desk", "plain", 2) == WRITTEN
    (verdict,) = improved.verdicts
    assert verdict.id in improved.release.evidence
    assert verdict.numbers["candidate"] < verdict.numbers["champion"]
    again = improve(desk.capability, judged, desk.stores, ("loop", NOW))
    assert again.release == improved.release


def test_a_prompt_that_is_no_better_is_not_tried(desk: Desk) -> None:
    desk.disliked(40)
    case = gather(desk.capability, desk.stores)
    judged = examine(desk.capability, case, ["Be a rider, {{city}}."], desk.stores, NOW)
    improved = improve(desk.capability, judged, desk.stores, ("loop", NOW))
    assert improved.release is None
    assert "disagreements" in improved.reason


def test_too_few_rated_answers_are_told_with_their_number(desk: Desk) -> None:
    desk.disliked(7)
    with pytest.raises(NotEnoughData, match="7 answers of main-plain-1 were disliked, and 7 have"):
        gather(desk.capability, desk.stores)


def test_what_people_liked_is_a_reference_too(desk: Desk) -> None:
    desk.disliked(30)
    desk.say(31, FeedbackKind.THUMB, "up")
    desk.say(32, FeedbackKind.THUMB, "down")
    case: Case = gather(desk.capability, desk.stores)
    assert (len(case.disliked), len(case.examined)) == (31, 31)
    assert [one.reference for one in case.rated if one.liked] == [WRONG]


def test_an_upstream_that_is_away_is_told_and_nothing_is_registered(desk: Desk) -> None:
    desk.disliked(30)
    case = gather(desk.capability, desk.stores)
    text = desk.capability.model_dump(mode="json", exclude_defaults=True)
    for one in text["upstreams"]:
        one["base_url"] = "http://127.0.0.1:9/v1"
    away = Capability.model_validate(text)
    with pytest.raises(
        StoreError, match=r"upstream writer at http://127\.0\.0\.1:9/v1 answers noth"
    ):
        propose(away, case)


def test_only_a_prompt_that_serves_can_be_improved(tmp_path: Path) -> None:
    home = Settings(home=tmp_path / "home", configs=tmp_path)
    stores = Stores.at(home)
    give_database(stores)
    spec = Capability.model_validate(
        {
            "name": "bare",
            "kind": "chat",
            "upstreams": [{"name": "main", "base_url": "http://127.0.0.1:9/v1", "model": "m"}],
        }
    )
    introduce(spec, stores, NOW)
    with pytest.raises(Refused, match="bare is served by no prompt"):
        gather(spec, stores)


@pytest.mark.parametrize(
    ("reply", "reference", "expected"),
    [("a b", "a b", 1.0), ("A, b!", "a b", 1.0), ("a", "b", 0.0), ("", "a", 0.0),
     ("a a b", "a b c", 2 / 3)],
)  # fmt: skip
def test_likeness_is_the_f1_of_words(reply: str, reference: str, expected: float) -> None:
    assert likeness(reply, reference) == pytest.approx(expected)
