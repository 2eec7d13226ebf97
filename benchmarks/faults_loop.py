"""A real installation whose stores and servers fail one by one, while it serves and trains.

PostgreSQL, S3, MLflow and Prefect run as in `closed_loop`, with a gateway, a worker and the relay.
Clients call all the time, and again what was not answered. Each
fault strikes while a retrain is under way, and lasts for a while. Meanwhile calls have to be
answered by what was released before, and `opslayer doctor` has to name the cause. Afterwards every
acknowledged call is in the log once, and the retrain has ended with one version and one release.

Half of the clients send no key: these are answered whatever is away. The calls of the others need
the ledger, which promises that a key is answered once: without it they are told when to come again.

`FAULTS=database_hangs,s3_hangs` runs some of them alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks import harmed
from benchmarks.bars import Bar, finish, say
from benchmarks.closed_loop import loop
from benchmarks.servers import Server, Servers, servers, until
from flows.ground import Ground
from opslayer.records import Cause
from opslayer.stores import tracking
from tests.serving import Served, serving

NAME = harmed.NAME
LASTS = 20.0
"""Seconds for which a fault lasts, at least: doctor is asked meanwhile."""
CLIENTS = 2
"""Without keys, and as many with them."""
PAUSE = 0.05
"""Seconds between two calls of a client: a light load."""
PATIENCE = 300.0
"""Seconds for a retrain to end after a fault."""
ROOM = 64 * 1024 * 1024
"""Bytes of the gateway's disk, which is one of its own."""


DAY = 86_400
SHIM = Path(__file__).with_name("jumping_clock.c")
COMPILER = shutil.which("cc")
"""Without one no clock jumps here, which is said."""


# The clients.


@dataclass
class Heard:
    """What clients heard."""

    answered: dict[str, str] = field(default_factory=dict)
    """Interaction by key."""
    calls: int = 0
    """Calls that were sent, repeats included."""
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that were not answered, by why."""
    bare: int = 0
    """Of the refused, those that say nothing of when to come again."""
    slowest: float = 0.0


class Load:
    """Clients that call all the time, all with keys or all without."""

    def __init__(self, url: str, keys: bool) -> None:
        self.url, self.keys, self.heard, self.lock = url, keys, Heard(), threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._call, args=(n,)) for n in range(CLIENTS)]

    def turn(self) -> Heard:
        """What was heard up to now; from here on it is counted anew."""
        with self.lock:
            said, self.heard = self.heard, Heard()
        return said

    def _call(self, number: int) -> None:
        place = 0
        with httpx.Client(timeout=30) as client:
            while not self.over.is_set():
                place += 1
                key = f"{number}-{place}-{time.time_ns()}"
                while not self.over.is_set() and not self._once(client, key):
                    self.over.wait(PAUSE)
                self.over.wait(PAUSE)

    def _once(self, client: httpx.Client, key: str) -> bool:
        asked = {"dataframe_records": [{"size": 1.0, "colour": "red"}]}
        path, began = f"{self.url}/v1/capabilities/{NAME}/invocations", time.monotonic()
        try:
            named = {"idempotency-key": key} if self.keys else {}
            reply = client.post(path, json=asked, headers=named)
        except httpx.TransportError as error:
            self._note(key, began, None, type(error).__name__)
            return False
        if reply.status_code == 200 and "x-opslayer-fallback" not in reply.headers:
            self._note(key, began, reply.headers["x-opslayer-interaction"], "")
            return True
        why = f"{reply.status_code} {reply.headers.get('x-opslayer-fallback') or reply.text[:200]}"
        self._note(key, began, None, why, "retry-after" in reply.headers)
        return False

    def _note(
        self, key: str, began: float, interaction: str | None, why: str, told: bool = True
    ) -> None:
        with self.lock:
            heard = self.heard
            heard.calls += 1
            heard.slowest = max(heard.slowest, time.monotonic() - began)
            if interaction is not None:
                heard.answered[key] = interaction
            else:
                heard.refused[why] += 1
                heard.bare += not told

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


# The installation.


@dataclass
class Scene:
    """What faults happen to."""

    there: Servers
    here: Ground
    folder: Path
    gateway: Served
    loads: tuple[Load, Load]
    """Without keys, and with them."""
    harms: int = 0

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
        gateway = stack.enter_context(serving(folder / "disk" / "home", folder / "given"))
        plain, keyed = (stack.enter_context(Load(gateway.url, keys)) for keys in (False, True))
        yield Scene(there, here, folder, gateway, (plain, keyed), harms=1)


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
    ),
    Fault(
        *("database_hangs", lambda scene: hanging(scene.there.postgres)),
        *("database", "does not answer"),
        keys=False,
    ),
    Fault("registry_stopped", lambda scene: stopped(scene.there.mlflow), "registry", "MLflow at"),
    Fault("registry_hangs", lambda scene: hanging(scene.there.mlflow), "registry", "MLflow at"),
    Fault("s3_hangs", lambda scene: hanging(scene.there.s3), "lake", "s3://lake"),
    Fault("prefect_stopped", lambda scene: stopped(scene.there.prefect), "prefect", "not answer"),
    Fault("prefect_hangs", lambda scene: hanging(scene.there.prefect), "prefect", "not answer"),
    Fault("newer_schema", newer_schema, "database", "has schema 9999"),
    Fault("spoilt_model", spoilt, "models", "model.skops"),
    Fault("two_schedulers", second),
    Fault("clock_ahead", lambda scene: clock(scene, DAY), "clock", "ahead of the database's"),
    Fault("clock_behind", lambda scene: clock(scene, -DAY), "clock", "behind the database's"),
    Fault("disk_full", full, "disk", "are free on the disk", serves=False),
)


def strike(scene: Scene, fault: Fault) -> Iterator[Bar]:
    """One fault from its start to the end of what it struck; its bars."""
    cause = scene.harm()
    until(lambda: scene.status(cause) != "open", PATIENCE, "the retrain to begin")
    before, began = scene.turn(), time.monotonic()
    with fault.during(scene):
        found = scene.doctor()
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
        failures = [one for one in found if one["status"] == "failure"]
        yield Bar(f"{fault.name}_failures_of_doctor", len(failures), "<= 0")
    for load, calls in zip(scene.loads, during, strict=True):
        answered = fault.serves and (fault.keys or not load.keys)
        yield from _served(f"{fault.name}_{'keyed' if load.keys else 'calls'}", calls, answered)
    yield from _kept(scene, fault, heard)
    yield from _once(scene, fault, cause)
    yield Bar(f"{fault.name}_answers_again_seconds", back, "<= 5")


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
