"""Experiments under real calls: arms over prompts, models and user flows, and who wins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from serving import Served, serving
from taught import give_database
from upstream import upstream

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import NotFound, Refused
from opslayer.judgement.assignment import Who, assign
from opslayer.records import Release, VerdictKind
from opslayer.settings import Settings
from opslayer.steps import experiment
from opslayer.steps.introduce import introduce
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores
from opslayer.stores.secret import installation_secret, subject_hash

DESK = """\
name: desk
kind: chat
answer: {{deadline: 10s}}
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams:
  - {{name: main, pool: main, base_url: "{url}/v1", model: ok}}
  - {{name: other, pool: other, base_url: "{url}/v1", model: ok}}
prompts:
  - {{name: plain, template: Be brief.}}
  - {{name: warm, template: Be kind.}}
experiments:
  - name: tone
    metric: thumb
    guardrails: {{error: 0.05}}
    arms:
      - {{name: plain}}
      - {{name: warm, prompt: warm, flow: {{greeting: long}}}}
  - name: engine
    arms: [{{name: as-is}}, {{name: other, pool: other}}]
  - name: checkout
    metric: click
    arms: [{{name: short, flow: false}}, {{name: long, flow: true}}]
  - name: again
    arms: [{{name: as-is}}, {{name: plain, prompt: plain}}]
