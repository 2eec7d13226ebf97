"""Snapshots: what is in them, what is held back, and that they can be rebuilt bit for bit."""

from __future__ import annotations

import json
import math
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from backend import local_only
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
)

from opslayer.capability import Capability
from opslayer.errors import NotEnoughData, NotFound, StoreError
from opslayer.records import Recipe, Snapshot, Tag, Version
from opslayer.settings import Settings
from opslayer.sources.present import Present
from opslayer.steps.labels import labels
from opslayer.steps.snapshot import content_digest, load, split, take
from opslayer.stores import Stores
from opslayer.stores.lake import MOMENT
from opslayer.windows import window_index

CLASSES = capability()
NUMBERS = capability("regression")
DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)


def hours(count: int, step: float = 1) -> list[datetime]:
    return [START + at * step * HOUR for at in range(count)]


def held(stores: Stores, spec: Capability, as_of: datetime = LATER) -> tuple[Any, Any, datetime]:
    """The frames of the training and the exam set of one training, and its cut."""
    cut = split(spec, stores, as_of, spec.gate.min_labels)
    frames = [
        load(spec, take(spec, stores, as_of, recipe, cut).digest, stores)
        for recipe in (Recipe.ALL, Recipe.EXAM)
    ]
    return frames[0], frames[1], cut


def add_version(
    stores: Stores, snapshot: Snapshot, cut: datetime, at: datetime, number: int = 1
) -> None:
    stores.ledger.versions.add(
        Version(
            settings="as ever",
            capability=snapshot.capability,
            version=number,
            run_id="run",
            recipe=snapshot.recipe,
            snapshot=snapshot.digest,
            exam="exam",
            cut=cut,
            trained_at=at,
            cause=f"cause-{number}",
            manifest={},
        )
    )


# The digest


CONTENT = {
    "row_id": (pa.string(), ["a", "ü", "c"]),
    "event_time": (MOMENT, [START, START, START + TICK]),
    "known_time": (MOMENT, [START + HOUR, START, START + DAY]),
    "label": (pa.string(), ["yes", "no", "yes"]),
    "in:size": (pa.float64(), [1.5, None, math.nan]),
    "in:text": (pa.string(), ["", None, "naïve 🚲"]),
}


def table(content: dict[str, tuple[pa.DataType, list[Any]]]) -> pa.Table:
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in content.items()})


