"""A real installation whose stores and servers fail one by one, while it serves and trains.

PostgreSQL, S3, MLflow and Prefect run as in `closed_loop`, with a gateway, a worker and the relay.
Clients call all the time, and again what was not answered. Each
fault strikes while a retrain is under way, and lasts for a while. Meanwhile calls have to be
answered by what was released before, and `opslayer doctor` has to name the cause. Afterwards every
acknowledged call is in the log once, and the retrain has ended with one version and one release.

Half of the clients send no `Idempotency-Key`: these are answered whatever is away. The calls of the
others need the ledger, which promises that a key is answered once: without it they are told when to
come again. Where a store is away, another gateway is started meanwhile, too (`cold_start`).

A machine of which training takes every processor makes a gateway late, which then refuses some
calls as `overloaded`. These count in the share that was answered; a second bar leaves them out.

`FAULTS=database_hangs,s3_hangs` runs some of them alone; `LASTS=120` lets each last for so many
seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import harmed
from benchmarks.bars import Bar, finish, say
from benchmarks.callers import Called, Heard, Load
from benchmarks.closed_loop import Prefect, loop
from benchmarks.cold_start import Replica
from benchmarks.servers import Server, Servers, servers, until
from flows.ground import Ground
from opslayer.records import Cause, Role, VerdictKind
from opslayer.stores import tracking
from opslayer.stores.ledger.keys import Terms
from tests.serving import Served, serving

NAME = harmed.NAME
LASTS = float(os.environ.get("LASTS", "20"))
"""Seconds for which a fault lasts, at least: doctor is asked meanwhile."""
PATIENCE = 300.0
"""Seconds for a retrain to end after a fault."""
ROOM = 64 * 1024 * 1024
"""Bytes of the gateway's disk, which is one of its own."""


DAY = 86_400
DAYS = 30
MONTH = 1_500.0
"""Seconds for a month's runs to end, each in a process of its own."""
SHIM = Path(__file__).with_name("jumping_clock.c")
COMPILER = shutil.which("cc")
"""Without one no clock jumps here, which is said."""


# The installation.


@dataclass
class Scene:
    """What faults happen to."""

    there: Servers
    here: Ground
    folder: Path
    gateway: Served
    replica: Replica
    loads: tuple[Load, Load]
    """Without keys, and with them."""
    harms: int = 0
    late: list[str] = field(default_factory=list)
    """Flow runs that came late."""

    def turn(self) -> list[Heard]:
        """What the clients heard since it was asked last."""
        return [load.turn() for load in self.loads]

    def harm(self) -> Cause:
        """Open the next cause; the relay rings for it."""
        cause = harmed.harm(self.harms)
        self.harms += 1
        self.here.stores.ledger.causes.open(cause)
        return cause

    def status(self, cause: Cause) -> str:
        """How far a cause's run has come."""
        return self.here.stores.ledger.causes.get(cause.id).status

    def doctor(self) -> list[dict[str, Any]]:
        """What `opslayer doctor` finds on the gateway's machine."""
        command = [sys.executable, "-m", "commands", "doctor", "--json"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "OPSLAYER_HOME": str(self.folder / "disk" / "home")},
            timeout=300,
            check=False,
        )
        try:
            return list(json.loads(done.stdout))
        except ValueError:
            raise RuntimeError(f"doctor said {done.stdout[-500:]} {done.stderr[-2000:]}") from None


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Everything running, the first release serving, clients calling."""
    with ExitStack() as stack:
        there = stack.enter_context(servers(folder))
        own = {"OPSLAYER_HOME": str(folder / "loop"), "OPSLAYER_CONFIGS": str(folder / "given")}
        os.environ |= own | {"OPSLAYER_SECRET": "5" * 64}
        stack.enter_context(disk(folder / "disk"))
        here = harmed.prepare(str(folder / "given"), 2 * len(FAULTS) + 5)
        stack.enter_context(own_clock(folder))
        stack.enter_context(loop(folder / "loop" / "logs"))
        causes = here.stores.ledger.causes
        causes.open(first := harmed.harm(0))
        until(lambda: causes.get(first.id).status == "done", PATIENCE, "the first release")
        terms = Terms(name="clients", roles=(Role.CALL,))
        key = here.stores.ledger.keys.create(terms, datetime.now(UTC)).secret
        replica = Replica(folder / "cold", folder / "given", key)
        gateway = stack.enter_context(serving(folder / "disk" / "home", folder / "given"))
        called = Called(gateway.url, key)
        plain, keyed = (stack.enter_context(Load(called, keys)) for keys in (False, True))
        yield Scene(there, here, folder, gateway, replica, (plain, keyed), harms=1)


@contextmanager
def disk(place: Path) -> Iterator[None]:
    """A small disk of its own below a folder; mounting one is for root alone."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


