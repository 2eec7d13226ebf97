"""A hundred harm events of ten causes, several workers, and a SIGKILL whenever one of them works.

Promise P26: every cause leads to one training and one release, however often its workers die, and
a run that was cut off is taken up within a minute.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.bars import Bar, finish, say
from benchmarks.kills import FRESH
from opslayer.capability import Budget, Capability, Kind, Retrain
from opslayer.errors import CauseTaken, StaleParent
from opslayer.records import Cause, CauseKind, Recipe, Version
from opslayer.settings import Settings
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores
from opslayer.stores.ledger.causes import LEASE, Causes, new_owner

START = datetime(2024, 1, 1, tzinfo=UTC)
HARMED = Capability(
    name="harmed",
    kind=Kind.CHAT,
    retrain=Retrain(cooldown=timedelta(0), budget=Budget(runs=1000, per=timedelta(days=1))),
)


@dataclass(frozen=True)
class Plan:
    """How much happens, and how fast."""

    home: str
    events: int = 100
    causes: int = 10
    workers: int = 3
    kills: int = 30
    lease: float = LEASE
    seconds: float = 1.0
    """How long one training takes; a look whether to kill its worker comes 25 times in it."""
    chance: float = 0.04
    """That a look ends in a kill."""
    seed: int = 26


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    attempts: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    resumed: list[float] = field(default_factory=list)
    """Seconds from a kill inside a run to the next worker's claim of its cause."""


def stores_at(home: str) -> Stores:
    """The stores of the installation in a folder."""
    return Stores.at(Settings(home=Path(home)))


def harm(number: int) -> Cause:
    """The harm found in one window: every delivery of it is the same cause."""
    at = START + timedelta(days=number)
    return Cause(
        capability=HARMED.name, kind=CauseKind.HARM, about=f"window {number} of pays", at=at
    )


def retrain(cause: Cause, plan: Plan) -> str:
    """The run of a cause: register a model, write its version down, release it."""
    stores = stores_at(plan.home)
    made = stores.ledger.versions.for_cause(HARMED.name, cause.id)
    version = made[0] if made else stores.ledger.versions.add(_train(cause, plan))
    while True:
        newest = stores.ledger.releases.newest(HARMED.name)
        decision = Promotion(
            parent=newest.number if newest else 0,
            by="loop",
            reason=cause.about,
            cause=cause.id,
            evidence=(),
            at=cause.at,
        )
        try:
            return f"release {promote(HARMED, version, stores, decision).number}"
        except StaleParent:
            continue


def _train(cause: Cause, plan: Plan) -> Version:
    from mlflow import MlflowClient

    uri = Settings(home=Path(plan.home)).tracking
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    folder = Path(plan.home) / "models" / new_owner()
    folder.mkdir(parents=True)
    time.sleep(plan.seconds)
    (folder / "rule.txt").write_text(f"{cause.about}\n")
    registered = client.create_model_version(HARMED.name, str(folder))
    return Version(
        settings="as ever",
        capability=HARMED.name,
        version=int(registered.version),
        run_id=folder.name,
        recipe=Recipe.ALL,
        snapshot=cause.about,
        exam="exam",
        cut=cause.at,
        trained_at=cause.at,
        cause=cause.id,
        manifest={},
    )


Work = Callable[[Cause, Plan], str]


def work_off(plan: Plan, work: Work, seed: int, said: Connection) -> None:
    """One worker: deliver its share of the events, then run what it can claim until all is done.

    Tells the parent each cause as it starts and as it finishes.
    """
    causes, order = Causes(Settings(home=Path(plan.home)).database, plan.lease), random.Random(seed)
    for event in range(seed % plan.workers, plan.events, plan.workers):
        causes.open(harm(event % plan.causes))
    while True:
        left = [row.cause.id for row in causes.list(HARMED.name) if row.status != "done"]
        if not left:
            break
        order.shuffle(left)
        for id in left:
            try_one(causes, id, lambda cause: work(cause, plan), said.send)
        time.sleep(plan.lease / 50)


def try_one(
    causes: Causes, id: str, work: Callable[[Cause], str], say: Callable[[tuple[str, str]], None]
) -> None:
    """Run a cause if it can be had; says when it was claimed, and when it was finished."""
    owner = new_owner()
    try:
        cause = causes.claim(id, owner, HARMED.retrain)
        say(("claimed", id))
        with causes.hold(id, owner):
            causes.finish(id, owner, "done", work(cause))
    except CauseTaken:
        return
    say(("finished", id))


