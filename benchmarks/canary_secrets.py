"""P14: twenty secrets, given wherever one is given, and then a search through all that is left.

They stand in the environment (the installation's own, those of upstreams, webhooks, a collector
and a source, and those of a database, a registry, an object store and a Prefect server that are
away), and in what callers send (keys of the installation, strangers' keys, cookies, addresses).
All fails on the way, at the most talkative log level: upstreams repeat the key they were sent,
stores can't be reached, processes are made to print where they are. Then everything that rests,
was printed or was sent elsewhere is searched, and the command lines of all processes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
from serving import serving

from benchmarks.bars import Bar, finish, say
from benchmarks.crash import workers
from benchmarks.planted import Echo, leaked

NOWHERE = "127.0.0.1:9"
"""Where nobody listens."""
DESK = """\
name: desk
kind: chat
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: one, base_url: "{url}/v1", model: refuses, api_key_env: DESK_KEY}}
  - {{name: two, base_url: "{url}/v1", model: breaks, api_key_env: SPARE_KEY}}
webhooks: [{{name: pager, url: "{url}/hook", secret_env: PAGER_SECRET}}]
"""
SHOP = """\
name: shop
kind: regression
inputs: {size: {type: number}}
target: price
sources:
  - name: till
    url: "postgresql+psycopg://shop:${TILL_PASSWORD}@127.0.0.1:9/till"
    query: "SELECT id, at, size, price FROM sales"
    cursor: at
    id: id
    event_time: at
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae}
"""
JSON = "application/json"
SHOWN = 12
"""Characters of an installation's key that are its name, and no secret."""
COMMANDS = (
    ("status",),
    ("doctor",),
    ("run", "ingest_data", "shop"),
    ("run", "train_model", "shop"),
)
"""What is run on each machine: it tells of what is away, or fails for it."""


def words() -> Iterator[str]:
    """Secrets as they are made: long, random, and none like another."""
    draw = random.Random(14)
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    while True:
        yield "".join(draw.choices(letters, k=32))


@dataclass
class Secrets:
    """Every secret by where it is given, and where they may not be found."""

    made: Iterator[str] = field(default_factory=words)
    given: dict[str, str] = field(default_factory=dict)
    sinks: list[tuple[str, bytes]] = field(default_factory=list)

    def new(self, place: str, prefix: str = "") -> str:
        """One more, which is given at a place."""
        self.given[place] = prefix + next(self.made)
        return self.given[place]

    def keep(self, name: str, raw: bytes) -> None:
        """What somebody could read, to be searched in the end."""
        self.sinks.append((name, raw))

    def found(self) -> dict[str, list[str]]:
        """Where which of them stand, by place."""
        by_word = {word[SHOWN:]: place for place, word in self.given.items()}
        hits = leaked(self.sinks, list(by_word))
        return {sink: sorted(by_word[word] for word in words) for sink, words in hits.items()}