# The faults.


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for a while."""

    name: str
    during: Callable[[Scene], Any]
    """Brings it about; ends it on exit."""
    code: str = ""
    """Of doctor's finding; empty where it is to find no failure."""
    says: str = ""
    """A part of its sentence."""
    serves: bool = True
    """Whether calls have to be answered meanwhile: a full disk has what journals took ahead."""
    keys: bool = True
    """Whether calls with keys are answered too."""
    cold: bool = False
    """Whether a gateway is started meanwhile: it has to answer as well."""
    after: Callable[[Scene, str], Iterator[Bar]] = lambda *_: iter(())
    """What is to be seen once it is over."""


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Nobody listens."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def hanging(server: Server) -> Iterator[None]:
    """Connections are taken and nothing is said."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


@contextmanager
def newer_schema(scene: Scene) -> Iterator[None]:
    """Somebody has upgraded the database already."""
    from sqlalchemy import create_engine, text

    engine = create_engine(scene.here.stores.ledger.url)
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT version_num FROM opslayer_version"))

    def write(number: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE opslayer_version SET version_num = :n"), {"n": number})

    write("9999")
    try:
        yield
    finally:
        write(version)
        engine.dispose()


@contextmanager
def full(scene: Scene) -> Iterator[None]:
    """Not one byte is left on the gateway's disk."""
    filler = scene.folder / "disk" / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def spoilt(scene: Scene) -> Iterator[None]:
    """The bytes of the model that serves have changed where they lie."""
    import boto3

    ledger, client = scene.here.stores.ledger, boto3.client("s3")
    serving = ledger.releases.serving(NAME)
    assert serving is not None
    assert serving.champion.model_version is not None
    registry = tracking.client(scene.here.stores.models.tracking_uri)
    number = str(serving.champion.model_version)
    place = urlsplit(registry.get_model_version_download_uri(NAME, number)).path.strip("/")
    listed = client.list_objects_v2(Bucket="models", Prefix=place)["Contents"]
    keys = [one["Key"] for one in listed if one["Key"].endswith("model.skops")]
    whole = {key: client.get_object(Bucket="models", Key=key)["Body"].read() for key in keys}
    for key, content in whole.items():
        client.put_object(Bucket="models", Key=key, Body=content[:-1] + b"!")
    try:
        yield
    finally:
        for key, content in whole.items():
            client.put_object(Bucket="models", Key=key, Body=content)


@contextmanager
def a_month_late(scene: Scene) -> Iterator[None]:
    """A worker finds every run of a month's schedule at once, as after a month away."""
    server = Prefect(os.environ["PREFECT_API_URL"])
    made = server.deployment("watch_production")
    assert made is not None, "the worker has registered it"
    today = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    for day in range(DAYS, 0, -1):
        due = (today - timedelta(days=day)).isoformat()
        run = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}}
        asked = server.ask(f"/deployments/{made['id']}/create_flow_run", run)
        scene.late.append(asked["id"])
    yield


def watched_once(scene: Scene, name: str) -> Iterator[Bar]:
    """Every late run has ended, one of them has watched, and no window was left out."""
    server = Prefect(os.environ["PREFECT_API_URL"])
    late = {"flow_runs": {"id": {"any_": scene.late}}}

    def ended() -> list[str]:
        states = [one["state_type"] for one in server.ask("/flow_runs/filter", late) or []]
        return [one for one in states if one not in ("SCHEDULED", "PENDING", "RUNNING")]

    with suppress(TimeoutError):
        until(lambda: len(ended()) == DAYS, MONTH, "the late runs to end")
    yield Bar(f"{name}_runs_not_completed", DAYS - ended().count("COMPLETED"), "<= 0", of=DAYS)
    tasks = server.ask("/task_runs/filter", late) or []
    watches = [one for one in tasks if one["name"].startswith("monitor")]
    yield Bar(f"{name}_runs_that_watched", len(watches), "== 1")
    kept = scene.here.stores.ledger.verdicts.list(NAME, VerdictKind.QUALITY, limit=1000)
    judged = sorted(one.numbers["window"] for one in kept)
    yield Bar(f"{name}_windows", len(judged), ">= 10")
    gaps = judged[-1] - judged[0] + 1 - len(set(judged)) if judged else 0
    yield Bar(f"{name}_windows_left_out", gaps, "<= 0", of=len(judged))
    yield Bar(f"{name}_windows_doubled", len(judged) - len(set(judged)), "<= 0", of=len(judged))