"""
SOON = 60.0
"""Seconds within which what was decided is done, on however busy a machine."""


class Desk:
    """A help desk with two pools, two prompts and four experiments."""

    def __init__(self, folder: Path, url: str) -> None:
        self.home, self.configs = folder / "home", folder / "configs"
        (self.configs / "capabilities").mkdir(parents=True)
        (self.configs / "capabilities" / "desk.yaml").write_text(DESK.format(url=url))
        self.settings = Settings(home=self.home, configs=self.configs)
        self.stores = Stores.at(self.settings)
        give_database(self.stores)
        self.capability: Capability = load_capability("desk", self.configs)
        introduce(self.capability, self.stores, datetime.now(UTC))

    def newest(self) -> Release:
        release = self.stores.ledger.releases.newest("desk")
        assert release is not None
        return release

    def decided(self, reason: str) -> Promotion:
        return Promotion(self.newest().number, "ann", reason, None, (), datetime.now(UTC))

    def start(self, name: str) -> Release:
        return experiment.start(self.capability, name, self.stores, self.decided(f"try {name}"))

    def who(self, subject: str) -> Who:
        unit = subject_hash(installation_secret(self.settings), "", subject)
        return Who(unit, datetime.now(UTC))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with upstream() as url:
        yield Desk(tmp_path, url)


def ask(client: httpx.Client, subject: str) -> httpx.Response:
    body = {"model": "desk", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"X-Opslayer-Subject": subject}
    return client.post("/v1/chat/completions", json=body, headers=headers)


def rate(client: httpx.Client, reply: httpx.Response, up: bool) -> None:
    id = reply.headers["x-opslayer-interaction"]
    said = {"interaction_id": id, "kind": "thumb", "value": "up" if up else "down"}
    assert client.post("/v1/feedback", json=said).status_code == 200


def provider(served: Served) -> Any:
    api.set_provider(OFREPProvider(served.url))
    return api.get_client()


def test_the_better_prompt_wins_and_serves_everybody(desk: Desk) -> None:
    begun, draw = desk.start("tone"), Random(5)
    with serving(desk.home, desk.configs) as served, httpx.Client(base_url=served.url) as client:
        deadline, asked = time.monotonic() + SOON, 0
        while desk.newest().number == begun.number:
            assert time.monotonic() < deadline
            reply = ask(client, f"rider-{asked}")
            asked += 1
            warm = reply.headers["x-opslayer-variant"].endswith("warm-1")
            rate(client, reply, draw.random() < (0.9 if warm else 0.5))
        flag = provider(served)
        deadline = time.monotonic() + SOON
        while flag.get_object_details("desk.tone", {}).reason is not Reason.STATIC:
            assert time.monotonic() < deadline
        details = flag.get_object_details("desk.tone", {})
        assert (details.variant, details.value) == ("warm", {"greeting": "long"})
    release = desk.newest()
    assert (release.champion.prompt, release.experiments, release.by) == ("warm", (), "loop")
    (verdict,) = desk.stores.ledger.verdicts.list("desk", VerdictKind.EXPERIMENT)
    assert (verdict.outcome, verdict.error_rate) == ("winner", 0.05)
    assert verdict.numbers["winner"] == "warm"
    assert "confidence however often one looks" in release.reason


def test_who_gets_which_arm_is_what_the_ledger_says(desk: Desk) -> None:
    desk.start("tone")
    desk.start("engine")
    release = desk.start("checkout")
    with serving(desk.home, desk.configs, workers=2) as served:
        flag = provider(served)
        with httpx.Client(base_url=served.url) as client:
            for number in range(40):
                subject = f"rider-{number}"
                got = assign(release, desk.who(subject))
                reply = ask(client, subject)
                assert reply.headers["x-opslayer-variant"] == got.variant.name
                context = EvaluationContext(targeting_key=subject)
                details = flag.get_boolean_details("desk.checkout", False, context)
                assert (details.variant, details.reason) == (got.arms["checkout"], Reason.SPLIT)
                assert details.value is (got.arms["checkout"] == "long")
            id = reply.headers["x-opslayer-interaction"]
            kept = client.get(f"/v1/interactions/{id}").json()
    assert (kept["arms"], kept["why"]["assigned"]) == (got.arms, got.why)
    names = {assign(release, desk.who(f"rider-{number}")).variant.name for number in range(40)}
    assert names == {"main-plain-1", "main-warm-1", "other-plain-1", "other-warm-1"}
    events = desk.stores.events.newest("desk", 1_000)
    assert len([event for event in events if event.kind == "exposure"]) == 40


def test_a_flag_is_known_before_its_experiment_starts_and_asks_for_whom_while_it_runs(
    desk: Desk,
) -> None:
    with serving(desk.home, desk.configs) as served:
        flag = provider(served)
        assert flag.get_boolean_details("desk.checkout", True).reason is Reason.DEFAULT
        assert flag.get_boolean_details("desk.checkout", True).value is False
        assert flag.get_boolean_details("desk.none", True).error_code is ErrorCode.FLAG_NOT_FOUND
        desk.start("checkout")
        deadline = time.monotonic() + SOON
        while flag.get_boolean_details("desk.checkout", True).error_code is None:
            assert time.monotonic() < deadline
        missing = flag.get_boolean_details("desk.checkout", True)
        assert missing.error_code is ErrorCode.TARGETING_KEY_MISSING
        url = f"{served.url}/ofrep/v1/evaluate/flags"
        every = httpx.post(url, json={"context": {"targetingKey": "ann"}})
        keys = [one["key"] for one in every.json()["flags"]]
        assert keys == ["desk.tone", "desk.engine", "desk.checkout", "desk.again"]
        known = {"If-None-Match": every.headers["etag"]}
        again = httpx.post(url, json={"context": {"targetingKey": "ann"}}, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        broken = httpx.post(f"{url}/desk.tone", content=b"{")
        assert (broken.status_code, broken.json()["errorCode"]) == (400, "PARSE_ERROR")


def test_two_experiments_may_not_set_the_same(desk: Desk) -> None:
    desk.start("tone")
    with pytest.raises(Refused, match="tone runs and sets the prompt too: stop it first"):
        desk.start("again")
    with pytest.raises(Refused, match="tone runs already"):
        desk.start("tone")
    with pytest.raises(NotFound, match="there are tone, engine, checkout, again"):
        desk.start("ton")


def test_a_person_may_stop_it_with_or_without_a_winner(desk: Desk) -> None:
    desk.start("engine")
    with pytest.raises(NotFound, match="engine has no arm best; there are as-is, other"):
        experiment.stop(desk.capability, "engine", desk.stores, desk.decided("enough"), "best")
    won = experiment.stop(desk.capability, "engine", desk.stores, desk.decided("enough"), "other")
    assert (won.champion.name, won.experiments) == ("other-plain-1", ())
    desk.start("tone")
    left = experiment.stop(desk.capability, "tone", desk.stores, desk.decided("no time"), None)
    assert (left.champion.name, list(left.flows)) == ("other-plain-1", ["engine"])