def by_hand(content: pa.Table, capability_name: str, recipe: str) -> str:
    """The documented format, written down a second time in the plainest way."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    out = b"opslayer snapshot 1\n" + text(capability_name) + text(recipe)
    out += struct.pack("<QQ", content.num_rows, content.num_columns)
    for field in content.schema:
        values = content[field.name].to_pylist()
        values = [None if isinstance(v, float) and math.isnan(v) else v for v in values]
        present = bytes(value is not None for value in values)
        out += text(field.name)
        if field.type == pa.float64():
            out += text("float64") + present
            out += b"".join(bytes(8) if v is None else struct.pack("<d", v) for v in values)
        elif field.type == MOMENT:
            micros = content[field.name].cast(pa.int64()).to_pylist()
            out += text("time") + present + b"".join(struct.pack("<q", v) for v in micros)
        else:
            raw = [(value or "").encode() for value in values]
            out += text("string") + present
            out += b"".join(struct.pack("<Q", len(r)) for r in raw) + b"".join(raw)
    return sha256(out).hexdigest()


def test_the_digest_of_known_content_never_changes() -> None:
    expected = "9da0da1118f8d087be635d014094bfd2dd4e3edd500eda5a6caa6000486b1b11"
    assert content_digest(table(CONTENT), "made", Recipe.ALL) == expected
    assert by_hand(table(CONTENT), "made", "all") == expected


TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
LINES = st.tuples(
    st.text(max_size=3).filter(lambda text: text.isprintable()),
    st.integers(-(2**50), 2**50),
    st.none() | st.floats(width=64),
    TEXTS,
)


def made_of(lines: Sequence[Any]) -> pa.Table:
    ids, micros, sizes, texts = zip(*lines, strict=True) if lines else ((), (), (), ())
    times = pa.array(micros, pa.int64()).cast(MOMENT)
    columns = [pa.array(ids, pa.string()), times, times]
    columns += [pa.array(sizes, pa.float64()), pa.array(texts, pa.string())]
    return pa.table(columns, names=["row_id", "event_time", "known_time", "label", "in:text"])


@given(st.lists(LINES, max_size=6), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_digest_follows_its_documented_format_however_the_rows_are_chunked(
    lines: list[Any], chunk: int
) -> None:
    whole = made_of(lines)
    batches = whole.to_batches(max_chunksize=chunk)
    chunked = pa.Table.from_batches(batches, whole.schema)
    expected = by_hand(whole, "made", "exam")
    assert content_digest(whole, "made", Recipe.EXAM) == expected
    assert content_digest(chunked, "made", Recipe.EXAM) == expected
    sliced = pa.concat_tables([whole, whole]).combine_chunks().slice(len(lines))
    assert content_digest(sliced, "made", Recipe.EXAM) == expected


@pytest.mark.parametrize("name", list(CONTENT))
def test_every_cell_name_and_recipe_is_in_the_digest(name: str) -> None:
    known = content_digest(table(CONTENT), "made", Recipe.ALL)
    kind, values = CONTENT[name]
    other = {**CONTENT, name: (kind, [values[1], values[2], values[0]])}
    renamed = table(CONTENT).rename_columns([n + "s" if n == name else n for n in CONTENT])
    digests = {
        content_digest(table(other), "made", Recipe.ALL),
        content_digest(renamed, "made", Recipe.ALL),
        content_digest(table(CONTENT), "other", Recipe.ALL),
        content_digest(table(CONTENT), "made", Recipe.LAST),
    }
    assert known not in digests
    assert len(digests) == 4


def test_a_text_that_moves_to_the_next_row_is_another_digest() -> None:
    one = {"in:text": (pa.string(), ["ab", "c", ""])}
    other = {"in:text": (pa.string(), ["a", "bc", ""])}
    missing = {"in:text": (pa.string(), ["ab", "c", None])}
    digests = {content_digest(table(t), "made", Recipe.ALL) for t in (one, other, missing)}
    assert len(digests) == 3


# The split


def test_the_exam_is_the_newest_whole_days_with_enough_labels(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(240))  # ten days of 24 rows; two days hold 30
    training, exam, cut = held(stores, CLASSES)
    assert cut == START + 8 * DAY
    assert (len(training), len(exam)) == (192, 48)
    assert training.event_time.max() < pd.Timestamp(cut) == exam.event_time.min()


def test_the_exam_never_holds_back_more_than_30_percent(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(96))  # two days are half of all, one is a quarter
    _, exam, cut = held(stores, CLASSES)
    assert cut == START + 3 * DAY
    assert len(exam) == 24


def test_fewer_than_60_labelled_rows_are_refused_with_the_number_that_is_missing(
    stores: Stores,
) -> None:
    labelled_rows(stores, CLASSES, hours(59))
    with pytest.raises(NotEnoughData, match=r"59 labelled rows .* 1 are missing"):
        split(CLASSES, stores, LATER, CLASSES.gate.min_labels)
    with pytest.raises(NotEnoughData, match=r"0 labelled rows .* 60 are missing"):
        split(CLASSES, stores, START - DAY, CLASSES.gate.min_labels)


def test_rows_of_one_day_are_divided_by_their_time(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(200, step=0.1))
    training, exam, _ = held(stores, CLASSES)
    assert len(exam) == 30
    assert training.event_time.max() < exam.event_time.min()


def test_a_small_last_day_after_one_large_day_is_not_the_whole_exam(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, [*hours(95, step=0.1), START + DAY])
    _, exam, _ = held(stores, CLASSES)
    assert len(exam) == 28  # 30 % of 96


def test_rows_of_one_moment_are_divided_by_hash_and_no_row_is_in_both(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, [START] * 1000)
    training, exam, _ = held(stores, CLASSES)
    assert len(training) + len(exam) == 1000
    assert set(training.row_ids).isdisjoint(exam.row_ids)
    assert 150 <= len(exam) <= 250  # a fifth; 4 standard deviations are 50


def test_a_divided_moment_keeps_its_exam_rows_unseen_when_more_of_it_arrives(
    stores: Stores,
) -> None:
    labelled_rows(stores, CLASSES, [START] * 100)
    first, _, cut = held(stores, CLASSES)
    add_version(stores, take(CLASSES, stores, LATER, Recipe.ALL, cut), cut, LATER)
    more = [f"x{at}" for at in range(100)]
    add_rows(stores, CLASSES, [row(name, START) for name in more])
    add_tags(stores, CLASSES, [outcome(name, "a", START, START) for name in more])
    second, exam, again = held(stores, CLASSES)
    assert again == cut
    assert len(second) + len(exam) == 200
    assert set(exam.row_ids).isdisjoint(first.row_ids)


@given(
    st.lists(st.integers(0, 400), min_size=60, max_size=150),
    st.sampled_from([1, 24, 24 * 7, 24 * 365]),
)
@settings(max_examples=12, deadline=None)
def test_however_rows_lie_in_time_both_sides_hold_rows_and_the_exam_a_minority(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], block: int
) -> None:
    home = tmp_path_factory.mktemp("home")
    gate = {"metric": "accuracy", "min_labels": 30, "block": f"{block}h"}
    spec = capability(gate=gate)
    stores = Stores.at(Settings(home=home))
    labelled_rows(stores, spec, [START + step * HOUR for step in steps])
    training, exam, cut = held(stores, spec)
    assert len(training) + len(exam) == len(steps)
    assert set(training.row_ids).isdisjoint(exam.row_ids)
    divided = exam.event_time.min() < pd.Timestamp(cut)
    assert 0 < len(exam) <= (0.45 if divided else 0.3) * len(steps)  # a hash is no exact share


def test_the_cut_never_moves_back_before_that_of_a_trained_version(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    first, _, cut = held(stores, CLASSES)
    add_version(stores, take(CLASSES, stores, LATER, Recipe.ALL, cut), cut, START + 60 * HOUR)
    old = [(f"old{at}", START - at * HOUR) for at in range(1, 100)]
    add_rows(stores, CLASSES, [row(name, time) for name, time in old])
    add_tags(stores, CLASSES, [outcome(name, "a", time, time) for name, time in old])
    _, exam, again = held(stores, CLASSES)
    assert again >= cut
    assert set(exam.row_ids).isdisjoint(first.row_ids)
    assert (
        split(CLASSES, stores, START + 59 * HOUR, CLASSES.gate.min_labels) <= cut
    )  # the version was not there yet


def test_text_without_any_order_in_time_can_be_learnt_from(stores: Stores, real_data: Path) -> None:
    banking = pd.read_csv(real_data / "banking77" / "train.csv.gz", nrows=3000)
    inputs = {"text": {"type": "text"}}
    gate = {"metric": "accuracy", "min_labels": 500}
    spec = capability(inputs=inputs, gate=gate)
    texts, intents = banking["text"], banking["category"]
    add_rows(stores, spec, [row(f"b{at}", START, text=text) for at, text in enumerate(texts)])
    tags = [outcome(f"b{at}", intent, START, START) for at, intent in enumerate(intents)]
    add_tags(stores, spec, tags)
    training, exam, _ = held(stores, spec)
    assert set(exam.target) <= set(intents)
    assert len(exam) >= 500
    truth = dict(enumerate(intents))
    for frame in (training, exam):
        assert [truth[int(name[1:])] for name in frame.row_ids] == frame.target.tolist()
        assert [texts[int(name[1:])] for name in frame.row_ids] == frame.features["text"].tolist()


# What is in them


def test_last_holds_as_many_of_the_newest_rows_as_the_first_training_had(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(480))
    early = START + 100 * HOUR
    cut = split(CLASSES, stores, early, CLASSES.gate.min_labels)
    first = take(CLASSES, stores, early, Recipe.LAST, cut)
    assert first.rows == take(CLASSES, stores, early, Recipe.ALL, cut).rows
    add_version(stores, first, cut, early)
    later = split(CLASSES, stores, LATER, CLASSES.gate.min_labels)
    last = load(CLASSES, take(CLASSES, stores, LATER, Recipe.LAST, later).digest, stores)
    every = load(CLASSES, take(CLASSES, stores, LATER, Recipe.ALL, later).digest, stores)
    assert len(last) == first.rows
    assert last.row_ids.tolist() == every.row_ids.tolist()[-first.rows :]


def test_the_record_says_what_the_snapshot_is(stores: Stores) -> None:
    labelled_rows(stores, NUMBERS, hours(240))
    cut = split(NUMBERS, stores, LATER, NUMBERS.gate.min_labels)
    training = take(NUMBERS, stores, LATER, Recipe.ALL, cut)
    exam = take(NUMBERS, stores, LATER, Recipe.EXAM, cut)
    assert (training.since, training.until, training.rows) == (START, cut, 192)
    assert (exam.since, exam.until, exam.rows) == (cut, START + 239 * HOUR + TICK, 48)
    assert training.columns == exam.columns == ("size", "colour", "text")
    assert stores.ledger.snapshots.get("made", training.digest) == training


def test_a_frame_has_numbers_as_floats_and_texts_as_objects_with_none(stores: Stores) -> None:
    rows = [row("b", START, size=None, text=None), row("a", START, size=2, colour="red", text="ü")]
    add_rows(stores, CLASSES, rows)
    add_tags(stores, CLASSES, [outcome(name, "yes", START, START + HOUR) for name in "ab"])
    frame = load(CLASSES, take(CLASSES, stores, LATER, Recipe.ALL, LATER).digest, stores)
    assert frame.row_ids.tolist() == ["a", "b"]
    assert frame.features.columns.tolist() == ["size", "colour", "text"]
    assert frame.features["size"].dtype == np.float64
    assert frame.features["size"].isna().tolist() == [False, True]
    assert [frame.features[name].dtype for name in ("colour", "text")] == [object, object]
    assert frame.features["colour"].tolist() == ["red", None]
    assert frame.features["text"].tolist() == ["ü", None]
    assert frame.target.tolist() == ["yes", "yes"]
    assert frame.known_time.tolist() == [pd.Timestamp(START + HOUR)] * 2
    members = (frame.features, frame.target, frame.event_time, frame.known_time)
    assert all(member.index.equals(frame.row_ids.index) for member in members)


def test_a_regressions_target_is_float64(stores: Stores) -> None:
    labelled_rows(stores, NUMBERS, hours(3))
    frame = load(NUMBERS, take(NUMBERS, stores, LATER, Recipe.ALL, LATER).digest, stores)
    assert frame.target.dtype == np.float64
    assert frame.target.tolist() == [1.0, 2.0, 1.0]


def test_a_side_without_rows_is_refused(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    with pytest.raises(NotEnoughData, match="no labelled row before"):
        take(CLASSES, stores, LATER, Recipe.ALL, START)
    with pytest.raises(NotEnoughData, match="no labelled row from"):
        take(CLASSES, stores, LATER, Recipe.EXAM, START + 100 * HOUR)


def written(stores: Stores, spec: Capability) -> int:
    sql = "SELECT count(*) AS n FROM snapshots"
    return stores.lake.query(spec, sql, ["snapshots"]).to_pylist()[0]["n"]


def test_the_same_content_is_written_once_and_keeps_its_first_record(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    first = take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    assert take(CLASSES, stores, LATER + DAY, Recipe.ALL, LATER) == first
    assert written(stores, CLASSES) == 60


def test_an_unknown_snapshot_is_not_found(stores: Stores) -> None:
    with pytest.raises(NotFound):
        load(CLASSES, "0" * 64, stores)


def test_a_lake_that_lost_or_changed_a_row_is_refused_by_name(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    taken = take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    stores.lake.open(CLASSES, "rows").update(
        updates={'"in:size"': "99"}, predicate="row_id = 'r00007'"
    )
    with pytest.raises(StoreError, match=taken.digest):
        load(CLASSES, taken.digest, stores)
    stores.lake.open(CLASSES, "rows").delete("row_id = 'r00007'")
    with pytest.raises(StoreError, match="59 of its 60 rows"):
        load(CLASSES, taken.digest, stores)


def test_a_snapshot_outlives_a_change_of_the_capabilitys_inputs(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    taken = take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    before = load(CLASSES, taken.digest, stores)
    other = capability(inputs={"new": {"type": "number"}, "text": {"type": "text"}})
    anew = take(other, stores, LATER, Recipe.ALL, LATER)
    assert anew.columns == ("new", "text")
    assert load(other, anew.digest, stores).features["new"].isna().all()
    add_rows(stores, other, [row("later", START, new=1.0)])  # now the table has the column
    pd.testing.assert_frame_equal(load(other, taken.digest, stores).features, before.features)
    assert load(other, anew.digest, stores).features["new"].isna().all()


@local_only("it takes files away")
def test_a_file_that_the_lake_has_lost_is_named_wherever_it_is_read(stores: Stores) -> None:
    labelled_rows(stores, CLASSES, hours(60))
    take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    for file in Path(stores.lake.root).rglob("*.parquet"):
        if "_delta_log" not in file.parts:
            file.unlink()
    ids = pa.array(["r1"])
    for read in (
        lambda: stores.lake.query(CLASSES, "SELECT * FROM rows", ("rows",)),
        lambda: stores.lake.holders(CLASSES, ids.to_pylist()),
        lambda: list(Present(CLASSES, stores.lake).stream("rows", ["row_id"], "true")),
    ):
        with pytest.raises(StoreError, match=r"the lake at .*part-.*not found"):
            read()


@local_only("S3 of the tests does not answer for so many files at once")
def test_compacting_the_lake_changes_nothing(stores: Stores) -> None:
    for at, time in enumerate(hours(70)):
        add_rows(stores, CLASSES, [row(f"r{at}", time, size=float(at))])
        add_tags(stores, CLASSES, [outcome(f"r{at}", "ab"[at % 2], time, time)])
    taken = take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    before = load(CLASSES, taken.digest, stores)
    files = len(stores.lake.open(CLASSES, "rows").file_uris())
    stores.lake.compact(CLASSES)
    assert len(stores.lake.open(CLASSES, "rows").file_uris()) < files
    pd.testing.assert_frame_equal(load(CLASSES, taken.digest, stores).features, before.features)
    assert take(CLASSES, stores, LATER, Recipe.ALL, LATER) == taken
    assert written(stores, CLASSES) == 70


# Killed in the middle


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lake_content import LATER, capability
from opslayer.records import Recipe
from opslayer.settings import Settings
from opslayer.steps.snapshot import take
from opslayer.stores import Stores
from opslayer.stores.lake import Lake
from opslayer.stores.ledger.snapshots import Snapshots

call, when = sys.argv[3:]
home = {"append": Lake, "add": Snapshots}[call]
real = getattr(home, call)
def dying(self, *arguments):
    if when == "after":
        real(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(home, call, dying)
take(capability(), Stores.at(Settings(home=Path(sys.argv[2]))), LATER, Recipe.ALL, LATER)
"""


