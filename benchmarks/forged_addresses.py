"""P21: no request forgery. No spelling of a forbidden address is ever connected to.

More than 60 forms of URL (octal, hexadecimal, short, mapped, translated, with user information, in
other scripts), names that resolve to what is forbidden, names that resolve to something else each
time, and redirects: as a webhook, as an upstream, as the database of a source, and where a source's
files would be. Listeners on this machine count connections, and the interpreter tells of every one
that is tried. One address is allowed, so that a machine that
connects to nothing does not pass; and with everything allowed, the same forms do arrive.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import httpx
from pydantic import ValidationError

from benchmarks.bars import Bar, finish, say
from benchmarks.gateway import free_port, module, running
from gateway.upstreams import Upstreams
from opslayer.capability import Capability, Source
from opslayer.errors import NotFound, StoreError
from opslayer.reach import Reach, parse_networks
from opslayer.records import Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.sources.part import Refusal
from opslayer.sources.query import QueryFeed
from opslayer.steps.notify import Sender, notice, notify
from opslayer.stores import Stores, objects

ALLOWED = "127.0.0.2"
SECRET = {"HOOK_SECRET": "whsec_" + "QUJD" * 8}
RULE = "A colleague will answer you."
LOOPBACK = (
    "127.0.0.1", "127.1", "127.0.1", "127.000.000.001", "127.0.0.1.", "2130706433", "0x7f000001",
    "0x7f.0.0.1", "0x7f.1", "0X7F.0x0.0x0.0x1", "0177.0.0.1", "0177.1", "017700000001",
    "0000177.0.0.01", "127.0x0.0.1", "127.127.127.127", "127.255.255.254", "0.0.0.0", "0", "0x0",
    "localhost", "LOCALHOST", "localhost.", "a.localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]", "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[2001:0:7f00:1::]", "[::1%lo]", "[::1%25lo]", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1",
    "ⓛocalhost", "%31%32%37.0.0.1", "127%2e0%2e0%2e1",
)  # fmt: skip
ELSEWHERE = (
    "10.0.0.1", "0xa.0.0.1", "012.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.170.2",
    "168.63.129.16", "100.100.100.200", "192.0.0.192", "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[fe80::1]", "[fec0::1]", "[ff02::1]", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a00:1]",
)  # fmt: skip
ODD = (
    "http://user@127.0.0.1:{port}/", "http://user:word@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/", "http://example.com:80@127.0.0.1:{port}/",
    "http://example.com%40127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/", "http://127.0.0.1:{port};@example.com/",
    "http:127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/", "http://127.0.0.1\t:{port}/", "http://127.0.0.1\r\n:{port}/",
    "//127.0.0.1:{port}/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/",
    "unix:///run/docker.sock", "http://both.test:{port}/", "http://inside.test:{port}/",
    "http://again.test:{allowed}/",
)  # fmt: skip
DATABASES = (
    "postgresql+psycopg://{host}:{port}/db", "postgresql+psycopg://ann:word@{host}:{port}/db",
    "postgresql+psycopg:///db?host={host}&port={port}", "postgresql+psycopg:///db?host={host}:{port}",
)  # fmt: skip
ODD_DATABASES = (
    "postgresql+psycopg:///db?hostaddr=127.0.0.1&port={port}",
    "postgresql+psycopg://again.test:{allowed}/db?hostaddr=127.0.0.1&port={port}",
    "postgresql+psycopg://inside.test:{port}/db", "postgresql+psycopg://both.test:{port}/db",
    "postgresql+psycopg:///db?host=again.test:{allowed},127.0.0.1:{port}",
    "postgresql+psycopg:///db?host=again.test&host=127.0.0.1&port={port}",
    "postgresql+psycopg:///db?service=x&servicefile=/etc/passwd", "postgresql+psycopg://[::1]:{port}/",
    "postgresql://127.0.0.1:{port}/db", "postgresql+psycopg://example.com@127.0.0.1:{port}/db",
    "mysql+pymysql://127.0.0.1:{port}/db", "mssql+pyodbc://127.0.0.1:{port}/db",
    "oracle+oracledb://127.0.0.1:{port}/db", "http://127.0.0.1:{port}/", "127.0.0.1:{port}",
)  # fmt: skip
FILES = (
    "http://127.0.0.1:{port}/x.csv", "ftp://127.0.0.1:{port}/x.csv", "file:///etc/passwd",
    "file:/etc/passwd", "FILE:///etc/passwd", "gs://bucket/x.csv", "/proc/self/environ",
    "/proc/self/../self/environ", "/proc/1/cmdline", "/sys/kernel/notes", "/dev/stdin", "/dev/zero",
    "s3://127.0.0.1:{port}/x.csv", "s3://ann:word@127.0.0.1:{port}/x.csv", "s3:///x.csv",
    "s3://arn:aws:s3:us-east-1:123456789012:accesspoint/x", "s3://[::1]/x.csv", "s3://a/../../b",
    "s3://169.254.169.254/latest/meta-data/", "s3://127.0.0.1/x.csv", "s3://0x7f000001/x.csv",
    "s3://b%2f@127.0.0.1:{port}/x.csv", "s3://bucket?endpoint_url=http://127.0.0.1:{port}/x.csv",
    "S3://bucket/x.csv", "s3a://127.0.0.1:{port}/x.csv",
)  # fmt: skip
REDIRECTS = (301, 302, 303, 307, 308)
SHOP = Capability.model_validate(
    {"name": "shop", "kind": "chat", "fallback": [{"rule": {"constant": RULE}}],
     "upstreams": [{"name": "one", "base_url": "http://example.com", "model": "one"}]}
)  # fmt: skip


@dataclass
class Listener:
    """Counts who connects; answers 200, or with the status that the path says."""

    target: str = ""
    """Where it sends on to."""
    connections: int = 0
    requests: int = 0


@contextmanager
def listening(listener: Listener, *places: tuple[str, int]) -> Iterator[None]:
    """Listen at every place until the end of the block."""

    class Server(ThreadingHTTPServer):
        def get_request(self) -> Any:
            listener.connections += 1
            return super().get_request()

    class Server6(Server):
        address_family = socket.AF_INET6

        def server_bind(self) -> None:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            super().server_bind()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            listener.requests += 1
            status = self.path.strip("/").partition("/")[0]
            self.send_response(int(status) if status.isdigit() else 200)
            self.send_header("Location", listener.target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the progress readable."""

    servers = [(Server6 if ":" in host else Server)((host, port), Answers) for host, port in places]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@dataclass
