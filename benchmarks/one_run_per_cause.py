"""A hundred harm events of ten causes, several workers, and a SIGKILL whenever one of them works.

Promise P26: every cause leads to one training and one release, or none with a reason, however
often its workers die; a run that was cut off is taken up within a minute. The runs are the real
retrain: first the flow's steps alone, then, fewer, the flow itself under a Prefect server.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.bars import Bar, finish, say
from benchmarks.harmed import NAME, START, ground_at, harm, prepare, without_prefect
from benchmarks.kills import FRESH
from flows.ground import Ground
from flows.retrain_model import retrain_model, run_once
from opslayer.errors import CauseTaken
from opslayer.stores.ledger.causes import LEASE, CauseRow
from opslayer.stores.registration import CAUSE, RECIPE
from opslayer.stores.tracking import client

LOOK = 0.05
"""Seconds between two looks whether to kill somebody."""


@dataclass(frozen=True)
class Plan:
    """How much happens, and how fast."""

    home: str
    events: int = 100
    causes: int = 10
    workers: int = 3
    kills: int = 30
    lease: float = LEASE
    chance: float = 0.03
    """That a look at a worker inside a run ends in a kill."""
    seed: int = 26
    server: str | None = None
    """The API of a Prefect server, for runs under Prefect."""


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    failed: int = 0
    """Workers that ended with an error of their own."""
    attempts: int = 0
    finished: int = 0
    released: int = 0
    lost: int = 0
    doubled: int = 0
    strays: int = 0
    """Model versions and runs in MLflow that are in no ledger, or the other way round."""
    forgotten: int = 0
    """Model versions that the policy was not told of."""
    wrong_champion: int = 0
    resumed: list[float] = field(default_factory=list)
    """Seconds from a kill inside a run to the next worker's claim of its cause."""


def work_off(plan: Plan, seed: int) -> None:
    """One worker: deliver its share of the events, then run what waits until all is done."""
    here = ground_at(plan.home)
    if plan.server is None:
        without_prefect(plan.lease)
    causes = here.stores.ledger.causes
    for event in range(seed % plan.workers, plan.events, plan.workers):
        causes.open(harm(event % plan.causes))
    while any(row.status in ("open", "claimed") for row in causes.list(NAME)):
        if not run_one(here, plan):
            time.sleep(plan.lease / 50)


def run_one(here: Ground, plan: Plan) -> bool:
    """Run a cause that waits and can be had; False where there is none.

    As on a server, what has waited longest comes first: a cause that loses its worker again and
    again keeps no other one waiting.
    """
    from opslayer.steps.waiting import waiting

    since = {row.cause.id: row.lease_until or START for row in here.stores.ledger.causes.list(NAME)}
    for cause in sorted(waiting(here.capability, here.stores), key=lambda cause: since[cause.id]):
        with suppress(CauseTaken):
            if plan.server is None:
                run_once(here, cause.id)
            else:
                retrain_model(NAME, cause.id)
            return True
    return False


class Worker:
    """A worker's process, and which cause it holds."""

    def __init__(self, plan: Plan, seed: int) -> None:
        # A server's address must be in the environment before Prefect is imported.
        fresh = multiprocessing.get_context("spawn") if plan.server else FRESH
        self.process: BaseProcess = fresh.Process(target=work_off, args=(plan, seed), daemon=True)
        self.process.start()

    def held(self, rows: list[CauseRow]) -> CauseRow | None:
        """The cause it works on, by the process's number in the owner's name."""
        mine = f"-{self.process.pid}-"
        rows = [row for row in rows if row.status == "claimed" and mine in (row.owner or "")]
        return rows[0] if rows else None

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self.process.kill()
        self.process.join()