@pytest.mark.parametrize(
    ("call", "when", "rows"),
    [("append", "before", 0), ("append", "after", 60), ("add", "after", 60)],
)
def test_a_kill_around_either_commit_is_mended_by_taking_it_again(
    tmp_path: Path, call: str, when: str, rows: int
) -> None:
    home = tmp_path / "home"
    stores = Stores.at(Settings(home=home))
    labelled_rows(stores, CLASSES, hours(60))
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", SCRIPT, here, str(home), call, when]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert written(stores, CLASSES) == rows
    taken = take(CLASSES, stores, LATER, Recipe.ALL, LATER)
    assert written(stores, CLASSES) == 60
    assert len(load(CLASSES, taken.digest, stores)) == 60


# What was known when


def arriving(seed: int) -> tuple[list[dict[str, Any]], list[Tag]]:
    """90 rows over 30 days, true values 5 to 30 days late, a third of them corrected later on."""
    rng = random.Random(seed)
    rows, tags = [], []
    for at in range(90):
        name, time = f"r{at:03}", START + at * 8 * HOUR
        known = time + rng.uniform(5, 30) * DAY
        rows.append(row(name, time, size=rng.gauss(0, 1), text=rng.choice(["x", "é", None])))
        tags.append(outcome(name, rng.choice("ab"), time, known))
        tags.append(
            outcome(name, rng.choice("ab"), time, time, source="crowd", by="app", confidence=0.7)
        )
        if at % 3 == 0:
            after = known + rng.uniform(1, 10) * DAY
            tags.append(outcome(name, rng.choice("ab"), time, after, supersedes=tags[-2].id))
    return rows, tags


