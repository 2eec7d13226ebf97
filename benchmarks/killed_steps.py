"""A worker dies before, inside and after every step of a retrain, while another one waits.

Promise P26. Two workers, as two schedulers would start them, are each told of one cause twice, and
again once it has ended. Whoever comes first to the chosen place dies there by SIGKILL: before a
step, after it, or inside it before one of its writes to a database or a file. The place is found by
the run's own progress, and each is tried on a copy of one installation, where one model serves and
the cause asks for two. The lease is the real one.

`STEP=10` tries every tenth of the places inside steps; those before and after are always tried.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, finish, say
from benchmarks.harmed import NAME, ground_at, harm, prepare, without_prefect
from benchmarks.kills import FRESH, before_files, before_writes
from benchmarks.one_run_per_cause import Plan, forgotten, run_one, strays
from flows import retrain_model
from flows.ground import Ground
from opslayer.errors import CauseTaken
from opslayer.stores.ledger.causes import LEASE, Causes

STEP = int(os.environ.get("STEP", "1"))
AT_ONCE = int(os.environ.get("AT_ONCE", "6"))
"""Places that are tried side by side: a lease lapses without work."""
PATIENCE = 600.0
"""Seconds for two workers to end, of which one dies."""
CAUSE = harm(1)
"""The second harm: it asks for two models, and one serves already."""
STEPS = ("cut", "take", "validate", "train", "judge", "settle")
"""Of the flow, in their order; it begins with a claim and finishes with a last word."""
EDGES = ("before", "after")


class Progress:
    """Where a run is, in words that are the same in every run: `inside train 1, write 12`."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self.reached, self.calls = reached, Counter[str]()
        self.step, self.writes, self.thread = "", 0, threading.get_ident()
        for name in STEPS:
            self.follow(retrain_model.loop, name)  # type: ignore[attr-defined]
        for name in ("claim", "finish"):
            self.follow(Causes, name)
        for happens in (before_writes, before_files):
            happens(self.write)

    def follow(self, owner: Any, name: str) -> None:
        """Tell of each call of a step, and of each write inside it."""
        call: Callable[..., Any] = getattr(owner, name)

        def followed(*args: Any, **kwargs: Any) -> Any:
            if name == "claim":
                self.calls.clear()  # who claims begins
            self.calls[name] += 1
            self.step, self.writes = f"{name} {self.calls[name]}", 0
            self.reached(f"before {self.step}")
            try:
                result = call(*args, **kwargs)
            finally:
                step, self.step = self.step, ""
            self.reached(f"after {step}")
            return result

        setattr(owner, name, followed)

    def write(self) -> None:
        """Something is about to be written; the lease is renewed by another thread, at any time."""
        if self.step and threading.get_ident() == self.thread:
            self.writes += 1
            self.reached(f"inside {self.step}, write {self.writes}")


def first(home: str) -> None:
    """An installation whose first harm has led to a first release."""
    without_prefect()
    here = prepare(home, 1)
    here.stores.ledger.causes.open(harm(0))
    retrain_model.run_once(here, harm(0).id)


