"""The closed loop on real servers, its worker killed twice, against the same past lived embedded.

PostgreSQL, S3, MLflow and a Prefect server run as `infra/compose` has them, with its worker and its
relay. The program is the world and the clock: it asks, tells true values, and says what time it
is. It runs no flow: schedules start the first training and every watch, the trigger starts what
retrains. So that time can be simulated, a schedule every minute has the moment among its
parameters; it goes on until a watch of that moment has ended, and the clock waits for retrains.

Killed by SIGKILL, with all below it: the worker inside a watch, and the worker that retrains.
What is in the ledger afterwards (versions, releases, verdicts, causes, with every number and
moment) has to be what the embedded replay of the same past has in its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.crash import descendants
from benchmarks.servers import Servers, servers, until
from commands.supervisor import Service, supervise
from flows.embedded import embed
from flows.replay import Past, happen, live, prepare
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.windows import window_bounds
from tests import drifting

NAME = drifting.NAME
FLOWS = ("train_model", "watch_production", "retrain_model")
LOCAL = {"run_id", "manifest"}
"""Of a version: an id, and digests of files that hold ids and times."""
BEGUN = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING")
EVERY = 60
"""Seconds between two runs of a schedule."""
PATIENCE = 1200.0
"""Seconds for one moment of the world: a retrain whose worker died, on a busy machine."""


@dataclass(frozen=True)
class Plan:
    """How long a past, and how often the worker dies."""

    days: int = 20
    per_day: int = 130
    training: str = drifting.LINE
    watch_killed: int = 1
    """The watch, counted from the first, in which the worker dies."""


@dataclass
class Tally:
    """What was seen beside the ledger."""

    kills: list[str] = field(default_factory=list)
    """What the worker was in when it died."""
    resumed: dict[str, float] = field(default_factory=dict)
    """By kill, seconds until what it was in had ended all the same."""
    windows: int = 0
    by_schedule: int = 0
    """Runs that a schedule of the server's started."""
    by_trigger: int = 0
    """And that its automation started."""


# What is compared.


def account(stores: Stores) -> dict[str, Any]:
    """The ledger as plain values: what, why, in which order, with which numbers."""
    ledger = stores.ledger
    causes = ledger.causes.list(NAME)
    return {
        "versions": [
            one.model_dump(mode="json", exclude=LOCAL) for one in ledger.versions.all(NAME)
        ],
        "releases": [one.model_dump(mode="json") for one in ledger.releases.all(NAME)],
        "verdicts": [
            one.model_dump(mode="json") for one in ledger.verdicts.list(NAME, limit=1_000_000)
        ],
        "causes": [
            row.cause.model_dump(mode="json") | {"status": row.status, "result": row.result}
            for row in causes
        ],
    }


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two accounts say different things, by place."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}/{number}")
    elif one != other:
        shown = [
            f"{len(said)} of them" if isinstance(said, list) else said for said in (one, other)
        ]
        yield f"{place}: {shown[0]} and {shown[1]}"


# Embedded.


def lived_embedded(folder: str, said: str) -> None:
    """Live the past in this process alone, and write its account down."""
    embed(Path(folder))
    past = laid_out(Path(folder))
    for step in live(past):
        print(f"embedded: window {step.window}, release {step.release}", flush=True)
    Path(said).write_text(json.dumps(account(past.stores)))


def laid_out(folder: Path) -> Past:
    """The past below a folder, with the history as its only source."""
    return prepare(NAME, Settings(configs=folder / "given" / "configs"), folder / "home")


def give(folder: Path, plan: Plan) -> None:
    """Write the data and the capability's file, as a user would."""
    (folder / "given").mkdir(parents=True)
    drifting.write(folder / "given", drifting.rows(plan.days, plan.per_day), plan.training)


# On servers.


