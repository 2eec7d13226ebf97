"""What a call was like, tagged by itself from the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from lake_content import START, capability

from opslayer.records import Attempt, Interaction, Status
from opslayer.steps import facets
from opslayer.steps.erase import Order, erase
from opslayer.steps.facets import tag_calls
from opslayer.stores import Stores

NOW = START + timedelta(days=1)


def call(id: str, text: str = "", **more: Any) -> Interaction:
    fields = {"capability": "made", "event_time": START, "input": {"text": text}, "output": {}}
    return Interaction(id=id, **fields, variant="v", release=1, **more)


def found(stores: Stores) -> set[tuple[str, str, str]]:
    sql = 'SELECT row_id, "by", value FROM facets'
    rows = stores.lake.query(capability(), sql, ["facets"]).to_pylist()
    assert len(rows) == len({tuple(row.values()) for row in rows})
    return {(row["row_id"], row["by"], row["value"]) for row in rows}


def test_language_sentiment_failures_and_guard_hits_are_tagged_and_nothing_else(
    stores: Stores,
) -> None:
    late = Attempt(variant="a", outcome="timeout")
    calls = [
        call("de", "Ich habe gestern meine Karte im Zug verloren"),
        call("en", "I would like to know where my new card is"),
        call("short", "ok"),
        call("failed", status=Status.FAILED, attempts=(late, late), fallback="timeout"),
        call("masked", guards=("pii:input:masked:email=2", "pii:input:masked:phone=1")),
    ]
    stores.events.append(calls, "test")
    assert tag_calls(capability(), stores, NOW) == 6
    assert found(stores) == {
        ("de", "language@1", "de"),
        ("en", "language@1", "en"),
        ("en", "sentiment@1", "neutral"),
        ("failed", "failure@1", "timeout"),
        ("failed", "failure@1", "failed"),
        ("masked", "guard@1", "pii:input:masked"),
    }


def test_each_run_reads_what_is_new_and_no_more_than_its_bound(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "PAGE", 2)
    monkeypatch.setattr(facets, "MOST", 4)
    calls = [call(f"c{n}", status=Status.FAILED) for n in range(5)]
    stores.events.append(calls, "test")
    assert [tag_calls(capability(), stores, NOW) for _ in range(3)] == [4, 1, 0]
    stores.events.append([call("new", status=Status.FAILED)], "other")
    assert tag_calls(capability(), stores, NOW) == 1


def test_a_run_that_died_before_it_noted_its_place_doubles_nothing(stores: Stores) -> None:
    stores.events.append([call("c", status=Status.FAILED)], "test")
    read = stores.events.read("made", {}).events
    facets._append(
        capability(), stores, list(facets._facets(capability(), read, NOW, facets.TAGGERS))
    )
    assert tag_calls(capability(), stores, NOW) == 0
    assert len(found(stores)) == 1


def test_a_call_that_is_erased_while_it_is_tagged_leaves_no_facet(stores: Stores) -> None:
    calls = [call("hers", status=Status.FAILED, subject="ann"), call("his", status=Status.FAILED)]
    stores.events.append(calls, "test")
    read = stores.events.read("made", {}).events
    erase("ann", lambda _: capability(), stores, Order("bob", "she asked", NOW))
    facets._append(
        capability(), stores, list(facets._facets(capability(), read, NOW, facets.TAGGERS))
    )
    assert {row for row, _, _ in found(stores)} == {"his"}


def test_a_new_version_of_a_tagger_speaks_anew_and_the_old_ones_tags_stay(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.events.append([call("c", status=Status.FAILED)], "test")
    assert tag_calls(capability(), stores, NOW) == 1
    newer = {"failure@2": facets.TAGGERS["failure@1"]}
    monkeypatch.setattr(facets, "TAGGERS", newer)
    assert tag_calls(capability(), stores, NOW) == 1
    assert {by for _, by, _ in found(stores)} == {"failure@1", "failure@2"}
