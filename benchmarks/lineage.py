"""Does every answer lead to the exact rows it was learnt from, and how long does that take?

The shipped bike data comes in month by month; each time a model is trained on all of it and one on
the newest rows, and both are released. A log of a hundred thousand answers by them all, some of a
model that stood in, some with feedback. A thousand of these, drawn at random, are resolved as the
command and the route do it; what each must lead to was noted when its model was fitted.
`INTERACTIONS=100` for a quick look.
"""

from __future__ import annotations

import gzip
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, finish, say
from benchmarks.load import percentile
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Cause, CauseKind, Feedback, FeedbackKind, Interaction, Recipe, Snapshot
from opslayer.settings import Settings
from opslayer.steps.explain import explain
from opslayer.steps.ingest import ingest
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.snapshot import load, split, take
from opslayer.steps.trace import descendants, row_ids, verify
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores
from opslayer.stores.registration import SNAPSHOT
from opslayer.stores.tracking import client, make_database

INTERACTIONS = int(os.environ.get("INTERACTIONS", "1000"))
LOGGED = 100 * INTERACTIONS
ROUNDS = 10
PORTION = 5_000
"""Log entries in one commit."""
STOOD_IN, RATED = 0.05, 0.1
"""Shares of the answers of a model that stood in, and of those with feedback."""
ROWS = 50
"""Rows that are followed the other way."""
DATA = Path(__file__).parents[1] / "examples" / "data" / "bike_hourly.csv.gz"
CONFIG = Path(__file__).parents[1] / "configs" / "capabilities" / "bike-demand.yaml"


@dataclass(slots=True)
class World:
    """What was trained and released, with what each version was seen to learn from."""

    capability: Capability
    stores: Stores
    learnt: dict[int, str] = field(default_factory=dict)
    """By version, a digest of the row ids of the frame that it was fitted on."""
    served: dict[int, int] = field(default_factory=dict)
    """By release, the version."""
    expected: dict[str, int] = field(default_factory=dict)
    """By interaction, the version that answered it."""


def begin(folder: Path) -> World:
    """The bike data's capability in a home of its own."""
    configs = folder / "configs" / "capabilities"
    configs.mkdir(parents=True)
    text = CONFIG.read_text().replace("examples/data/bike_hourly.csv.gz", str(folder / "bike.csv"))
    (configs / CONFIG.name).write_text(text)
    stores = Stores.at(Settings(home=folder / "home", configs=folder / "configs"))
    make_database(stores.models.tracking_uri)
    return World(load_capability("bike-demand", folder / "configs"), stores)


