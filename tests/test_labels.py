"""Who is believed about a row, as known at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_content import (
    LATER,
    START,
    add_rows,
    add_tags,
    capability,
    labelled_rows,
    outcome,
    row,
    tag_table,
)
from pandas.testing import assert_frame_equal

from opslayer.capability import TagRule
from opslayer.judgement.labels import MARGIN, in_force, resolve, rule_digest, rule_tag_id
from opslayer.records import Tag
from opslayer.steps.labels import labels, view
from opslayer.stores import Stores

CLASSES = capability()
NUMBERS = capability("regression")
DAY = timedelta(days=1)


def at(day: float) -> Any:
    return START + day * DAY


def said(value: Any, by: str, confidence: float = 0.9, day: float = 1, **more: Any) -> Tag:
    fields = {
        "source": "crowd",
        "by": by,
        "confidence": confidence,
        "id": f"{by}{value}{day}",
        **more,
    }
    return outcome("r", value, START, at(day), **fields)


def label_of(*tags: Tag, day: float = 100) -> Any:
    spec = CLASSES if isinstance(tags[0].value, str) else NUMBERS
    found = resolve(tag_table(spec, tags).to_pandas(), at(day)).labels
    return found["value"].iloc[0] if len(found) else None


def test_a_tag_that_is_known_later_says_nothing_yet() -> None:
    assert label_of(said("a", "ann", day=1), said("b", "ann", day=5), day=4) == "a"
    assert label_of(said("a", "ann", day=1), said("b", "ann", day=5), day=5) == "b"


def test_a_superseded_tag_says_nothing_and_a_chain_leaves_its_end() -> None:
    first = said("a", "ann", id="1")
    second = said("b", "ben", id="2", supersedes="1", confidence=0.8)
    third = said("c", "cid", id="3", supersedes="2", confidence=0.7)
    assert label_of(first, second) == "b"
    assert label_of(first, second, third) == "c"


def test_a_tag_supersedes_nothing_before_it_is_known() -> None:
    assert label_of(said("a", "ann", id="1"), said("b", "ben", day=9, supersedes="1"), day=5) == "a"


def test_a_tag_of_one_row_cannot_silence_another_row() -> None:
    other = outcome("s", "b", START, at(2), supersedes="1")
    assert label_of(said("a", "ann", id="1"), other) == "a"


def test_an_outcome_beats_any_number_of_experts_and_an_expert_the_crowd() -> None:
    crowd = [said("a", f"p{i}", 1.0) for i in range(5)]
    expert = said("b", "eve", 0.6, source="expert")
    assert label_of(*crowd, expert) == "b"
    assert label_of(*crowd, expert, said("c", "feed", 0.6, source="outcome")) == "c"


def test_a_person_counts_once_by_the_newest_word() -> None:
    changed = [said("a", "ann", 0.9, day=day) for day in (1, 2, 3)] + [said("b", "ann", 0.9, day=4)]
    assert label_of(*changed, said("b", "ben", 0.7)) == "b"
    assert label_of(*changed, said("a", "ben", 0.95)) == "a"


def test_log_odds_are_added_so_that_two_fairly_sure_beat_one_surer() -> None:
    assert label_of(said("a", "ann", 0.8), said("b", "ben", 0.75), said("b", "cid", 0.75)) == "b"
    assert label_of(said("a", "ann", 0.95), said("b", "ben", 0.7), said("b", "cid", 0.7)) == "a"


def test_a_tie_and_a_margin_below_the_limit_are_left_to_a_person() -> None:
    assert label_of(said("a", "ann", 0.9), said("b", "ben", 0.9)) is None
    assert label_of(said("a", "ann", 1.0), said("b", "ben", 1.0)) is None
    assert label_of(said("a", "ann", 0.9), said("b", "ben", 0.87)) is None
    assert label_of(said("a", "ann", 0.59)) is None
    assert label_of(said("a", "ann", 0.6)) == "a"


def test_one_who_says_two_things_at_one_moment_is_not_believed_and_twice_the_same_is_once() -> None:
    assert label_of(said("a", "ann"), said("b", "ann")) is None
    twice = [said("a", "ann", 0.8, id="1"), said("a", "ann", 0.8, id="2")]
    assert label_of(*twice, said("b", "ben", 0.9)) == "b"


def test_a_tag_without_a_value_takes_back_its_authors_word() -> None:
    taken_back = said(None, "feed", source="outcome", day=3)
    told = said("a", "feed", source="outcome", day=1)
    assert label_of(told, said("b", "ben"), taken_back) == "b"
    assert label_of(told, taken_back) is None


def test_a_number_is_the_weighted_middle_and_one_that_somebody_stated() -> None:
    assert label_of(said(1.0, "ann"), said(2.0, "ben"), said(500.0, "cid")) == 2.0
    assert label_of(said(1.0, "ann", 0.99), said(2.0, "ben", 0.6), said(3.0, "cid", 0.6)) == 1.0
    assert label_of(said(7.0, "ann"), said(7.0, "ben")) == 7.0


def test_numbers_in_exact_halves_are_left_to_a_person() -> None:
    assert label_of(said(1.0, "ann"), said(2.0, "ben")) is None
    assert label_of(said(1.0, "ann", 0.5), said(2.0, "ben", 0.4)) is None


def test_the_unresolved_are_listed_with_their_leading_value_and_margin() -> None:
    tags = [said("a", "ann", 0.9), said("b", "ben", 0.88), outcome("s", "b", at(1), at(2))]
    labelled, unresolved = resolve(tag_table(CLASSES, tags).to_pandas(), LATER)
    assert labelled["row_id"].tolist() == ["s"]
    assert unresolved[["row_id", "value", "source"]].to_numpy().tolist() == [["r", "a", "crowd"]]
    assert 0 < unresolved["margin"].iloc[0] < MARGIN


def test_no_tags_give_no_labels() -> None:
    for spec in (CLASSES, NUMBERS):
        labelled, unresolved = resolve(tag_table(spec, []).to_pandas(), LATER)
        assert labelled.empty
        assert unresolved.empty


def test_a_label_is_known_since_the_last_word_it_rests_on() -> None:
    tags = [
        said("a", "ann", day=1),
        said("a", "ben", day=7),
        said("b", "eve", day=9, source="model"),
    ]
    found = resolve(tag_table(CLASSES, tags).to_pandas(), LATER).labels
    assert found["known_time"].tolist() == [pd.Timestamp(at(7))]
    assert found["confidence"].iloc[0] == pytest.approx(81 / 82)  # odds 9 · 9 to 1


SOURCES = ["outcome", "expert", "crowd", "model", "rule"]


@st.composite
def statements(draw: st.DrawFn, numeric: bool) -> list[Tag]:
    """Tags about four rows by few people at few moments, so that every kind of clash occurs."""
    count = draw(st.integers(1, 14))
    values = st.sampled_from([1.0, 2.0, 3.5]) if numeric else st.sampled_from(["a", "b", "c"])
    tags = []
    for number in range(count):
        row_id = draw(st.sampled_from("pqrs"))
        tags.append(
            outcome(
                row_id,
                draw(st.none() | values if number % 4 == 3 else values),
                at("pqrs".index(row_id) % 2),
                at(draw(st.integers(1, 4))),
                id=f"t{number}",
                source=draw(st.sampled_from(SOURCES)),
                by=draw(st.sampled_from("xyz")),
                confidence=draw(st.sampled_from([0.3, 0.55, 0.6, 0.7, 0.9, 1.0])),
                supersedes=draw(st.none() | st.sampled_from([f"t{i}" for i in range(count)])),
            )
        )
    return tags


ANY_STATEMENTS = st.booleans().flatmap(statements)


def frame_of(tags: Sequence[Tag]) -> pd.DataFrame:
    numeric = any(isinstance(tag.value, float) for tag in tags)
    return tag_table(NUMBERS if numeric else CLASSES, tags).to_pandas()


@given(ANY_STATEMENTS, st.randoms(use_true_random=False), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_the_order_of_arrival_and_second_deliveries_never_change_a_view(
    tags: list[Tag], random: Any, day: int
) -> None:
    shuffled = tags + random.sample(tags, len(tags) // 2)
    random.shuffle(shuffled)
    one, other = (resolve(frame_of(order), at(day)) for order in (tags, shuffled))
    assert_frame_equal(one.labels, other.labels)
    assert_frame_equal(one.unresolved, other.unresolved)


@given(ANY_STATEMENTS, st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_what_is_not_known_yet_never_changes_a_view(tags: list[Tag], day: int) -> None:
    frame = frame_of(tags)
    early = frame[frame["known_time"] <= at(day)]
    assert_frame_equal(resolve(frame, at(day)).labels, resolve(early, LATER).labels)


@given(ANY_STATEMENTS)
@settings(max_examples=80, deadline=None)
def test_a_label_was_the_same_when_it_became_known(tags: list[Tag]) -> None:
    frame = frame_of(tags)
    for label in resolve(frame, LATER).labels.to_dict("records"):
        labelled = resolve(frame, label["known_time"]).labels.set_index("row_id")
        then = labelled.loc[label["row_id"]]
        assert then["known_time"] <= label["known_time"]
        for field in ("value", "source", "confidence"):
            assert then[field] == label[field]


@given(ANY_STATEMENTS)
@settings(max_examples=80, deadline=None)
def test_every_row_is_labelled_or_unresolved_or_taken_back_and_never_two_of_these(
    tags: list[Tag],
) -> None:
    labelled, unresolved = resolve(frame_of(tags), LATER)
    spoken = [*labelled["row_id"], *unresolved["row_id"]]
    assert len(spoken) == len(set(spoken))
    superseded = {(tag.row_id, tag.supersedes) for tag in tags}
    plain = {tag.row_id for tag in tags if all(other.supersedes is None for other in tags)}
    silent = {tag.row_id for tag in tags if tag.value is None} | {r for r, s in superseded if s}
    assert plain - silent <= set(spoken) <= {tag.row_id for tag in tags}
    for part in (labelled, unresolved):
        keys = list(zip(part["event_time"], part["row_id"], strict=True))
        assert all(one < two for one, two in pairwise(keys))


def test_rule_tags_count_only_while_their_rule_stands_in_the_file_word_for_word() -> None:
    when = {"column": "text", "matches": "refund"}
    old = TagRule.model_validate({"name": "refunds", "when": when, "value": "a"})
    new = TagRule.model_validate({"name": "refunds", "when": when, "value": "b"})
    tags = [
        said(
            rule.value,
            "refunds",
            0.7,
            source="rule",
            id=rule_tag_id("r", "refunds", rule_digest(rule)),
        )
        for rule in (old, new)
    ]
    person = said("c", "ann", 0.9)
    frame = tag_table(CLASSES, [*tags, person]).to_pandas()
    assert in_force(frame, [old])["value"].tolist() == ["a", "c"]
    assert in_force(frame, [new])["value"].tolist() == ["b", "c"]
    assert in_force(frame, [])["value"].tolist() == ["c"]


def test_the_view_holds_the_rows_of_a_span_of_event_time(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, [at(day) for day in range(10)])
    assert len(labels(CLASSES, stores, LATER)) == 10
    some = labels(CLASSES, stores, LATER, since=at(2), until=at(5))
    assert some["row_id"].tolist() == ["r00002", "r00003", "r00004"]
    assert str(some["event_time"].dtype) == str(some["known_time"].dtype) == "datetime64[us, UTC]"


def test_the_view_never_shows_a_later_row_or_a_later_label(stores: Stores) -> None:
    labelled_rows(stores, NUMBERS, [at(day) for day in range(10)], delay=3 * DAY)
    for day in range(14):
        found = labels(NUMBERS, stores, at(day))
        assert len(found) == min(10, max(0, day - 2))
        assert (found["known_time"] <= at(day)).all()


def test_feedback_that_comes_before_its_row_is_a_label_once_the_row_is_known(
    stores: Stores,
) -> None:
    add_tags(stores, CLASSES, [outcome("r", "a", at(1), at(1.1))])
    assert labels(CLASSES, stores, LATER).empty
    add_rows(stores, CLASSES, [row("r", at(1), known_time=at(6))])
    assert labels(CLASSES, stores, at(5)).empty
    assert labels(CLASSES, stores, at(6))["known_time"].tolist() == [pd.Timestamp(at(6))]


def test_an_empty_lake_has_an_empty_view(stores: Stores) -> None:
    labelled, unresolved = view(CLASSES, stores, LATER)
    assert labelled.empty
    assert unresolved.empty
    assert labelled.columns.tolist() == [
        "row_id",
        "value",
        "event_time",
        "known_time",
        "source",
        "confidence",
    ]