def second(scene: Scene) -> Any:
    """Another worker and another relay, on the same server."""
    return loop(scene.folder / "second")


@contextmanager
def clock(scene: Scene, by: int) -> Iterator[None]:
    """The clock of gateway, worker and relay jumps by seconds, and jumps back."""
    _set_clock(scene.folder, by)
    try:
        yield
    finally:
        _set_clock(scene.folder, 0)


def _set_clock(folder: Path, by: int) -> None:
    with (folder / "clock").open("r+b") as file:  # in place: it is mapped
        file.write(by.to_bytes(8, sys.byteorder, signed=True))


@contextmanager
def own_clock(folder: Path) -> Iterator[None]:
    """What is started from here on has a clock that can jump, if there is a compiler."""
    if not COMPILER:
        yield
        return
    shim, told = folder / "clock.so", folder / "clock"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", shim, SHIM], check=True)
    told.write_bytes(bytes(8))
    os.environ |= {"LD_PRELOAD": str(shim), "JUMPING_CLOCK": str(told)}
    try:
        yield
    finally:
        del os.environ["LD_PRELOAD"], os.environ["JUMPING_CLOCK"]


FAULTS = (
    Fault(
        *("database_stopped", lambda scene: stopped(scene.there.postgres)),
        *("database", "does not answer"),
        keys=False,
        cold=True,
    ),
    Fault(
        *("database_hangs", lambda scene: hanging(scene.there.postgres)),
        *("database", "does not answer"),
        keys=False,
        cold=True,
    ),
    Fault(
        *("registry_stopped", lambda scene: stopped(scene.there.mlflow), "registry", "MLflow at"),
        cold=True,
    ),
    Fault(
        *("registry_hangs", lambda scene: hanging(scene.there.mlflow), "registry", "MLflow at"),
        cold=True,
    ),
    Fault("s3_hangs", lambda scene: hanging(scene.there.s3), "lake", "s3://lake", cold=True),
    Fault("s3_denies", lambda scene: scene.there.s3.refusing("403"), "lake", "Denied", cold=True),
    Fault("s3_busy", lambda scene: scene.there.s3.refusing("503"), "lake", "SlowDown", cold=True),
    Fault(
        *("prefect_stopped", lambda scene: stopped(scene.there.prefect), "prefect", "not answer"),
        cold=True,
    ),
    Fault("prefect_hangs", lambda scene: hanging(scene.there.prefect), "prefect", "not answer"),
    Fault("newer_schema", newer_schema, "database", "has schema 9999"),
    Fault("spoilt_model", spoilt, "models", "model.skops"),
    Fault("two_schedulers", second),
    Fault("clock_ahead", lambda scene: clock(scene, DAY), "clock", "ahead of the database's"),
    Fault("clock_behind", lambda scene: clock(scene, -DAY), "clock", "behind the database's"),
    Fault("disk_full", full, "disk", "0.0 GB are free on the disk", serves=False),
    # It trains by itself, for a moment that later harms come before: so it is the last.
    Fault("a_month_late", a_month_late, after=watched_once),
)


def strike(scene: Scene, fault: Fault) -> Iterator[Bar]:
    """One fault from its start to the end of what it struck; its bars."""
    if fault.cold:
        scene.replica.warm()
    cause = scene.harm()
    until(lambda: scene.status(cause) != "open", PATIENCE, "the retrain to begin")
    before, began = scene.turn(), time.monotonic()
    with fault.during(scene):
        found = scene.doctor()
        if fault.cold:
            yield from scene.replica.start(fault.name, degraded=fault.code == "database")
        while time.monotonic() < began + LASTS:
            time.sleep(0.2)
        during = scene.turn()
    back = _back(scene)
    with suppress(TimeoutError):
        until(lambda: scene.status(cause) in ("done", "refused"), PATIENCE, f"{cause.about} to end")
    heard = [*before, *during, *scene.turn()]
    named = [one for one in found if one["code"] == fault.code and fault.says in one["message"]]
    said = named or [one for one in found if one["status"] != "ok"]
    say(f"{fault.name}: {time.monotonic() - began:.0f} s; doctor said")
    for one in said:
        say(f"  {one['code']}: {one['message']}")
    if fault.code:
        yield Bar(f"{fault.name}_named_by_doctor", len(named), ">= 1")
    else:
        failures = [one for one in found if one["status"] == "failure" and one["code"] != "disk"]
        yield Bar(f"{fault.name}_failures_of_doctor", len(failures), "<= 0")
    for load, calls in zip(scene.loads, during, strict=True):
        answered = fault.serves and (fault.keys or not load.keys)
        yield from _served(f"{fault.name}_{'keyed' if load.keys else 'calls'}", calls, answered)
    yield from _kept(scene, fault, heard)
    yield from _once(scene, fault, cause)
    yield Bar(f"{fault.name}_answers_again_seconds", back, "<= 5")
    yield from fault.after(scene, fault.name)