def live(world: World, folder: Path) -> None:
    """Take in one part of the data after another, train on it and release what was trained."""
    with gzip.open(DATA, "rt") as file:
        header, *lines = file.read().splitlines()
    for number in range(1, ROUNDS + 1):
        known = lines[: len(lines) * number // ROUNDS]
        (folder / "bike.csv").write_text("\n".join([header, *known, ""]))
        # As in life: what is asked for now is what is known once the last label has come.
        now = datetime.fromisoformat(known[-1].split(",")[0]).replace(tzinfo=UTC)
        now += timedelta(days=2)
        ingest(world.capability, world.stores, now)
        for recipe in (Recipe.ALL, Recipe.LAST):
            released(world, now, recipe)
        say(f"round {number}: {len(known):,} rows, {len(world.served)} releases")


def released(world: World, now: datetime, recipe: Recipe) -> None:
    """One training and its release; the frame's row ids are noted before the fit."""
    capability, stores = world.capability, world.stores
    cause = Cause(
        capability=capability.name, kind=CauseKind.PERSON, about=f"{recipe} at {now}", at=now
    )
    cut = split(capability, stores, now, 500)
    exam = take(capability, stores, now, Recipe.EXAM, cut)
    snapshot = take(capability, stores, now, recipe, cut)
    frame = load(capability, snapshot.digest, stores)
    version = train(capability, snapshot, stores, TrainingOrder(cause, recipe, exam)).version
    world.learnt[version] = digest(frame.row_ids)
    parent = max(world.served, default=0)
    decision = Promotion(parent, "ann", f"{recipe} at {now}", None, (), now)
    world.served[promote(capability, version, stores, decision).number] = version


def digest(ids: Sequence[str]) -> str:
    """Row ids in their order, as one text to compare."""
    return sha256("\n".join(ids).encode()).hexdigest()


def log(world: World) -> None:
    """Answers of every release, and what was said of some."""
    draw = random.Random(0)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for start in range(0, LOGGED, PORTION):
        records: list[Interaction | Feedback] = []
        for number in range(start, min(start + PORTION, LOGGED)):
            one = answer(
                world, draw, f"{draw.getrandbits(128):032x}", at + timedelta(seconds=number)
            )
            records.append(one)
            if draw.random() < RATED:
                records.append(rating(one, float(draw.randrange(100))))
        world.stores.events.append(records, "benchmark")
    say(f"{LOGGED:,} answers logged")


def answer(world: World, draw: random.Random, id: str, at: datetime) -> Interaction:
    """An answer of some release, or of the champion before that stood in."""
    release = draw.randrange(1, len(world.served) + 1)
    stood_in = release > 1 and draw.random() < STOOD_IN
    version = world.served[release - stood_in]
    world.expected[id] = version
    return Interaction(
        id=id,
        capability=world.capability.name,
        event_time=at,
        input={"temp": draw.uniform(0, 30), "hour": draw.randrange(24)},
        output={"value": draw.uniform(0, 500)},
        variant=f"model-{version}",
        assigned=f"model-{world.served[release]}",
        release=release,
        fallback="outage" if stood_in else None,
    )


def rating(one: Interaction, value: float) -> Feedback:
    """What was said of an answer."""
    return Feedback(
        id=one.id,
        capability=one.capability,
        interaction_id=one.id,
        kind=FeedbackKind.TRUE_VALUE,
        value=value,
        event_time=one.event_time,
        known_time=one.event_time,
    )


@dataclass(slots=True)
class Tally:
    """What became of the resolutions."""

    seconds: list[float] = field(default_factory=list)
    rebuilding: list[float] = field(default_factory=list)
    unresolved: int = 0
    differ: int = 0


def resolve(world: World, id: str, tally: Tally) -> None:
    """Resolve one answer to its rows, then build the training set again."""
    began = time.perf_counter()
    found = explain(world.stores, id)
    assert found is not None
    record = world.stores.ledger.snapshots.get(
        world.capability.name, found["lineage"]["snapshot"]["digest"]
    )
    ids = row_ids(world.stores, record)
    tally.seconds.append(time.perf_counter() - began)
    tally.unresolved += not is_right(world, id, found["lineage"], ids)
    began = time.perf_counter()
    verified = verify(world.capability, world.stores, record.digest)
    tally.rebuilding.append(time.perf_counter() - began)
    tally.differ += not (verified["equal"] and verified["lake"] == record.tables["rows"])


def is_right(world: World, id: str, lineage: dict[str, Any], ids: list[str]) -> bool:
    """Whether an answer led to what its model was fitted on, every link of the way."""
    model, rows = lineage["model"], lineage["rows"]
    run = client(world.stores.models.tracking_uri).get_run(model["run_id"])
    return (
        model["version"] == world.expected[id]
        and run.data.tags[SNAPSHOT] == lineage["snapshot"]["digest"]
        and digest(ids) == world.learnt[model["version"]]
        and rows["count"] == len(ids) == sum(rows["sources"].values())
        and rows["first"] == ids[: len(rows["first"])]
        and rows["tags"]["outcome"] == len(ids)
        and any(each["kind"] == "promotion" for each in lineage["evidence"])
    )


def backwards(world: World) -> tuple[list[float], int]:
    """Follow rows the other way: seconds of each, and how many led to other answers than theirs."""
    name, stores, draw = world.capability.name, world.stores, random.Random(1)
    held = {version: set(row_ids(stores, snapshot_of(world, version))) for version in world.learnt}
    seconds, wrong = [], 0
    for row in draw.sample(sorted(set().union(*held.values())), ROWS):
        began = time.perf_counter()
        found = descendants(stores, name, row)
        seconds.append(time.perf_counter() - began)
        versions = {version for version, ids in held.items() if row in ids}
        answers = sum(version in versions for version in world.expected.values())
        wrong += (
            found["models"]["count"] != len(versions) or found["interactions"]["count"] != answers
        )
    return seconds, wrong


def snapshot_of(world: World, version: int) -> Snapshot:
    """What a version was trained on."""
    ledger, name = world.stores.ledger, world.capability.name
    return ledger.snapshots.get(name, ledger.versions.get(name, version).snapshot)


def main() -> int:
    """Run it; the exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        world = begin(folder)
        live(world, folder)
        log(world)
        tally = Tally()
        for id in random.Random(2).sample(sorted(world.expected), INTERACTIONS):
            resolve(world, id, tally)
            if len(tally.seconds) % 100 == 0:
                say(f"{len(tally.seconds)}: median {statistics.median(tally.seconds):.3f} s")
        back, wrong = backwards(world)
    say(
        f"median {statistics.median(tally.seconds):.3f} s; to build a training set again "
        f"{percentile(tally.rebuilding, 0.95):.3f} s p95"
    )
    bars = [
        Bar("answers not led to the exact rows", tally.unresolved, "== 0", INTERACTIONS),
        Bar("training sets that differ, built again", tally.differ, "== 0", INTERACTIONS),
        Bar("one answer resolved, p95 s", percentile(tally.seconds, 0.95), "<= 1"),
        Bar("rows led to other models or answers than theirs", wrong, "== 0", ROWS),
        Bar("one row followed, p95 s", percentile(back, 0.95), "<= 1"),
    ]
    return finish("lineage", INTERACTIONS, bars)


if __name__ == "__main__":
    sys.exit(main())