def moments() -> list[datetime]:
    return [START + day * DAY for day in (24, 33, 45, 80)]


def digests(stores: Stores, as_of: datetime) -> dict[str, str]:
    """Digest by recipe, and that no later word is in any training set."""
    cut = split(CLASSES, stores, as_of, CLASSES.gate.min_labels)
    found = {}
    for recipe in Recipe:
        taken = take(CLASSES, stores, as_of, recipe, cut)
        frame = load(CLASSES, taken.digest, stores)
        assert (frame.known_time <= as_of).all()
        assert (frame.event_time <= as_of).all()
        found[recipe.value] = taken.digest
    return found


def arrived_in_order_of_knowing(stores: Stores) -> dict[datetime, dict[str, str]]:
    """What a product sees that runs all the time: each training knows what has come in."""
    rows, tags = arriving(1)
    seen, last = {}, START - DAY
    for moment in moments():
        add_rows(stores, CLASSES, [r for r in rows if last < r["event_time"] <= moment])
        add_tags(stores, CLASSES, [t for t in tags if last < t.known_time <= moment])
        seen[moment] = digests(stores, moment)
        last = moment
    return seen


@pytest.mark.parametrize("seed", [2, 3])
def test_no_order_of_arrival_changes_a_snapshot_and_none_knows_the_future(
    tmp_path: Path, seed: int
) -> None:
    live, late = (Stores.at(Settings(home=tmp_path / name)) for name in ("live", "late"))
    seen = arrived_in_order_of_knowing(live)
    assert len({json.dumps(found) for found in seen.values()}) == len(seen)
    rng = random.Random(seed)
    rows, tags = arriving(1)
    rng.shuffle(rows)
    rng.shuffle(tags)
    for start in range(5):  # tags may come before their rows
        add_tags(late, CLASSES, tags[start::5])
        add_rows(late, CLASSES, rows[start::5])
    backwards = {moment: digests(late, moment) for moment in reversed(moments())}
    assert backwards == seen