class Elsewhere(Echo):
    """Upstreams that tell everybody what key they were sent, a webhook, and a collector."""

    def do_POST(self) -> None:  # noqa: N802 - the standard library's name
        """Repeat the key, in the way that the model's name says."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.secrets.keep(f"sent to {self.path}", body)  # type: ignore[attr-defined]
        if not self.path.startswith("/v1/chat"):
            return self._say(b"{}", JSON, 200 if "trace" in self.path else 500)
        key = self.headers.get("authorization", "none")
        wrong = {"error": {"message": f"Incorrect API key provided: {key}", "key": key}}
        modes = {"refuses": (401, wrong), "breaks": (500, {**wrong, "headers": str(self.headers)})}
        status, said = modes[json.loads(body)["model"]]
        return self._say(json.dumps(said).encode(), JSON, status)


@contextmanager
def elsewhere(secrets: Secrets) -> Iterator[str]:
    """Run them; yields their address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.secrets = secrets  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def watched(secrets: Secrets) -> Iterator[None]:
    """Read every process's command line again and again, as `ps` does."""
    seen: set[bytes] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    seen.add(path.read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        stop.set()
        looking.join()
        secrets.keep("command lines", b"\n".join(seen))


@dataclass(frozen=True)
class Machine:
    """An installation, its environment, and what is read of it."""

    secrets: Secrets
    root: Path
    own: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """Of its processes."""
        clean = {key: value for key, value in os.environ.items() if "PREFECT" not in key}
        places = {"OPSLAYER_HOME": f"{self.root}/home", "OPSLAYER_CONFIGS": f"{self.root}/configs"}
        loud = {"OPSLAYER_LOG_LEVEL": "debug", "PREFECT_LOGGING_LEVEL": "DEBUG"}
        return {**clean, **places, **loud, "PYTHONFAULTHANDLER": "1", **self.own}

    def run(self, *command: str, told: bool = True) -> str:
        """Run a command, however it ends; `told` is whether its output may tell no secret."""
        done = subprocess.run(
            [sys.executable, "-m", "commands", *command],
            env=self.environment,
            capture_output=True,
            timeout=300,
            check=False,
        )
        name = " ".join(command)
        self.secrets.keep(f"standard error of {name}", done.stderr)
        if told:
            self.secrets.keep(f"standard output of {name}", done.stdout)
        return done.stdout.decode()

    def search(self) -> None:
        """Read all that rests."""
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                self.secrets.keep(str(path), path.read_bytes())


def machine(secrets: Secrets, root: Path, url: str, own: Mapping[str, str]) -> Machine:
    """Lay out an installation."""
    folder = root / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "desk.yaml").write_text(DESK.format(url=url))
    (folder / "shop.yaml").write_text(SHOP)
    return Machine(secrets, root, own)


