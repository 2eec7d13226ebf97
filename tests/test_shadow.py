"""What a shadow's answers, which nobody saw, say beside those that callers got."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from taught import give_database

from opslayer.capability import Capability
from opslayer.errors import Refused
from opslayer.records import Feedback, FeedbackKind, Interaction, Shadow, Variant, VerdictKind
from opslayer.settings import Settings
from opslayer.steps import releasing, shadow
from opslayer.steps.heard import ear
from opslayer.steps.introduce import introduce
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores
from opslayer.stores.journal import Entry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER = Variant(name="other", pool="other")
DESK = Capability.model_validate(
    {
        "name": "desk",
        "kind": "chat",
        "upstreams": [
            {"name": name, "pool": name, "base_url": "http://127.0.0.1:9/v1", "model": "m"}
            for name in ("main", "other")
        ],
    }
)


def decided(stores: Stores, reason: str) -> Promotion:
    newest = stores.ledger.releases.newest("desk")
    assert newest is not None
    return Promotion(newest.number, "ann", reason, None, (), NOW)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    stores = Stores.at(Settings(home=tmp_path / "home", configs=tmp_path))
    give_database(stores)
    introduce(DESK, stores, NOW)
    pair(stores, 999, ("a", "b"), "b")  # before the shadow began: none of its pairs
    releasing.shadow(DESK, OTHER, stores, decided(stores, "compare"))
    return stores


def pair(stores: Stores, number: int, said: tuple[str, str | None], truth: str | None) -> None:
    """An answer and the shadow's, None where it failed; and what was true."""
    at = NOW + timedelta(seconds=number)
    fields = {"capability": "desk", "event_time": at, "release": 2}
    answer = Interaction(
        id=f"call-{number}", input={"messages": []}, output={"value": said[0]},
        variant="main", assigned="main", latency_ms=20.0, cost=0.5, **fields,
    )  # fmt: skip
    copy = Shadow(
        id=f"call-{number}", variant="other", latency_ms=30.0, cost=0.25,
        output={} if said[1] is None else {"value": said[1]},
        outcome="ok" if said[1] else "outage", **fields,
    )  # fmt: skip
    records: list[Interaction | Feedback | Shadow] = [answer, copy]
    if truth is not None:
        records.append(
            Feedback(
                id=f"said-{number}", capability="desk", interaction_id=answer.id,
                kind=FeedbackKind.TRUE_VALUE, value=truth, event_time=at, known_time=at,
            )
        )  # fmt: skip
    stores.events.append(records, f"writer-{number % 3}")


def test_pairs_say_which_is_better_once_and_promote_nothing(stores: Stores) -> None:
    its = shadow.shadowing(DESK, stores)
    assert its is not None
    heard = ear(its.capability, stores, its.begun)
    for number in range(40):
        pair(stores, number, ("a", "a"), "a" if number % 2 else None)
    for number in range(40, 48):
        pair(stores, number, ("a", "b"), "b")
    heard.listen(stores.events)
    seen = shadow.compare(its, heard)
    assert (seen.outcome, seen.numbers["better"], seen.numbers["worse"]) == ("better", 8, 0)
    assert (seen.numbers["copies"], seen.numbers["agreeing"]) == (48, 40)
    assert seen.numbers["cost"] == pytest.approx(48 * 0.25)
    kept = shadow.record(its, seen, stores, NOW)
    assert kept is not None
    assert shadow.record(its, seen, stores, NOW) is None
    newest = stores.ledger.releases.newest("desk")
    assert newest is not None
    assert (newest.number, newest.champion.name) == (2, "main")
    assert stores.ledger.verdicts.list("desk", VerdictKind.SHADOW) == [kept]


def test_a_shadow_that_fails_is_worse_where_the_answer_was_right(stores: Stores) -> None:
    its = shadow.shadowing(DESK, stores)
    assert its is not None
    for number in range(8):
        pair(stores, number, ("a", None), "a")
    heard = ear(its.capability, stores, its.begun)
    heard.listen(stores.events)
    seen = shadow.compare(its, heard)
    assert (seen.outcome, seen.numbers["failed"], seen.numbers["worse"]) == ("worse", 8, 8)
    assert "answered 0 of 8 copies" in seen.reason


def test_without_truth_nothing_is_said_to_be_better(stores: Stores) -> None:
    its = shadow.shadowing(DESK, stores)
    assert its is not None
    heard = ear(its.capability, stores, its.begun)
    assert shadow.compare(its, heard).reason == "other has answered no copy yet"
    for number in range(100):
        pair(stores, number, ("a", "b"), None)
    heard.listen(stores.events)
    seen = shadow.compare(its, heard)
    assert (seen.outcome, seen.numbers["agreeing"]) == ("alike", 0)
    assert shadow.record(its, seen, stores, NOW) is None


def test_the_champion_is_no_shadow_of_itself(stores: Stores) -> None:
    main = Variant(name="main", pool="main")
    with pytest.raises(Refused, match="main is the champion: its copies tell nothing"):
        releasing.shadow(DESK, main, stores, decided(stores, "odd"))


def test_an_entry_that_this_code_cannot_read_is_passed_over(stores: Stores) -> None:
    its = shadow.shadowing(DESK, stores)
    assert its is not None
    stores.events.append_entries([Entry("interaction", "odd", "desk", '{"of": "tomorrow"}')], "new")
    pair(stores, 1, ("a", "a"), "a")
    heard = ear(its.capability, stores, its.begun)
    heard.listen(stores.events)
    assert list(heard.calls) == ["call-1"]
    assert heard.positions["new"] == 1