def deliver_and_run(plan: Plan, number: int) -> None:
    """Deliver one harm twice and run it once: all that happens to a cause, in one process."""
    causes = Causes(Settings(home=Path(plan.home)).database, plan.lease)
    for _ in range(2):
        causes.open(harm(number))
    try_one(causes, harm(number).id, lambda cause: retrain(cause, plan), lambda _: None)


class Worker:
    """A worker's process, and what it last said."""

    def __init__(self, plan: Plan, work: Work, seed: int) -> None:
        self.heard, theirs = FRESH.Pipe()
        self.process = FRESH.Process(target=work_off, args=(plan, work, seed, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.holds: str | None = None

    def news(self) -> Iterator[tuple[str, str]]:
        """What it said since it was last asked."""
        try:
            while self.heard.poll():
                what, id = self.heard.recv()
                self.holds = id if what == "claimed" else None
                yield what, id
        except (EOFError, ConnectionResetError):
            return

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self.process.kill()
        self.process.join()


def run(plan: Plan, work: Work = retrain) -> Tally:
    """Start the workers, kill one at a random moment of its work again and again, look at what
    is left when every cause is done.
    """
    register(plan)
    chance, tally = random.Random(plan.seed), Tally()
    crew = [Worker(plan, work, seed) for seed in range(plan.workers)]
    cut: dict[str, float] = {}
    while any(worker.process.is_alive() for worker in crew):
        for place, worker in enumerate(crew):
            for what, id in worker.news():
                _note(what, id, cut, tally)
            if worker.holds and tally.kills < plan.kills and chance.random() < plan.chance:
                worker.kill()
                for what, id in worker.news():
                    _note(what, id, cut, tally)
                if worker.holds:
                    cut[worker.holds] = time.monotonic()
                tally.kills += 1
                crew[place] = Worker(plan, work, plan.workers * (1 + tally.kills) + place)
                say(f"kill {tally.kills}: {worker.holds or 'between two runs'}")
        time.sleep(plan.seconds / 25)
    _judge(plan, tally)
    return tally


def register(plan: Plan) -> None:
    """Make the registered model that every run adds a version to."""
    from mlflow import MlflowClient

    stores_at(plan.home)
    uri = Settings(home=Path(plan.home)).tracking
    MlflowClient(tracking_uri=uri, registry_uri=uri).create_registered_model(HARMED.name)


def _note(what: str, id: str, cut: dict[str, float], tally: Tally) -> None:
    if what == "claimed":
        tally.attempts += 1
        if id in cut:
            tally.resumed.append(time.monotonic() - cut.pop(id))


def _judge(plan: Plan, tally: Tally) -> None:
    ledger = stores_at(plan.home).ledger
    rows = {row.cause.id: row for row in ledger.causes.list(HARMED.name)}
    releases = [release.cause for release in ledger.releases.all(HARMED.name)]
    for id in (harm(number).id for number in range(plan.causes)):
        trainings = len(ledger.versions.for_cause(HARMED.name, id))
        done = id in rows and rows[id].status == "done"
        tally.finished += done
        tally.lost += not (done and trainings and id in releases)
        tally.doubled += max(trainings, releases.count(id)) > 1
    tally.doubled += len(rows) != plan.causes


def bars(plan: Plan, tally: Tally) -> Iterator[Bar]:
    """The bars of P26."""
    yield Bar("retrains_finished", tally.finished, f"== {plan.causes}")
    yield Bar("lost", tally.lost, "<= 0", of=plan.causes)
    yield Bar("doubled", tally.doubled, "<= 0", of=tally.attempts)
    yield Bar("kills", tally.kills, f">= {plan.kills // 3}")
    yield Bar("resumed_seconds_max", max(tally.resumed, default=0.0), "<= 60")


def main() -> int:
    """A hundred events of ten causes, up to thirty kills inside the runs."""
    with tempfile.TemporaryDirectory() as home:
        plan = Plan(home=home)
        tally = run(plan)
    return finish("one_run_per_cause", plan.events, list(bars(plan, tally)))


if __name__ == "__main__":
    sys.exit(main())