class Prefect:
    """The server's API, as far as the world and its clock need it."""

    def __init__(self, api: str) -> None:
        self.client = httpx.Client(base_url=api, timeout=30)

    def ask(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """What it answers; None while it does not."""
        try:
            reply = self.client.request(method, path, json=body)
        except httpx.HTTPError:
            return None
        if not reply.is_success:
            return None
        return reply.json() if reply.content else {}

    def deployment(self, flow: str) -> dict[str, Any] | None:
        """A flow's deployment, once the worker has registered it."""
        found = self.ask("/deployments/filter", {}) or []
        return next((one for one in found if one["entrypoint"] == f"flows.{flow}.{flow}"), None)

    def runs(self, flow: str, *states: str) -> list[dict[str, Any]]:
        """Every run of a flow that was more than scheduled, or those in some states."""
        state = {"any_": list(states or BEGUN)}
        wanted = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"type": state}}}
        return self.ask("/flow_runs/filter", wanted) or []

    def schedule(self, flow: str, parameters: Mapping[str, Any]) -> None:
        """Have a flow run again and again with these parameters; nothing where that is so."""
        deployment = self.deployment(flow)
        if deployment is None:
            return
        for one in deployment["schedules"]:
            if one["slug"] == "clock" and one["parameters"] == parameters:
                return
            # Its own schedule is by the machine's clock, which is years ahead of this past.
            if one["slug"] == "clock" or one["active"]:
                self._leave_out(deployment["id"], one)
        every = {"interval": EVERY}
        new = {"schedule": every, "active": True, "parameters": parameters, "slug": "clock"}
        self.ask(f"/deployments/{deployment['id']}/schedules", [new])

    def unschedule(self, flow: str) -> None:
        """Let nothing start a flow by itself any more."""
        deployment = self.deployment(flow)
        for one in deployment["schedules"] if deployment else ():
            self._leave_out(deployment["id"], one)  # type: ignore[index]

    def _leave_out(self, deployment: str, schedule: Mapping[str, Any]) -> None:
        path = f"/deployments/{deployment}/schedules/{schedule['id']}"
        if schedule["slug"] == "clock":
            self.ask(path, method="DELETE")
        elif schedule["active"]:
            self.ask(path, {"active": False}, "PATCH")


@contextmanager
def loop(logs: Path) -> Iterator[None]:
    """The worker and the relay, started again when they die, as by `restart: unless-stopped`."""
    over = threading.Event()
    services = [
        Service("worker", [sys.executable, "-m", "flows.deployments"]),
        Service("relay", [sys.executable, "-m", "flows.relay"]),
    ]
    keeping = threading.Thread(target=supervise, args=(services, logs, over.is_set, say))
    keeping.start()
    try:
        yield
    finally:
        over.set()
        keeping.join()


def worker_processes() -> list[int]:
    """The worker's process and all below it: the flow runs."""
    for pid in descendants(os.getpid())[1:]:
        with suppress(OSError):
            if b"flows.deployments" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return descendants(pid)
    return []