def work(home: str, place: str, lease: float) -> None:
    """One worker: it dies at the place, if it is the first there. Told of the cause twice, and once
    more when it has ended, it must run it at most once."""
    without_prefect(lease)
    here, folder = ground_at(home), Path(home)

    def reached(name: str) -> None:
        if name == place and _first(folder / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "after claim 1":
            (folder / f"claimed-{os.getpid()}").touch()

    Progress(reached)
    causes = here.stores.ledger.causes
    for _ in range(2):
        causes.open(CAUSE)
    while causes.get(CAUSE.id).status in ("open", "claimed"):
        if not run_one(here, Plan(home=home, lease=lease)):
            time.sleep(lease / 50)
    _need_end(here)


def _first(mark: Path) -> bool:
    with suppress(FileExistsError):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        return True
    return False


def _need_end(here: Ground) -> None:
    """Deliver the cause once more; RuntimeError where it runs again."""
    if here.stores.ledger.causes.open(CAUSE):
        raise RuntimeError("the cause was new again")
    with suppress(CauseTaken):
        retrain_model.run_once(here, CAUSE.id)
        raise RuntimeError("the cause ran again")


def listed(home: str, said: str) -> None:
    """Run the cause undisturbed, and write down every place that is passed."""
    without_prefect()
    places: list[str] = []
    here = ground_at(home)
    here.stores.ledger.causes.open(CAUSE)
    Progress(places.append)
    retrain_model.run_once(here, CAUSE.id)
    Path(said).write_text(json.dumps(places))


def account(here: Ground) -> dict[str, Any]:
    """What the cause has led to, without what differs from run to run."""
    ledger = here.stores.ledger
    row = ledger.causes.get(CAUSE.id)
    versions = ledger.versions.for_cause(NAME, CAUSE.id)
    verdicts = [one for one in ledger.verdicts.list(NAME) if one.cause == CAUSE.id]
    newest = ledger.releases.newest(NAME)
    return {
        "status": row.status,
        "result": row.result,
        "recipes": sorted(version.recipe for version in versions),
        "cuts": sorted({version.cut.isoformat() for version in versions}),
        "snapshots": sorted(version.snapshot for version in versions),
        "exams": sorted({version.exam for version in versions}),
        "releases": [one.cause for one in ledger.releases.all(NAME)].count(CAUSE.id),
        "verdicts": sorted((one.kind, one.outcome) for one in verdicts),
        "strays": strays(here),
        "forgotten": forgotten(here),
        "alias": here.stores.models.champion(NAME) == (newest and newest.champion.model_version),
        "loads": all(here.stores.models.load(version) for version in versions),
        "aside": [path.name for path in Path(here.stores.models.root, ".writing").glob("*")],
    }


def tell(home: str, said: str) -> None:
    """Write an installation's account down."""
    Path(said).write_text(json.dumps(account(ground_at(home))))


def alone(work: Callable[..., None], *args: Any) -> None:
    """Do something in a process of its own; RuntimeError where it fails."""
    process = FRESH.Process(target=work, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with exit code {process.exitcode}")


@dataclass
class Found:
    """What was there after one kill."""

    place: str
    killed: bool
    failed: int
    """Workers that ended with an error of their own, or not at all."""
    resumed: float | None
    """Seconds from the kill to the next worker's claim; None where there was none to make: after
    the end, or where a starved worker had lost its lease already and died as one too many."""
    account: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trials:
    """Kills on copies of one installation."""

    folder: Path
    lease: float = LEASE

    def begin(self) -> tuple[list[str], dict[str, Any]]:
        """Make the installation; every place, and the account of a cause that nothing disturbs."""
        whole, said = self.folder / "whole", self.folder / "said.json"
        alone(first, str(self.folder / "first"))
        shutil.copytree(self.folder / "first", whole)
        alone(listed, str(whole), str(said))
        places = json.loads(said.read_text())
        alone(tell, str(whole), str(said))
        return places, json.loads(said.read_text())

    def kill(self, place: str) -> Found:
        """Two workers, of which the first at the place dies there."""
        home = self.folder / place.replace(" ", "-").replace(",", "")
        shutil.copytree(self.folder / "first", home)
        words = (str(home), place, self.lease)
        workers = [FRESH.Process(target=work, args=words) for _ in range(2)]
        for one in workers:
            one.start()
        codes = [_end(one) for one in workers]
        found = Found(place, signal.SIGKILL in [-code for code in codes], 0, _resumed(home))
        found.failed = len(codes) - codes.count(0) - found.killed
        alone(tell, str(home), f"{home}.json")
        found.account = json.loads(Path(f"{home}.json").read_text())
        shutil.rmtree(home)
        return found


def _end(process: Any) -> int:
    process.join(PATIENCE)
    if process.exitcode is None:
        process.terminate()  # no SIGKILL, which is what is counted
        process.join()
    return int(process.exitcode)


def _resumed(home: Path) -> float | None:
    mark = home / "killed"
    if not mark.exists():
        return None
    died = mark.stat().st_mtime
    later = [path.stat().st_mtime - died for path in home.glob("claimed-*")]
    return min((after for after in later if after > 0), default=None)


def chosen(places: Sequence[str], step: int) -> list[str]:
    """Every edge of a step, and every so many of the places inside."""
    edges = [one for one in places if one.startswith(EDGES)]
    inside = [one for one in places if not one.startswith(EDGES)]
    return [*edges, *inside[::step]]


def run(trials: Trials, step: int) -> Iterator[Bar]:
    """Kill at every chosen place; the bars."""
    places, whole = trials.begin()
    tried = chosen(places, step)
    say(f"{len(tried)} of {len(places)} places; undisturbed: {whole['status']}, {whole['result']}")
    found: list[Found] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(trials.kill, tried):
            found.append(one)
            differs = [name for name in whole if one.account[name] != whole[name]]
            after = "" if one.resumed is None else f", resumed after {one.resumed:.1f} s"
            wrong = f", differs in {', '.join(differs)}" if differs else ""
            lived = "" if one.killed else ", nobody died"
            say(f"{one.place}{after}{lived}{wrong}{', a worker FAILED' if one.failed else ''}")
    yield from bars(found, whole)


def bars(found: Sequence[Found], whole: dict[str, Any]) -> Iterator[Bar]:
    """What has to hold after every kill."""
    killed = [one for one in found if one.killed]
    accounts = [one.account for one in killed]
    recipes = sorted(CAUSE.recipes)
    yield Bar("kills", len(killed), f">= {round(0.95 * len(found))}")
    wrong = {
        "lost": [not (one["status"] == "done" and one["result"]) for one in accounts],
        "trained_otherwise_than_once": [one["recipes"] != recipes for one in accounts],
        "released_more_than_once": [one["releases"] > 1 for one in accounts],
        "strays": [bool(one["strays"] or one["aside"]) for one in accounts],
        "forgotten": [one["forgotten"] != 0 for one in accounts],
        "wrong_champion": [not (one["alias"] and one["loads"]) for one in accounts],
        "ended_otherwise_than_undisturbed": [one != whole for one in accounts],
        "workers_failed": [one.failed > 0 for one in killed],
    }
    for name, cases in wrong.items():
        yield Bar(name, sum(cases), "<= 0", of=len(cases))
    times = [one.resumed for one in killed if one.resumed is not None]
    yield Bar("resumptions", len(times), f">= {len(killed) // 2}")
    yield Bar("resumed_seconds_max", max(times, default=float("nan")), "<= 60")


def main() -> int:
    """Every place, or as many as `STEP` says."""
    with tempfile.TemporaryDirectory(prefix="opslayer-killed-") as folder:
        found = list(run(Trials(Path(folder)), STEP))
    return finish("killed_steps", int(found[0].value), found)


if __name__ == "__main__":
    sys.exit(main())
