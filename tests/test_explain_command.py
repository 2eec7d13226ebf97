"""`opslayer explain`: what answered a call, why, and from which data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from taught import give_database

from commands import execute
from opslayer.configuration import load_capability
from opslayer.records import Attempt, Feedback, FeedbackKind, Interaction, Rule, Status
from opslayer.settings import Settings
from opslayer.steps.facets import tag_calls
from opslayer.steps.introduce import introduce, pool_variant
from opslayer.steps.promote import Promotion
from opslayer.steps.releasing import favour
from opslayer.stores import Stores

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DESK = """\
name: desk
kind: chat
upstreams:
  - {name: main, pool: main, base_url: "http://127.0.0.1:9/v1", model: m}
  - {name: big, pool: big, base_url: "http://127.0.0.1:9/v1", model: m}
prompts: [{name: plain, template: Be brief.}]
"""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    (tmp_path / "configs" / "capabilities").mkdir(parents=True)
    (tmp_path / "configs" / "capabilities" / "desk.yaml").write_text(DESK)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    stores = Stores.at(Settings())
    give_database(stores)
    return stores


@pytest.fixture
def answered(stores: Stores) -> Interaction:
    """A call of a tenant that a rule favours, with a thumb."""
    capability = load_capability("desk", Settings().configs)
    introduce(capability, stores, NOW)
    big = pool_variant(capability, "big", "plain", stores)
    decided = Promotion(1, "ann", "they pay for it", None, (), NOW)
    favour(capability, big, stores, decided, Rule(variant="", tenants=("acme",)))
    one = Interaction(
        id="ab" * 16,
        capability="desk",
        event_time=NOW,
        input={"messages": [{"role": "user", "content": "Hello"}]},
        output={"reply": "Hi"},
        variant="big-plain-1",
        assigned="big-plain-1",
        ruled=True,
        release=2,
        tenant="acme",
        attempts=(Attempt(variant="big", upstream="big", outcome="ok"),),
    )
    thumb = Feedback(
        id="t", capability="desk", interaction_id=one.id, kind=FeedbackKind.THUMB, value="up",
        event_time=NOW, known_time=NOW, tenant="acme",
    )  # fmt: skip
    stores.events.append([one, thumb], "test")
    return one


def test_a_machine_hears_the_release_the_rule_the_prompt_and_the_feedback(
    answered: Interaction, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["explain", answered.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    why = told["why"]
    assert (why["release"], why["by"], why["reason"]) == (2, "ann", "they pay for it")
    assert why["assigned"] == "a rule for tenant acme picks big-plain-1"
    assert why["prompt"] == {"name": "plain", "version": 1}
    assert [said["value"] for said in told["feedback"]] == ["up"]
    assert told["facets"] == []


def test_a_person_reads_the_same(answered: Interaction, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", answered.id]) == 0
    told = capsys.readouterr().out
    for word in (answered.id, "they pay for it", "a rule for tenant acme picks", "thumb", "Hi"):
        assert word in told
    assert "nothing is tagged yet" in told


def test_what_the_call_was_like_is_told_once_it_is_tagged(
    answered: Interaction, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = load_capability("desk", Settings().configs)
    failed = answered.model_copy(update={"id": "cd" * 16, "status": Status.FAILED})
    stores.events.append([failed], "test")
    assert tag_calls(spec, stores, NOW) == 1
    assert execute(["explain", failed.id, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["facets"]
    assert (told["name"], told["value"], told["by"]) == ("failure", "failed", "failure@1")
    assert execute(["explain", failed.id]) == 0
    assert "failure@1" in capsys.readouterr().out


def test_an_id_that_nothing_has_is_refused_with_where_ids_come_from(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["explain", "nothing"]) == 1
    assert "X-Opslayer-Interaction" in capsys.readouterr().err
    assert stores.events.ends("desk") == {}