class World:
    """What happens, and what time it is."""

    def __init__(self, past: Past, prefect: Prefect, plan: Plan) -> None:
        self.past, self.prefect, self.plan = past, prefect, plan
        self.ledger, self.tally = past.stores.ledger, Tally()
        self.left = set[str]()

    def live(self) -> Tally:
        """Let the first model be trained, then every window be lived."""
        past = self.past
        clock = window_bounds(past.start, past.capability.monitor.window)[0]
        self.pass_by("train_model", clock, by="replay")
        for window in range(past.start, past.end):
            now = past.moment(window)
            happen(past, clock, now)
            dies = window - past.start == self.plan.watch_killed
            self.pass_by("watch_production", now, kill=self.watching(now) if dies else None)
            clock = now
            self.tally.windows += 1
        return self._count()

    def pass_by(
        self, flow: str, now: datetime, kill: Callable[[], bool] | None = None, **more: str
    ) -> None:
        """Let one moment pass: a scheduled run of it ends, and whatever it led to."""
        began, parameters = time.monotonic(), {"capability": NAME, "as_of": now.isoformat(), **more}
        until(lambda: self.prefect.deployment(flow) is not None, PATIENCE, f"{flow}'s deployment")

        def over() -> bool:
            if flow == "train_model" and self.prefect.runs(flow):
                # Asked again beside a champion it is another training, with less of an exam.
                self.prefect.unschedule(flow)
            else:
                self.prefect.schedule(flow, parameters)
            if kill is not None and not self.tally.kills and kill():
                self.kill(f"watch {now:%m-%d}")
            if self.retraining() and not any("retrain" in one for one in self.tally.kills):
                self.kill(f"retrain {now:%m-%d}")
            return self.ended(flow, now) and self.quiet()

        until(over, PATIENCE, f"{flow} as of {now}")
        self.prefect.unschedule(flow)
        until(lambda: not self.under_way(flow), PATIENCE, f"later runs of {flow} to end")
        say(f"{flow} as of {now:%Y-%m-%d}: {time.monotonic() - began:.0f} s")

    def watching(self, now: datetime) -> Callable[[], bool]:
        """Whether the worker is in the middle of the watch of a moment."""
        return lambda: any(v.at == now for v in self.ledger.verdicts.list(NAME, limit=5))

    def retraining(self) -> bool:
        """Whether a retrain that the loop asked for is under way."""
        return any(row.cause.by == "loop" for row in self.ledger.causes.list(NAME, "claimed"))

    def kill(self, inside: str) -> None:
        """SIGKILL the worker and every flow run below it."""
        for pid in worker_processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        say(f"the worker died in {inside}")
        self.tally.kills.append(inside)
        # Nobody is left to say that they ended.
        self.left |= {run["id"] for flow in FLOWS for run in self.prefect.runs(flow)}

    def ended(self, flow: str, now: datetime) -> bool:
        """Whether a run of a moment has completed."""
        return any(_moment(run) == now for run in self.prefect.runs(flow, "COMPLETED"))

    def quiet(self) -> bool:
        """Whether no cause waits or is worked on."""
        return not any(row.status in ("open", "claimed") for row in self.ledger.causes.list(NAME))

    def under_way(self, flow: str) -> bool:
        """Whether a run is about to start or goes on, in a process that is there."""
        runs = self.prefect.runs(flow, "PENDING", "RUNNING")
        return any(run["id"] not in self.left for run in runs)

    def _count(self) -> Tally:
        for flow in FLOWS:
            for run in self.prefect.runs(flow):
                kind = (run["created_by"] or {}).get("type")
                self.tally.by_schedule += kind == "SCHEDULE"
                self.tally.by_trigger += kind == "AUTOMATION"
        return self.tally


def _moment(run: Mapping[str, Any]) -> datetime | None:
    told = run["parameters"].get("as_of")
    return datetime.fromisoformat(told) if told else None


def lived_on_servers(folder: Path, there: Servers, plan: Plan) -> tuple[Tally, dict[str, Any]]:
    """Live the past on the servers; what was seen, and the ledger's account."""
    past = laid_out(folder)
    os.environ |= there.environment  # which laying it out has taken away
    past = replace(past, stores=Stores.at(Settings()))
    with loop(folder / "logs"):
        tally = World(past, Prefect(there.environment["PREFECT_API_URL"]), plan).live()
    return tally, account(past.stores)


def run(plan: Plan) -> Iterator[Bar]:
    """Live the same past both ways; the bars."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way in ("embedded", "servers"):
            give(folder / way, plan)
        said = folder / "embedded.json"
        child = multiprocessing.get_context("spawn").Process(
            target=lived_embedded, args=(str(folder / "embedded"), str(said))
        )
        child.start()
        child.join()
        embedded = json.loads(said.read_text())
        with servers(folder) as there:
            tally, served = lived_on_servers(folder / "servers", there, plan)
    yield from bars(tally, embedded, served)


def bars(tally: Tally, embedded: dict[str, Any], served: dict[str, Any]) -> Iterator[Bar]:
    """What has to hold."""
    for part, said in embedded.items():
        found = list(differences(said, served[part], part))
        for line in found[:20]:
            say(f"differs: {line}")
        yield Bar(f"{part}_that_differ", len(found), "<= 0", of=len(said))
    retrains = [one for one in embedded["causes"] if one["by"] == "loop"]
    yield Bar("retrains", len(retrains), ">= 1")
    yield Bar("windows", tally.windows, ">= 4")
    yield Bar("worker_killed", len(tally.kills), "== 2")
    yield Bar("runs_by_schedule", tally.by_schedule, f">= {tally.windows + 1}")
    yield Bar("runs_by_trigger", tally.by_trigger, ">= 1")


def main() -> int:
    """Twenty days, of which the sensors are turned over in the middle."""
    found = list(run(Plan()))
    return finish("closed_loop", Plan().days, found)


if __name__ == "__main__":
    sys.exit(main())