class Round:
    """One round: workers, kills, and the clock of each cause that was cut off."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.tally = plan, Tally()
        self.chance, self.cut = random.Random(plan.seed), dict[str, tuple[int, float]]()
        self.crew = [Worker(plan, seed) for seed in range(plan.workers)]
        self.started = plan.workers
        self.causes = ground_at(plan.home).stores.ledger.causes

    def run(self) -> Tally:
        """Kill one worker at a random moment of its work again and again until all is done."""
        while any(worker.process.is_alive() for worker in self.crew):
            rows = self.causes.list(NAME)
            self._note(rows)
            for place, worker in enumerate(self.crew):
                if worker.process.exitcode not in (None, 0):
                    self.tally.failed += 1
                    self._replace(place)
                elif self._strikes(worker, rows):
                    self._kill(place)
            time.sleep(LOOK)
        self._note(self.causes.list(NAME))
        return self.tally

    def _strikes(self, worker: Worker, rows: list[CauseRow]) -> bool:
        busy = worker.held(rows) is not None and self.tally.kills < self.plan.kills
        return busy and self.chance.random() < self.plan.chance

    def _kill(self, place: int) -> None:
        worker = self.crew[place]
        worker.kill()
        self.tally.kills += 1
        if held := worker.held(self.causes.list(NAME)):
            self.cut[held.cause.id] = (held.attempts, time.monotonic())
        say(f"kill {self.tally.kills}: {held.cause.about if held else 'between two runs'}")
        self._replace(place)

    def _replace(self, place: int) -> None:
        # A multiple of the crew's size and the place: it delivers the share of the one that died.
        self.crew[place] = Worker(self.plan, self.started * self.plan.workers + place)
        self.started += 1

    def _note(self, rows: list[CauseRow]) -> None:
        for row in rows:
            attempts, since = self.cut.get(row.cause.id, (row.attempts, 0.0))
            if row.attempts > attempts:
                self.tally.resumed.append(time.monotonic() - since)
                del self.cut[row.cause.id]


def run(plan: Plan) -> Tally:
    """Make an installation, run a round, and count what is in its ledger and in MLflow."""
    here = prepare(plan.home, plan.causes)
    tally = Round(plan).run()
    judge(here, plan, tally)
    return tally


def judge(here: Ground, plan: Plan, tally: Tally) -> None:
    """Count, from the stores alone, what each cause has led to."""
    ledger = here.stores.ledger
    rows = {row.cause.id: row for row in ledger.causes.list(NAME)}
    releases = Counter(release.cause for release in ledger.releases.all(NAME))
    registered = Counter(_registered(here))
    for cause in (harm(number) for number in range(plan.causes)):
        recipes = sorted(version.recipe for version in ledger.versions.for_cause(NAME, cause.id))
        row = rows.get(cause.id)
        done = row is not None and row.status == "done"
        ended = done and bool(releases[cause.id] or (row and row.result))
        tally.finished += done
        tally.released += releases[cause.id]
        tally.lost += not ended or recipes != sorted(cause.recipes)
        copies = [registered[cause.id, recipe.value] for recipe in cause.recipes]
        tally.doubled += max(releases[cause.id], *copies) > 1 or len(recipes) > len(cause.recipes)
    tally.doubled += len(rows) != plan.causes
    tally.attempts = sum(row.attempts for row in rows.values())
    tally.strays, tally.forgotten = strays(here), forgotten(here)
    newest = ledger.releases.newest(NAME)
    serving = newest.champion.model_version if newest else None
    tally.wrong_champion = int(here.stores.models.champion(NAME) != serving)


def strays(here: Ground) -> int:
    """Model versions and runs that only one of MLflow and the ledger has."""
    mlflow, versions = (
        client(here.stores.models.tracking_uri),
        here.stores.ledger.versions.all(NAME),
    )
    numbers = {int(found.version) for found in mlflow.search_model_versions(f"name = '{NAME}'")}
    every = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    runs = {run.info.run_id for run in mlflow.search_runs(every)}
    return len(numbers ^ {one.version for one in versions}) + len(
        runs ^ {one.run_id for one in versions}
    )


def forgotten(here: Ground) -> int:
    """Model versions that the policy's memory does not know of, and trainings it counts twice."""
    from opslayer.steps.memory import recall

    memory, versions = recall(here.capability, here.stores), here.stores.ledger.versions.all(NAME)
    # The first model is what the policy begins with, not a training it counts.
    return abs(len(versions) - 1 - memory.state.trained) if memory else len(versions)


def _registered(here: Ground) -> Iterator[tuple[str, str]]:
    """Cause and recipe of every model version in MLflow."""
    mlflow = client(here.stores.models.tracking_uri)
    for found in mlflow.search_model_versions(f"name = '{NAME}'"):
        yield found.tags[CAUSE], found.tags[RECIPE]


@contextmanager
def prefect_server(home: str) -> Iterator[str]:
    """A Prefect server of its own on a free port, and this process's environment for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    ours = {"PREFECT_HOME": f"{home}/prefect", "PREFECT_API_URL": api, "OPSLAYER_HOME": home}
    ours |= {"OPSLAYER_CONFIGS": home, "PREFECT_LOGGING_LEVEL": "CRITICAL"}
    os.environ |= ours
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with open(Path(home, "server.log"), "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(f"{api}/health")
        yield api
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        for name in ours:
            del os.environ[name]


def _wait_for(address: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def bars(plan: Plan, tally: Tally, name: str = "") -> Iterator[Bar]:
    """The bars of P26; `name` goes before each."""
    yield Bar(f"{name}retrains_finished", tally.finished, f"== {plan.causes}")
    yield Bar(f"{name}lost", tally.lost, "<= 0", of=plan.causes)
    for what in ("doubled", "strays", "forgotten", "wrong_champion", "failed"):
        yield Bar(f"{name}{what}", getattr(tally, what), "<= 0", of=tally.attempts)
    yield Bar(f"{name}kills", tally.kills, f">= {plan.kills // 3}")
    yield Bar(f"{name}resumed_seconds_max", max(tally.resumed, default=0.0), "<= 60")


def main() -> int:
    """A hundred events of ten causes, up to thirty kills inside the runs; then thirty events of
    three causes and up to four kills under Prefect.
    """
    with tempfile.TemporaryDirectory() as home:
        plan = Plan(home=home)
        tally = run(plan)
    _tell(tally)
    with tempfile.TemporaryDirectory() as home, prefect_server(home) as server:
        few = replace(plan, home=home, server=server, events=30, causes=3, kills=4, workers=2)
        under = run(few)
    _tell(under)
    found = [*bars(plan, tally), *bars(few, under, "prefect_")]
    return finish("one_run_per_cause", plan.events + few.events, found)


def _tell(tally: Tally) -> None:
    resumed = ", ".join(f"{seconds:.0f}" for seconds in sorted(tally.resumed))
    say(
        f"{tally.finished} retrains, {tally.released} releases, {tally.attempts} attempts, "
        f"{tally.kills} kills; resumed after {resumed} s"
    )


if __name__ == "__main__":
    sys.exit(main())