def _back(scene: Scene) -> float:
    """Seconds until calls are answered, with keys and without."""
    began = time.monotonic()
    with suppress(TimeoutError):
        until(lambda: all(load.heard.answered for load in scene.loads), 60, "an answer")
    return time.monotonic() - began


def _served(name: str, heard: Heard, answered: bool) -> Iterator[Bar]:
    """Calls are answered, or told when to come again."""
    refused = sum(heard.refused.values())
    say(f"{name}: {heard.calls} calls, {dict(heard.refused)}, the slowest {heard.slowest:.1f} s")
    if answered:
        yield Bar(f"{name}_answered", 1 - refused / max(1, heard.calls), ">= 0.999")
        away = (refused - heard.overloaded) / max(1, heard.calls)
        yield Bar(f"{name}_answered_but_for_overload", 1 - away, ">= 0.999")
        return
    polite = sum(count for why, count in heard.refused.items() if why[:3] in ("503", "507"))
    yield Bar(f"{name}_refused_otherwise", refused - polite, "<= 0", of=refused)
    yield Bar(f"{name}_not_told_when_to_come_again", heard.bare, "<= 0", of=refused)


def _kept(scene: Scene, fault: Fault, heard: Sequence[Heard]) -> Iterator[Bar]:
    """Every acknowledged call is in the log, under one id for each key."""
    known = {key: id for one in heard for key, id in one.answered.items()}
    ids, events = sorted(set(known.values())), scene.here.stores.events
    with suppress(TimeoutError):
        until(lambda: len(events.known("interaction", ids)) == len(ids), 60, "the drain")
    lost = len(ids) - len(events.known("interaction", ids))
    yield Bar(f"{fault.name}_lost", lost, "<= 0", of=len(ids))
    yield Bar(f"{fault.name}_doubled", len(known) - len(ids), "<= 0", of=len(known))


def _once(scene: Scene, fault: Fault, cause: Cause) -> Iterator[Bar]:
    """The cause that the fault struck has led to one version for each recipe and one release at
    most, or to none with a reason."""
    ledger = scene.here.stores.ledger
    row = ledger.causes.get(cause.id)
    made = sorted(one.recipe for one in ledger.versions.for_cause(NAME, cause.id))
    releases = [one for one in ledger.releases.all(NAME) if one.cause == cause.id]
    say(f"{fault.name}: {row.status} after {row.attempts} attempts: {row.result}")
    ended = row.status in ("done", "refused") and bool(row.result)
    yield Bar(f"{fault.name}_retrain_lost", int(not ended), "<= 0", of=1)
    twice = len(releases) > 1 or len(made) > len(cause.recipes)
    yield Bar(f"{fault.name}_retrain_doubled", int(twice), "<= 0", of=1)


def main() -> int:
    """Every fault, or those that `FAULTS` names."""
    wanted = [name for name in os.environ.get("FAULTS", "").split(",") if name]
    chosen = [fault for fault in FAULTS if not wanted or fault.name in wanted]
    if not COMPILER:
        say("no clock jumps: there is no C compiler")
        chosen = [fault for fault in chosen if fault.code != "clock"]
    found: list[Bar] = []
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder)) as here:
        for fault in chosen:
            for bar in strike(here, fault):
                found.append(bar)
                say(f"  {'ok' if bar.ok else 'MISSED'} {bar.name}: {bar.value:g} {bar.bar}")
    return finish("faults_loop", len(chosen), found)


if __name__ == "__main__":
    sys.exit(main())
