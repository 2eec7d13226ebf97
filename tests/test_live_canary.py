"""A variant on trial under real calls: what harms goes back, what does not is promoted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Served, serving
from taught import give_database
from upstream import upstream

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import NotFound
from opslayer.records import Release, Variant, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps import canary, releasing
from opslayer.steps.introduce import introduce, pool_variant
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores

DESK = """\
name: desk
kind: chat
answer: {{deadline: 10s}}
release: {{canary: 0.4, steps: [0.6], step: 1s, max_harm: 0.2}}
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams:
  - {{name: main, pool: main, base_url: "{url}/v1", model: ok}}
  - {{name: same, pool: same, base_url: "{url}/v1", model: ok}}
  - {{name: broken, pool: broken, base_url: "{url}/v1", model: f06}}
"""
SOON = 120.0
"""Seconds within which what was decided is done, on however busy a machine."""


class Desk:
    """A help desk with three pools, of which the first one serves."""

    def __init__(self, folder: Path, url: str) -> None:
        self.home, self.configs = folder / "home", folder / "configs"
        (self.configs / "capabilities").mkdir(parents=True)
        (self.configs / "capabilities" / "desk.yaml").write_text(DESK.format(url=url))
        self.stores = Stores.at(Settings(home=self.home, configs=self.configs))
        give_database(self.stores)
        self.capability: Capability = load_capability("desk", self.configs)
        introduce(self.capability, self.stores, datetime.now(UTC))

    def newest(self) -> Release:
        release = self.stores.ledger.releases.newest("desk")
        assert release is not None
        return release

    def decided(self, reason: str) -> Promotion:
        return Promotion(self.newest().number, "ann", reason, None, (), datetime.now(UTC))

    def try_pool(self, pool: str) -> Release:
        variant = pool_variant(self.capability, pool, None, self.stores)
        return canary.begin(self.capability, variant, self.stores, self.decided(f"try {pool}"))

    def verdicts(self, kind: VerdictKind) -> list[Verdict]:
        return self.stores.ledger.verdicts.list("desk", kind)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with upstream() as url:
        yield Desk(tmp_path, url)


def ask(served: Served, subject: str) -> httpx.Response:
    body = {"model": "desk", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"X-Opslayer-Subject": subject}
    return httpx.post(f"{served.url}/v1/chat/completions", json=body, headers=headers, timeout=20)


def ask_until(served: Served, done: Callable[[], bool]) -> list[httpx.Response]:
    """Call as one subject after another until something has come about."""
    said, deadline = [], time.monotonic() + SOON
    while not done():
        assert time.monotonic() < deadline, said[-1].text if said else "nothing was asked"
        said += [ask(served, rider(len(said) + place)) for place in range(10)]
    return said


def rider(call: int) -> str:
    """Each calls twice."""
    return f"rider-{call // 2}"


def wait_until(done: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SOON
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_broken_canary_goes_back_by_itself_and_no_caller_notices(desk: Desk) -> None:
    tried = desk.try_pool("broken")
    with serving(desk.home, desk.configs, workers=2) as served:
        said = ask_until(served, lambda: desk.newest().number > tried.number)
    assert {reply.status_code for reply in said} == {200}
    fell_back = [reply for reply in said if "x-opslayer-fallback" in reply.headers]
    assert fell_back
    assert {reply.headers["x-opslayer-variant"] for reply in said} == {"main"}
    release = desk.newest()
    assert (release.canary, release.champion.name, release.by) == (None, "main", "loop")
    (verdict,) = desk.verdicts(VerdictKind.CANARY)
    assert verdict.outcome == "rolled_back"
    assert verdict.numbers["signals"]["error"]["shown_by"]
    assert verdict.id in release.evidence
    assert "error" in release.reason


def test_a_canary_that_people_dislike_goes_back(desk: Desk) -> None:
    tried = desk.try_pool("same")
    with serving(desk.home, desk.configs) as served:

        def rate() -> bool:
            return desk.newest().number > tried.number

        deadline = time.monotonic() + SOON
        asked = 0
        while not rate():
            assert time.monotonic() < deadline
            reply = ask(served, f"rider-{asked}")
            asked += 1
            liked = reply.headers["x-opslayer-variant"] == "main"
            said = {
                "interaction_id": reply.headers["x-opslayer-interaction"],
                "kind": "thumb",
                "value": "up" if liked else "down",
            }
            assert httpx.post(f"{served.url}/v1/feedback", json=said).status_code == 200
    (verdict,) = desk.verdicts(VerdictKind.CANARY)
    assert verdict.outcome == "rolled_back"
    assert verdict.reason.startswith("thumb:")


def test_a_canary_that_does_no_harm_is_widened_and_promoted(desk: Desk) -> None:
    desk.try_pool("same")
    with serving(desk.home, desk.configs) as served:
        said = ask_until(served, lambda: desk.newest().champion.name == "same")
    outcomes = [verdict.outcome for verdict in reversed(desk.verdicts(VerdictKind.CANARY))]
    assert outcomes == ["widened", "promoted"]
    got = [reply.headers["x-opslayer-variant"] for reply in said]
    releases = [reply.headers["x-opslayer-release"] for reply in said]
    for first in range(0, len(got) - 1, 2):
        assert releases[first] != releases[first + 1] or got[first] == got[first + 1]
        assert (got[first], got[first + 1]) != ("same", "main"), "who has it keeps it"


def test_a_shadow_answers_copies_and_nobody_sees_them(desk: Desk) -> None:
    variant = pool_variant(desk.capability, "broken", None, desk.stores)
    releasing.shadow(desk.capability, variant, desk.stores, desk.decided("compare"))

    def kept() -> int:
        return sum(event.kind == "shadow" for event in desk.stores.events.newest("desk", 1_000))

    with serving(desk.home, desk.configs) as served:
        for number in range(10):
            reply = ask(served, f"rider-{number}")
            assert reply.headers["x-opslayer-variant"] == "main"
            assert "x-opslayer-fallback" not in reply.headers
        wait_until(lambda: kept() == 10)
        metrics = httpx.get(f"{served.url}/metrics").text
    assert 'opslayer_shadow_copies_total{outcome="kept"} 10.0' in metrics


def test_a_canary_that_cannot_be_had_goes_back_and_the_champion_answers(desk: Desk) -> None:
    gone = Variant(name="gone", pool="gone")
    tried = canary.begin(desk.capability, gone, desk.stores, desk.decided("a slip"))
    with serving(desk.home, desk.configs) as served:
        said = ask_until(served, lambda: desk.newest().number > tried.number)
    assert {reply.status_code for reply in said} == {200}
    assert {reply.headers["x-opslayer-variant"] for reply in said} == {"main"}
    assert desk.newest().canary is None
    (verdict,) = desk.verdicts(VerdictKind.CANARY)
    assert (verdict.outcome, verdict.numbers["signals"]["error"]["shown_by"]) == (
        "rolled_back",
        "counts",
    )


def test_a_model_version_that_nobody_knows_is_refused(desk: Desk) -> None:
    unknown = Variant(name="model-9", model_version=9)
    with pytest.raises(NotFound, match="desk has no model version 9"):
        canary.begin(desk.capability, unknown, desk.stores, desk.decided("a slip"))
    assert desk.newest().number == 1