class Watched:
    """What this interpreter connects to, but for what is allowed and what the benchmark asks."""

    on: bool = False
    seen: list[str] = field(default_factory=list)

    def __call__(self, event: str, words: tuple[Any, ...]) -> None:
        if not self.on or event != "socket.connect" or not isinstance(words[1], tuple):
            return
        if words[1][0] != ALLOWED:
            self.seen.append(str(words[1][0]))


class Names:
    """What names resolve to, with this machine's own resolver for all that is no name of ours."""

    def __init__(self) -> None:
        self.own, self.asked = socket.getaddrinfo, 0

    def __call__(self, host: Any, port: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name in ("example.com", "inside.test", "again.test", "both.test"):
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, int(port or 0)))
                for one in self._addresses(name)
            ]
        return self.own(host, port, *more, **named)

    def _addresses(self, name: str) -> Sequence[str]:
        if name == "both.test":
            return ["127.0.0.1", "10.0.0.1"]
        if name == "again.test":  # first what is allowed, then what is not, and so on
            self.asked += 1
            return [ALLOWED if self.asked % 2 else "127.0.0.1"]
        if name == "inside.test":
            return ["127.0.0.1"]
        raise socket.gaierror(socket.EAI_NONAME, "not known")


def urls(port: int, allowed: int) -> list[str]:
    """Every form, with the ports at which somebody listens."""
    own = socket.gethostbyname(socket.gethostname())
    plain = [f"http://{host}:{port}/" for host in (*LOOPBACK, own, *ELSEWHERE)]
    odd = [form.format(port=port, allowed=allowed) for form in ODD]
    return [*plain, *odd, *(f"http://{ALLOWED}:{allowed}/{status}/" for status in REDIRECTS)]


def hooked(number: int, url: str) -> Capability | None:
    """A capability with this webhook; None where its file would be refused."""
    with suppress(ValidationError):
        return Capability.model_validate(
            {
                "name": f"desk-{number}",
                "kind": "chat",
                "upstreams": [{"name": "one", "base_url": "http://example.com", "model": "one"}],
                "webhooks": [{"name": "hook", "url": url, "secret_env": "HOOK_SECRET"}],
            }
        )
    return None