def fitted_score(known: pd.DataFrame, points: pd.DataFrame, test: pd.DataFrame) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    features = points.loc[known["row_id"], ["x", "y"]].to_numpy()
    model = LogisticRegression().fit(features, known["value"])
    return float(
        roc_auc_score(test["label"], model.predict_proba(test[["x", "y"]].to_numpy())[:, 1])
    )


def test_training_on_labels_before_they_were_known_would_look_better_than_it_is(
    stores: Stores,
) -> None:
    """A concept that turns once in 120 days, labels 5 to 30 days late, seed 0."""
    rng = np.random.default_rng(0)
    days = np.sort(rng.uniform(0, 150, 3000))
    points = pd.DataFrame(rng.normal(size=(3000, 2)), columns=["x", "y"])
    points.index = pd.Index([f"p{at}" for at in range(3000)])
    angle = 2 * np.pi * days / 120
    points["label"] = np.where(points.x * np.cos(angle) + points.y * np.sin(angle) > 0, "b", "a")
    points["day"] = days
    times = [START + day * DAY for day in days]
    known = [
        time + delay * DAY for time, delay in zip(times, rng.uniform(5, 30, 3000), strict=True)
    ]
    add_rows(
        stores, CLASSES, [row(name, time) for name, time in zip(points.index, times, strict=True)]
    )
    told = zip(points.index, points["label"], times, known, strict=True)
    add_tags(stores, CLASSES, [outcome(*one) for one in told])
    honest, leaking = [], []
    for day in range(40, 150, 10):
        now = START + day * DAY
        test = points[(points["day"] >= day) & (points["day"] < day + 10)]
        view = labels(CLASSES, stores, now, since=now - 25 * DAY)
        future = labels(CLASSES, stores, LATER, since=now - 25 * DAY, until=now)
        assert (view["known_time"] <= now).all()
        honest.append(fitted_score(view, points, test))
        leaking.append(fitted_score(future, points, test))
    assert np.mean(honest) < np.mean(leaking) - 0.05


def test_the_blocks_of_the_exam_are_those_of_the_windows(stores: Stores) -> None:
    gate = {"metric": "accuracy", "min_labels": 30, "block": "7d"}
    spec = capability(gate=gate)
    labelled_rows(stores, spec, hours(240, step=7))  # ten weeks of 24
    cut = split(spec, stores, LATER, spec.gate.min_labels)
    week = window_index(cut, 7 * DAY)
    assert window_index(cut - 7 * HOUR, 7 * DAY) == week - 1
