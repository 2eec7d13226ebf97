"""Reviewers at work on real stores: who gets which row, what becomes of an answer."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from typing import Any

import pytest
from lake_content import START, add_rows, add_tags, capability, outcome, row

from opslayer.capability import Capability
from opslayer.errors import Refused
from opslayer.judgement.assignment import bucket
from opslayer.records import Feedback, FeedbackKind
from opslayer.steps.ingest import ingest
from opslayer.steps.labels import labels
from opslayer.steps.queue import fill, random_salt
from opslayer.steps.review import Item, Reviewer, answer, progress, skip, take, undo
from opslayer.stores import Stores

NOW = START + timedelta(days=30)
MINUTE = timedelta(minutes=1)
ROWS = 40


def reviewed(**rules: Any) -> Capability:
    return capability(classes=["yes", "no"], review={"double": 0.0, **rules})


def at(name: str, minutes: float = 0) -> Reviewer:
    return Reviewer(name, NOW + minutes * MINUTE)


def got(item: Item | None) -> Item:
    assert item is not None
    return item


@pytest.fixture
def filled(stores: Stores) -> Stores:
    rows = [row(f"r{n:02}", START + n * MINUTE, text=f"text {n}") for n in range(ROWS)]
    add_rows(stores, reviewed(), rows)
    return stores


def known(stores: Stores, spec: Capability, minutes: float) -> dict[str, Any]:
    ingest(spec, stores, NOW + minutes * MINUTE)
    found = labels(spec, stores, NOW + minutes * MINUTE)
    return {one.row_id: (one.value, one.source) for one in found.itertuples()}


def test_an_answer_becomes_a_label_with_the_reviewer_as_its_source(filled: Stores) -> None:
    spec = reviewed()
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada", 1), item.row_id, "yes")
    assert known(filled, spec, 0.5) == {}
    assert known(filled, spec, 1) == {item.row_id: ("yes", "expert")}
    tags = filled.lake.query(spec, 'SELECT "by", known_time FROM tags', ["tags"]).to_pylist()
    assert tags == [{"by": "ada", "known_time": NOW + MINUTE}]


def test_a_row_held_by_one_reviewer_is_never_given_to_another(filled: Stores) -> None:
    spec = reviewed()
    items = [got(take(spec, filled, at(f"reviewer {n}"))) for n in range(ROWS)]
    assert len({item.row_id for item in items}) == ROWS
    assert take(spec, filled, at("one more")) is None


def test_whoever_asks_again_gets_the_row_they_hold_and_for_longer(filled: Stores) -> None:
    spec = reviewed()
    first = got(take(spec, filled, at("ada")))
    again = got(take(spec, filled, at("ada", 5)))
    assert again.row_id == first.row_id
    assert again.until == first.until + 5 * MINUTE


def test_a_claim_that_lapsed_goes_to_the_next_reviewer_and_its_late_answer_is_refused(
    filled: Stores,
) -> None:
    spec = reviewed(claim="15m")
    item = got(take(spec, filled, at("ada")))
    assert got(take(spec, filled, at("bob", 14))).row_id != item.row_id
    assert got(take(spec, filled, at("cleo", 15))).row_id == item.row_id
    with pytest.raises(Refused, match="does not hold"):
        answer(spec, filled, at("ada", 16), item.row_id, "yes")
    answer(spec, filled, at("cleo", 16), item.row_id, "no")
    assert known(filled, spec, 17) == {item.row_id: ("no", "expert")}


def test_a_late_answer_is_taken_where_nobody_was_in_the_way(filled: Stores) -> None:
    spec = reviewed(claim="15m")
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada", 60), item.row_id, "yes")
    assert known(filled, spec, 61) == {item.row_id: ("yes", "expert")}


def test_a_skipped_row_goes_to_others_and_not_back(filled: Stores) -> None:
    spec = reviewed()
    item = got(take(spec, filled, at("ada")))
    skip(spec, filled, at("ada"), item.row_id)
    assert got(take(spec, filled, at("ada"))).row_id != item.row_id
    assert got(take(spec, filled, at("bob"))).row_id == item.row_id
    assert progress(spec, filled, NOW).skipped == 1


def test_undo_takes_the_last_answer_back_also_after_it_was_learnt_from(filled: Stores) -> None:
    spec = reviewed()
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), item.row_id, "yes")
    assert known(filled, spec, 1) == {item.row_id: ("yes", "expert")}
    assert undo(spec, filled, at("ada", 2)).row_id == item.row_id
    assert known(filled, spec, 3) == {}
    assert labels(spec, filled, NOW + MINUTE)["value"].tolist() == ["yes"]
    answer(spec, filled, at("ada", 4), item.row_id, "no")
    assert known(filled, spec, 5) == {item.row_id: ("no", "expert")}


def test_undo_at_the_very_moment_of_the_answer_still_takes_it_back(filled: Stores) -> None:
    spec = reviewed()
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), item.row_id, "yes")
    undo(spec, filled, at("ada"))
    assert known(filled, spec, 1) == {}
    with pytest.raises(Refused, match="no answer"):
        undo(spec, filled, at("ada"))


def test_undo_leaves_the_row_in_hand_to_come_after(filled: Stores) -> None:
    spec = reviewed()
    first = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), first.row_id, "yes")
    second = got(take(spec, filled, at("ada")))
    assert undo(spec, filled, at("ada", 1)).row_id == first.row_id
    assert got(take(spec, filled, at("ada", 1))).row_id == first.row_id
    answer(spec, filled, at("ada", 1), first.row_id, "no")
    assert got(take(spec, filled, at("ada", 2))).row_id == second.row_id


def test_a_value_that_is_no_class_is_refused_and_the_row_stays_in_hand(filled: Stores) -> None:
    spec = reviewed()
    item = got(take(spec, filled, at("ada")))
    with pytest.raises(Refused, match="yes, no"):
        answer(spec, filled, at("ada"), item.row_id, "maybe")
    answer(spec, filled, at("ada"), item.row_id, "yes")
    with pytest.raises(Refused, match="does not hold"):
        answer(spec, filled, at("ada"), item.row_id, "no")


def test_a_row_due_twice_goes_to_a_second_reviewer_who_is_not_told_the_first_answer(
    filled: Stores,
) -> None:
    spec = reviewed(double=1.0)
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), item.row_id, "yes")
    assert got(take(spec, filled, at("ada"))).row_id != item.row_id
    again = got(take(spec, filled, at("bob")))
    assert again.row_id == item.row_id
    assert "yes" not in map(str, (again.predicted, *again.reasons))
    answer(spec, filled, at("bob"), item.row_id, "yes")
    assert got(take(spec, filled, at("cleo"))).row_id != item.row_id


def test_a_third_reviewer_is_asked_where_two_disagree_and_settles_it(filled: Stores) -> None:
    spec = reviewed(double=1.0)
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), item.row_id, "yes")
    for name, value in (("bob", "no"), ("cleo", "no")):
        assert got(take(spec, filled, at(name))).row_id == item.row_id
        answer(spec, filled, at(name), item.row_id, value)
    assert got(take(spec, filled, at("dan"))).row_id != item.row_id
    assert known(filled, spec, 1) == {item.row_id: ("no", "expert")}


def test_progress_tells_who_did_how_much_and_how_far_they_agree(filled: Stores) -> None:
    spec = reviewed(double=1.0)
    for n in range(10):
        for name in ("ada", "bob"):
            item = got(take(spec, filled, at(name)))
            answer(spec, filled, at(name), item.row_id, "yes" if n % 2 else "no")
    told = progress(spec, filled, NOW)
    assert (told.answered, told.by_reviewer, told.twice) == (20, {"ada": 10, "bob": 10}, 10)
    assert told.agreement.value == told.pairs["ada", "bob"].value == 1.0
    assert told.waiting == ROWS - 10


def test_rows_that_an_outcome_labels_and_answered_ones_do_not_wait(filled: Stores) -> None:
    spec = reviewed()
    add_tags(filled, spec, [outcome("r00", "yes", START, START)])
    item = got(take(spec, filled, at("ada")))
    answer(spec, filled, at("ada"), item.row_id, "yes")
    assert fill(spec, filled, NOW) == ROWS - 2


def test_a_badly_rated_answer_comes_before_all_but_the_random_share(filled: Stores) -> None:
    spec = reviewed(share_random=0.001)
    assert not any(bucket(random_salt(spec), f"r{n:02}") < 0.001 for n in range(ROWS))
    thumb = Feedback(
        id="t", capability=spec.name, interaction_id="r17", kind=FeedbackKind.THUMB, value="down",
        event_time=NOW, known_time=NOW,
    )  # fmt: skip
    filled.events.append([thumb], "test")
    item = got(take(spec, filled, at("ada")))
    assert (item.row_id, item.reasons) == ("r17", ("disliked",))


def test_the_random_share_is_kept_with_its_probability_and_gives_the_quality(
    filled: Stores,
) -> None:
    spec = reviewed(share_random=1.0)
    answers = [
        {"row_id": f"r{n:02}", "event_time": START, "release": 1, "variant": "v", "output": "{}",
         "value": "yes" if n < 30 else "no"}
        for n in range(ROWS)
    ]  # fmt: skip
    import pyarrow as pa

    from opslayer.stores.lake import schema

    table = pa.Table.from_pylist(answers, schema(spec, "answers"))
    filled.lake.append(spec, "answers", table)
    for _ in range(ROWS):
        item = got(take(spec, filled, at("ada")))
        assert item.reasons == ("random",)
        answer(spec, filled, at("ada"), item.row_id, "yes")
    quality = progress(spec, filled, NOW).quality
    assert quality is not None
    assert (quality.value, quality.unbiased, quality.looked) == (0.75, 0.75, ROWS)
    assert quality.low is not None
    assert quality.low < 0.75


def _work(home: str, name: str, found: Any) -> None:
    from pathlib import Path

    from opslayer.settings import Settings

    stores, spec, mine = Stores.at(Settings(home=Path(home))), reviewed(), []
    while (item := take(spec, stores, at(name))) is not None:
        mine.append(item.row_id)
        answer(spec, stores, at(name), item.row_id, "yes")
    found.put((name, mine))


def test_racing_reviewers_share_the_queue_without_a_row_done_twice_or_left(
    filled: Stores, tmp_path: Any
) -> None:
    spawn = multiprocessing.get_context("spawn")
    found = spawn.Queue()
    fill(reviewed(), filled, NOW)
    workers = [
        spawn.Process(target=_work, args=(str(tmp_path / "home"), f"reviewer-{n}", found))
        for n in range(3)
    ]
    for worker in workers:
        worker.start()
    done = [row_id for _ in workers for row_id in found.get(timeout=120)[1]]
    for worker in workers:
        worker.join()
    assert sorted(done) == [f"r{n:02}" for n in range(ROWS)]
    assert len(known(filled, reviewed(), 1)) == ROWS


def test_a_capability_that_learns_from_no_labels_has_nothing_to_review(stores: Stores) -> None:
    spec = Capability.model_validate(
        {"name": "talk", "kind": "chat",
         "upstreams": [{"name": "a", "base_url": "https://a.example/v1", "model": "m"}],
         "fallback": [{"rule": {"constant": "sorry"}}]}
    )  # fmt: skip
    with pytest.raises(Refused, match="training"):
        take(spec, stores, at("ada"))