def tell(forms: Sequence[str], networks: str, times: int = 1) -> tuple[int, int]:
    """Send events to every form; how many files took it, and how many were delivered."""
    found = [hooked(number, url) for number, url in enumerate(forms)]
    capabilities = [one for one in found if one]
    with tempfile.TemporaryDirectory() as made:
        stores = Stores.at(Settings(home=Path(made)))
        notice(capabilities, stores, datetime.now(UTC))
        for number in range(times):
            for one in capabilities:
                stores.ledger.verdicts.record(_alarm(one.name, number))
        reach = Reach(parse_networks(networks), "OPSLAYER_WEBHOOK_NETWORKS")
        sent = notify(capabilities, stores, Sender(reach, SECRET))
    assert len(sent) == times * len(capabilities)
    return len(capabilities), sum(one.status == "delivered" for one in sent)


def _alarm(name: str, number: int) -> Verdict:
    return Verdict(
        capability=name,
        kind=VerdictKind.ALARM,
        about=f"window {number}",
        outcome="alarm",
        reason="it changed",
        at=datetime.now(UTC),
    )


async def ask(forms: Sequence[str]) -> int:
    """Post to every form through the gateway's own session; how many answered."""
    upstreams = Upstreams(Reach(parse_networks(f"{ALLOWED}/32"), "OPSLAYER_UPSTREAM_NETWORKS"))

    async def one(url: str) -> bool:
        with suppress(aiohttp.ClientError, OSError, ValueError):
            limit = aiohttp.ClientTimeout(total=5)
            async with upstreams.session().post(
                url, data=b"{}", timeout=limit, allow_redirects=False
            ) as reply:
                return reply.status == 200
        return False

    try:
        return sum(await asyncio.gather(*(one(url) for url in forms)))
    finally:
        await upstreams.close()


def served(folder: Path, forms: Sequence[str], honest: str) -> tuple[int, int]:
    """Ask the real gateway with each form as an upstream; how many files it took, and how many
    calls were answered by the rule."""
    configs = folder / "configs" / "capabilities"
    configs.mkdir(parents=True)
    names = []
    for number, url in enumerate([*forms, honest]):
        fields = {"name": "one", "base_url": url, "model": "one"}
        text = {"name": f"desk-{number}", "kind": "chat", "answer": {"deadline": "2s"},
                "upstreams": [fields], "fallback": [{"rule": {"constant": RULE}}]}  # fmt: skip
        with suppress(ValidationError):
            Capability.model_validate(text)
            (configs / f"{text['name']}.yaml").write_text(json.dumps(text))  # which is YAML
            names.append(str(text["name"]))
    port = free_port()
    own = {"OPSLAYER_HOME": f"{folder}/home", "OPSLAYER_CONFIGS": f"{folder}/configs",
           "OPSLAYER_UPSTREAM_NETWORKS": f"{ALLOWED}/32"}  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(module("commands", "serve", "--port", port, **own), f"{url}/readyz") as there:
        assert there, "no gateway"
        with httpx.Client(timeout=30) as client:
            said = [_call(client, url, name) for name in names]
    return len(names), sum(said)


def _call(client: httpx.Client, url: str, name: str) -> bool:
    body = {"model": name, "messages": [{"role": "user", "content": "where is my bike?"}]}
    said = client.post(f"{url}/v1/chat/completions", json=body)
    return said.status_code == 200 and RULE in said.text


def reached(listener: Listener, work: Callable[[], Any]) -> tuple[int, Any]:
    """How many connections a piece of work makes at a listener, and what it returns."""
    before = listener.connections
    result = work()
    return listener.connections - before, result


@dataclass(frozen=True)
class Ground:
    """Who listens where."""

    forbidden: Listener
    honest: Listener
    port: int
    allowed: int

    @property
    def good(self) -> str:
        """What may be connected to."""
        return f"http://{ALLOWED}:{self.allowed}/"