def common(secrets: Secrets, url: str) -> dict[str, str]:
    """What every machine is given."""
    return {
        "OPSLAYER_SECRET": secrets.new("OPSLAYER_SECRET"),
        "OPSLAYER_ADMIN_KEY": secrets.new("OPSLAYER_ADMIN_KEY"),
        "OPSLAYER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "DESK_KEY": secrets.new("an upstream's key", "sk-"),
        "SPARE_KEY": secrets.new("the other upstream's key", "sk-"),
        "PAGER_SECRET": secrets.new("a webhook's secret", "whsec_"),
        "TILL_PASSWORD": secrets.new("a source's password"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{url}/trace",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={secrets.new('the collector')}",
    }


def away(secrets: Secrets) -> Iterator[dict[str, str]]:
    """What each further machine has away, with the secrets for it."""
    password = secrets.new("the database's password")
    yield {
        "OPSLAYER_DATABASE_URL": f"postgresql+psycopg://ops:{password}@{NOWHERE}/ops",
        "PGPASSWORD": secrets.new("the database's password, apart"),
    }
    password = secrets.new("the registry's password, in its address")
    yield {
        "OPSLAYER_MLFLOW_URL": f"http://ops:{password}@{NOWHERE}",
        "MLFLOW_TRACKING_PASSWORD": secrets.new("the registry's password"),
        "MLFLOW_TRACKING_TOKEN": secrets.new("the registry's token"),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    yield {
        "OPSLAYER_LAKE_URL": "s3://lake/ops",
        "AWS_ENDPOINT_URL": f"http://{NOWHERE}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "ops",
        "AWS_SECRET_ACCESS_KEY": secrets.new("the object store's secret"),
        "AWS_SESSION_TOKEN": secrets.new("the object store's token"),
    }
    login = f"ops:{secrets.new('the login of Prefect')}"
    yield {
        "PREFECT_API_URL": f"http://{NOWHERE}/api",
        "PREFECT_API_KEY": secrets.new("the key of Prefect"),
        "PREFECT_API_AUTH_STRING": login,
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }


def key_of(made: Machine, place: str) -> str:
    """A key of the installation; only the command that makes it may tell it."""
    said = json.loads(made.run("keys", "create", "--name", place, "--json", told=False))
    return str(said["secret"])


def call(made: Machine) -> None:
    """Call with every kind of key, in every way that a key is sent and that fails."""
    secrets = made.secrets
    for place in ("a key", "a revoked key"):
        secrets.given[place] = key_of(made, place.replace(" ", "-"))
    made.run("keys", "revoke", secrets.given["a revoked key"][:SHOWN])
    strangers = [secrets.new(f"a stranger's key {one}") for one in ("in a header", "elsewhere")]
    own = {name: value for name, value in made.environment.items() if name not in os.environ}
    with (
        serving(made.root / "home", made.root / "configs", environment=own, ready=False) as gateway,
        httpx.Client(base_url=gateway.url, timeout=60) as client,
    ):
        admin = made.own["OPSLAYER_ADMIN_KEY"]
        for key in (admin, secrets.given["a key"], secrets.given["a revoked key"], strangers[0]):
            talk(secrets, client, {"authorization": f"Bearer {key}"})
        for headers in sent_wrongly(strangers[1]):
            talk(secrets, client, headers)
        secrets.keep(
            "metrics", client.get("/metrics", headers={"authorization": f"Bearer {admin}"}).content
        )
        for worker in workers(gateway.process.pid):
            os.kill(worker, signal.SIGABRT)
        time.sleep(2)  # until it has printed where it was, and another one answers


def sent_wrongly(key: str) -> Iterator[dict[str, str]]:
    """The ways in which a key is sent that is not for us, or not like this."""
    yield {"authorization": f"Basic {key}"}
    yield {"authorization": key}
    yield {"api-key": key, "x-api-key": key, "cookie": f"session={key}"}
    yield {"proxy-authorization": f"Bearer {key}", "x-opslayer-variant": key}
    yield {"authorization": f"Bearer {key} and more", "content-length": "nonsense"}


def talk(secrets: Secrets, client: httpx.Client, headers: Mapping[str, str]) -> None:
    """Ask for everything that is there, and keep what is said."""
    asked = {"model": "desk", "messages": [{"role": "user", "content": "hello"}]}
    told = {"interaction_id": "0" * 32, "kind": "thumb", "value": "up"}
    for method, path, body in (
        ("POST", "/v1/chat/completions", asked),
        ("POST", "/v1/chat/completions", {**asked, "stream": True}),
        ("POST", "/v1/chat/completions", {**asked, "messages": "none"}),
        ("POST", "/v1/feedback", told),
        ("GET", "/v1/models", None),
        ("GET", "/v1/interactions/none", None),
        ("GET", "/nowhere?api_key=" + next(iter(headers.values())).rpartition(" ")[2], None),
    ):
        with suppress(httpx.HTTPError):
            reply = client.request(method, path, json=body, headers=headers)
            secrets.keep(f"reply to {method} {path.partition('?')[0]}", reply.content)
            secrets.keep("headers of replies", str(reply.headers).encode())


def run(most: int = 9) -> Secrets:
    """Give, fail, search. `most` of the machines whose stores are away are tried."""
    secrets = Secrets()
    with tempfile.TemporaryDirectory() as folder, elsewhere(secrets) as url, watched(secrets):
        root, own = Path(folder), common(secrets, url)
        first = machine(secrets, root / "first", url, own)
        call(first)
        for command in (*COMMANDS, ("webhooks", "send"), ("export", "interactions", "desk")):
            first.run(*command)
        machines = [first]
        for number, lacks in list(enumerate(away(secrets)))[:most]:
            machines.append(machine(secrets, root / f"away-{number}", url, {**own, **lacks}))
            for command in COMMANDS:
                machines[-1].run(*command)
            say(f"{', '.join(lacks)}: seen")
        for one in machines:
            one.search()
    return secrets


def main() -> int:
    """Run it in full."""
    secrets = run()
    found = secrets.found()
    for sink, places in found.items():
        say(f"LEAKED in {sink}: {', '.join(places)}")
    leaks = len({place for places in found.values() for place in places})
    given = len(secrets.given)
    read = sum(len(raw) for _, raw in secrets.sinks)
    say(f"{given} secrets, {len(secrets.sinks):,} places read, {read / 2**20:,.0f} MB")
    return finish(
        "canary_secrets",
        given,
        [
            Bar("secrets given", given, ">= 20"),
            Bar("secrets found where they don't belong", leaks, "== 0", of=given),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
