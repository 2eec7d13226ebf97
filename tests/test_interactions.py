"""The interaction log as a source: which of its entries are rows, whatever came of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from feeds import NOW, content, declared
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Attempt, Feedback, FeedbackKind, Interaction, Start, Status, Usage
from opslayer.sources.interactions import LogFeed
from opslayer.sources.logged import Call, Told, Tried, Used
from opslayer.sources.sift import Counts
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores
from opslayer.stores.events import Entries, Event, Events
from opslayer.stores.journal import Entry

CONFIGS = Path(__file__).parents[1] / "configs"
INPUT = {"temp": 3, "rain": True, "town": "Ghent"}


def asked(id: str, of: str = "bikes", **fields: Any) -> Interaction:
    values = {"input": INPUT, "output": {"value": 5}, "variant": "model-1", "release": 2}
    return Interaction.model_validate(
        {"id": id, "capability": of, "event_time": NOW, **values, **fields}
    )


def taken(stores: Stores, of: Capability) -> Counts:
    counts = ingest(of, stores, NOW).counts
    assert counts.balanced
    return counts


@pytest.mark.parametrize("status", [Status.FAILED, Status.INCOMPLETE, Status.ABANDONED])
def test_a_call_without_an_answer_is_a_row_that_nothing_was_served_for(
    stores: Stores, status: Status
) -> None:
    of = declared("none*", {})
    stores.events.append([asked("i1", output={}, status=status)], "a")
    assert taken(stores, of) == Counts(read=1, stored=1)
    assert content(stores, of, "rows", ("row_id", "in:town")) == [("i1", "Ghent")]
    assert content(stores, of, "answers", ("row_id", "value", "output")) == [("i1", None, "{}")]


def test_a_refused_call_is_a_remark_even_where_it_breaks_the_contract(stores: Stores) -> None:
    of = declared("none*", {})
    refused = asked("i1", input={"temp": "cold"}, output={}, status=Status.REFUSED)
    stores.events.append([refused], "a")
    assert taken(stores, of) == Counts(read=1, remarks=1)
    assert content(stores, of, "quarantine", ("reason",)) == []


def test_the_answer_of_a_fallback_is_kept_as_it_was_served(stores: Stores) -> None:
    of = declared("none*", {})
    tried = (Attempt(variant="model-1", outcome="timeout"), Attempt(variant="rule", outcome="ok"))
    stores.events.append(
        [asked("i1", output={"value": 0}, variant="rule", fallback="timeout", attempts=tried)], "a"
    )
    assert taken(stores, of) == Counts(read=1, stored=1)
    assert content(stores, of, "answers", ("variant", "release", "value")) == [("rule", 2, 0.0)]


def test_the_start_of_a_stream_is_a_remark_and_its_interaction_the_row(stores: Stores) -> None:
    of = declared("none*", {})
    start = Start(
        id="i1", capability="bikes", event_time=NOW, input=INPUT, variant="model-1", release=2
    )
    entries = [Entry("start", id, "bikes", start.model_dump_json()) for id in ("i1", "i2")]
    stores.events.append_entries(entries, "a")
    stores.events.append([asked("i1")], "a")
    assert taken(stores, of) == Counts(read=3, stored=1, remarks=2)


def test_a_chat_s_messages_beside_its_input_column_are_no_fault(stores: Stores) -> None:
    of = declared("none*", {})
    messages = [{"role": "user", "content": "how many?"}]
    stores.events.append([asked("i1", input={**INPUT, "messages": messages})], "a")
    assert taken(stores, of) == Counts(read=1, stored=1)


def test_a_picture_asked_for_in_words_is_a_remark(stores: Stores) -> None:
    of = load_capability("digit-images", CONFIGS).model_copy(update={"sources": ()})
    picture = {"input": {"prompt": "a seven", "n": 1}, "output": {"images": ["iVBORw0KGgo="]}}
    stores.events.append([asked("i1", of.name, **picture)], "a")
    assert taken(stores, of) == Counts(read=1, remarks=1)
    assert content(stores, of, "quarantine", ("reason",)) == []


WRITTEN = (
    {},
    {"event_time": "2024-05-01T00:00:00.1234569Z"},  # finer than a record is
    {"event_time": "2024-05-01T02:00:00+02:00"},
    {"event_time": "2024-05-01T00:00Z"},
    {"event_time": "2024-05-01 00:00:00Z"},
    {"event_time": "2024-05-01T00:00:00.5+00:00"},
    {"event_time": "2024-05-01T00:00:00.Z"},
    {"event_time": "2024-05-01T00:00:60Z"},
    {"event_time": "2024-05-01T24:00:00Z"},
    {"event_time": "1714521600"},
    {"event_time": "éé24-05-01T00:00:00Z"},
    {"event_time": "2024-02-30T00:00:00Z"},
    {"event_time": "2024-05-01T00:00:00"},
    {"release": 2.0},
    {"release": "two"},
    {"latency_ms": 3},
    {"status": "refused"},
    {"status": "unheard of"},
    {"attempts": [{"variant": "a", "outcome": "ok"}], "usage": {"input": 3}},
    {"attempts": [{"variant": "a", "outcome": "ok", "more": 1}]},
    {"later": "a field of a newer version"},
    {"subject": None, "guards": ["pii:input:masked:email=2"], "arms": {"x": "b"}},
    {"input": {"temp": 2**70, "rain": True, "town": "Ghent"}},
    {"input": {"temp": 1.5, "rain": 1, "town": 9}},
    {"input": {"temp": True, "rain": "yes", "town": "Ghent"}},
    {"input": {"temp": float("nan"), "rain": True, "town": "Ghent"}},
    {"input": []},
    {"output": {"value": 1e-7}},
    {"output": {"value": -0.0}},
    {"output": {"value": 1e16}},
    {"output": {"value": 12345678901234567.0}},
    {"output": {"value": 0.1 + 0.2}},
    {"output": {"value": 2**60}},
    {"output": {"value": "many"}},
    {"output": {"value": 1.5, "note": "é"}},
    {"output": {"value": float("inf")}},
)


@pytest.mark.parametrize("changed", WRITTEN, ids=str)
def test_a_call_is_read_quickly_to_what_its_record_says(changed: dict[str, Any]) -> None:
    of = declared("none*", {})
    plain = json.loads(asked("i1").model_dump_json())
    feed = LogFeed(of, Events("sqlite://"))
    block = [Entries("a", [1], ["interaction"], [json.dumps(plain | changed)])]
    quick, slow = feed.typed(block), feed.typed(block, quickly=False)
    assert (quick.rows, quick.answers) == (slow.rows, slow.answers)
    assert (quick.faults, quick.remarks) == (slow.faults, slow.remarks)


FEEDBACK: tuple[dict[str, Any], ...] = (
    {},
    {"value": 7},
    {"value": True},
    {"value": None},
    {"value": "many"},
    {"value": 2**60},
    {"kind": "correction"},
    {"kind": "correction", "value": None},
    {"kind": "thumb", "value": "up"},
    {"kind": "unheard of"},
    {"known_time": "2024-05-02T00:00:00+02:00"},
    {"event_time": "2024-02-30T00:00:00Z"},
    {"by": "anna", "tenant": "acme"},
    {"later": "a field of a newer version"},
)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("interaction"), st.sampled_from(WRITTEN)),
            st.tuples(st.just("feedback"), st.sampled_from(FEEDBACK)),
        ),
        max_size=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_entries_read_together_give_what_each_record_says(
    written: list[tuple[str, dict[str, Any]]],
) -> None:
    of = declared("none*", {})
    said = Feedback(
        id="f", capability="bikes", interaction_id="i", kind=FeedbackKind.TRUE_VALUE, value=1.5,
        event_time=NOW, known_time=NOW,
    )  # fmt: skip
    plain = {"interaction": asked("i"), "feedback": said}
    entries = []
    for number, (kind, changed) in enumerate(written):
        record = json.loads(plain[kind].model_dump_json()) | {"id": f"{kind}{number}"} | changed
        entries.append(Event("a", number, kind, f"{kind}{number}", json.dumps(record)))
    feed = LogFeed(of, Events("sqlite://"))
    blocks = [*Entries.of(entries, 5)]
    quick, slow = feed.typed(blocks), feed.typed(blocks, quickly=False)
    assert (quick.rows, quick.answers) == (slow.rows, slow.answers)
    assert (quick.statements, quick.remarks) == (slow.statements, slow.remarks)
    assert {*quick.faults} == {*slow.faults}
    assert quick.contents == slow.contents


def test_what_reads_entries_quickly_knows_every_field_of_theirs() -> None:
    from msgspec.structs import fields

    for quick, record in (
        (Call, Interaction),
        (Told, Feedback),
        (Tried, Attempt),
        (Used, Usage),
    ):
        assert {one.encode_name for one in fields(quick)} == set(record.model_fields)
        assert {one.encode_name for one in fields(quick) if one.required} == {
            name for name, one in record.model_fields.items() if one.is_required()
        }