def try_webhooks(ground: Ground, forms: Sequence[str], watched: Watched) -> list[Bar]:
    """Every form as a webhook."""
    mine, turning = f"{ALLOWED}/32", [f"http://again.test:{ground.allowed}/"]
    count, (taken, _) = reached(ground.forbidden, lambda: tell(forms, mine))
    turned, _ = reached(ground.forbidden, lambda: tell(turning, mine, 8))
    _, told = tell([ground.good], mine)
    tried, watched.seen = len(watched.seen), []
    loopback = [f"http://{host}:{ground.port}/" for host in LOOPBACK]
    control, _ = reached(ground.forbidden, lambda: tell(loopback, "0.0.0.0/0,::/0"))
    seen, watched.seen = len(watched.seen), []
    say(f"webhooks: {taken} forms stand in a file that is taken; {count + turned} connections")
    return [
        Bar("webhooks: connections to forbidden listeners", count, "== 0", len(forms)),
        Bar("webhooks: connections where a name turns", turned, "== 0", 8),
        Bar("webhooks: connections tried anywhere forbidden", tried, "== 0", len(forms)),
        Bar("the allowed address heard its webhook", told, "== 1"),
        Bar("with everything allowed: forms that arrive", control, ">= 20"),
        Bar("with everything allowed: connections told of", seen, ">= 20"),
    ]


def try_upstreams(ground: Ground, forms: Sequence[str], watched: Watched) -> list[Bar]:
    """Every form as an upstream."""
    count, _ = reached(ground.forbidden, lambda: asyncio.run(ask(forms)))
    answered = asyncio.run(ask([ground.good]))
    tried, watched.on = len(watched.seen), False
    before = ground.honest.requests
    with tempfile.TemporaryDirectory() as made:
        there = ground.good.rstrip("/")
        served_count, (files, ruled) = reached(
            ground.forbidden, lambda: served(Path(made), forms, there)
        )
    asked = ground.honest.requests - before
    say(f"upstreams: {files} files, {ruled} answered, {count + served_count} connections")
    return [
        Bar("upstreams: connections by the session", count, "== 0", len(forms)),
        Bar("upstreams: connections tried anywhere forbidden", tried, "== 0", len(forms)),
        Bar("upstreams: connections by the gateway", served_count, "== 0", files),
        Bar("upstreams: the allowed address was asked", min(answered, asked), ">= 1"),
        Bar("calls not answered by the rule", files - ruled, "== 0", files),
    ]


def databases(port: int, allowed: int) -> list[str]:
    """Every form as the URL of a query's database."""
    plain = [
        form.format(host=host.replace("%", "%25"), port=port)
        for host in (*LOOPBACK, *ELSEWHERE)
        for form in DATABASES
    ]
    return [*plain, *(form.format(port=port, allowed=allowed) for form in ODD_DATABASES)]


def asks(url: str, networks: str) -> bool:
    """Read a source that is a query at a URL; whether its file and its feed took it so far that
    the database itself had to say no."""
    where = {"url": url, "query": "SELECT 1 AS at", "cursor": "at", "event_time": "at"}
    with suppress(ValidationError):
        source = Source.model_validate({"name": "rows", **where})
        feed = QueryFeed(SHOP, source, Reach(parse_networks(networks), "OPSLAYER_SOURCE_NETWORKS"))
        (said,) = feed.parts(())
        assert isinstance(said, Refusal), url
        return "the database says" in said.reason
    return False


def reads(path: str) -> bool:
    """Read a source that is files; whether any of them was opened."""
    opened = False
    with suppress(ValidationError, NotFound, StoreError):
        source = Source.model_validate({"name": "rows", "path": path, "event_time": "at"})
        for found in objects.find(source.path or ""):
            with suppress(NotFound, StoreError), objects.opened(found):
                opened = True
    return opened


@contextmanager
def dropping(place: tuple[str, int], listener: Listener) -> Iterator[None]:
    """Count who connects, and say nothing to them: no driver waits for what never comes."""

    class Drops(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            listener.connections += 1

    kind = type("Server", (socketserver.ThreadingTCPServer,), {"allow_reuse_address": True})
    with kind(place, Drops) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def try_sources(ground: Ground, watched: Watched) -> list[Bar]:
    """Every form as a source's database, and where its files are, with S3 at what is allowed."""
    closed, opened, port, allowed = Listener(), Listener(), free_port(), free_port()
    mine, everything = f"{ALLOWED}/32", "0.0.0.0/0,::/0"
    good = f"postgresql+psycopg://{ALLOWED}:{allowed}/db"
    forms = databases(port, allowed)
    with dropping(("0.0.0.0", port), closed), dropping((ALLOWED, allowed), opened):
        turning = f"postgresql+psycopg://again.test:{allowed}/db"
        got = sum(asks(url, mine) for url in forms)
        turned = sum(asks(turning, mine) for _ in range(8))
        count, heard = closed.connections, opened.connections
        told = asks(good, mine)
        for host in LOOPBACK[:16]:
            asks(f"postgresql+psycopg://{host}:{port}/db?connect_timeout=2", everything)
        control = closed.connections - count
    watched.seen, watched.on = [], True
    endpoint = {"AWS_ENDPOINT_URL": ground.good, "AWS_ACCESS_KEY_ID": "k",
                "AWS_SECRET_ACCESS_KEY": "s", "AWS_MAX_ATTEMPTS": "1"}  # fmt: skip
    with patch.dict(os.environ, endpoint), linked() as links:
        named = [form.format(port=ground.port) for form in FILES]
        before = ground.forbidden.connections
        read = [one for one in [*named, *links] if reads(one)]
        files, elsewhere = ground.forbidden.connections - before, len(watched.seen)
        honest = ground.honest.connections
        reads("s3://bucket/x.csv")
        honest = ground.honest.connections - honest
    say(f"sources: {len(forms)} databases, {len(named) + len(links)} places of files; read: {read}")
    return [
        Bar("databases: connections to forbidden listeners", count, "== 0", len(forms)),
        Bar("databases: forms that got so far", got, "== 0", len(forms)),
        Bar("databases: a name that turns reaches the address looked at", heard - turned, "== 0"),
        Bar("databases: the allowed address was asked", min(told, turned), ">= 1"),
        Bar("databases: with everything allowed, forms that arrive", control, ">= 10"),
        Bar("files: connections to forbidden listeners", files, "== 0", len(named)),
        Bar("files: connections tried anywhere but at S3's own", elsewhere, "== 0", len(named)),
        Bar("files: places that were read", len(read), "== 0", len(named) + len(links)),
        Bar("files: S3's own address was asked", honest, ">= 1"),
    ]


@contextmanager
def linked() -> Iterator[list[str]]:
    """Folders in which somebody has put links to what they may not read."""
    with tempfile.TemporaryDirectory() as made:
        secret, drop = Path(made, "secret.csv"), Path(made, "drop")
        secret.write_text("at,word\n2026-01-01,hush\n")
        (drop / "deep").mkdir(parents=True)
        targets = (
            secret,
            "/proc/self/environ",
            "/etc/passwd",
            "../secret.csv",
            "deep/../../secret.csv",
        )
        for number, target in enumerate(targets):
            (drop / f"{number}.csv").symlink_to(target)
        (drop / "folder").symlink_to(made)
        (drop / "1.parquet").symlink_to("/proc/self/maps")
        yield [str(drop), f"{drop}/*.csv", f"{drop}/*", f"{drop}/**/*.csv", f"{drop}/1.csv"]


@contextmanager
def prepared() -> Iterator[Ground]:
    """Listeners, and names of our own."""
    port, allowed = free_port(), free_port()
    forbidden, honest = Listener(), Listener(f"http://127.0.0.1:{port}/")
    places = [("0.0.0.0", port), ("::", port), ("127.0.0.1", allowed)]
    own, socket.getaddrinfo = socket.getaddrinfo, Names()
    try:
        with listening(forbidden, *places), listening(honest, (ALLOWED, allowed)):
            yield Ground(forbidden, honest, port, allowed)
    finally:
        socket.getaddrinfo = own


def main() -> int:
    """Try every form at every door."""
    watched = Watched(on=True)
    sys.addaudithook(watched)
    with prepared() as ground:
        forms = urls(ground.port, ground.allowed)
        say(f"{len(forms)} forms")
        watched.seen = []
        bars = [
            Bar("forms", len(forms), ">= 60"),
            *try_webhooks(ground, forms, watched),
            *try_upstreams(ground, forms, watched),
            *try_sources(ground, watched),
        ]
    return finish("forged_addresses", len(forms), bars)


if __name__ == "__main__":
    sys.exit(main())
