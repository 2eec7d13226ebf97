"""nginx before two gateways: it streams, bounds, repeats only what may be repeated."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from entrance import FOLDER, configured, entrance, nginx
from prometheus_client.parser import text_string_to_metric_families
from serving import Served, serving
from test_metrics_files import PAGE
from upstream import calls, upstream

from gateway.call import BODY
from gateway.server import GRACE, HEAD, HEAD_SECONDS, IDLE
from opslayer.settings import Settings
from opslayer.stores import Stores

DESK = """\
name: desk
kind: chat
fallback: [{{rule: {{constant: Later.}}}}]
upstreams:
  - {{name: main, base_url: "{url}/v1", model: ok}}
"""
ASK = {"model": "desk", "messages": [{"role": "user", "content": "Hello"}]}
SOON = 30.0
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Replica:
    """An HTTP server in a gateway's place that shows what reaches it."""

    seen: list[dict[str, str]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    breaks: bool = False
    """Whether it takes a call and hangs up without an answer."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        replica = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                replica.seen.append({**dict(self.headers), "method": self.command})
                if replica.breaks:
                    self.close_connection = True
                elif self.path == "/stream":
                    self._stream()
                else:
                    self.send_response(200)
                    self.send_header("content-length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")

            def _stream(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(b"data: first\n\n")
                self.wfile.flush()
                replica.go_on.wait(SOON)
                self.wfile.write(b"data: last\n\n")

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def replicas() -> Iterator[list[tuple[Replica, str]]]:
    servers, made = [], []
    for _ in range(2):
        replica = Replica()
        server = ThreadingHTTPServer(("127.0.0.1", 0), replica.handler())
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        made.append((replica, f"127.0.0.1:{server.server_port}"))
    yield made
    for server in servers:
        server.shutdown()
        server.server_close()


def seen(replicas: list[tuple[Replica, str]]) -> list[int]:
    return [len(replica.seen) for replica, _ in replicas]


def directive(name: str) -> str:
    """A directive's value in the shipped file."""
    found = re.search(rf"^\s*{name}\s+([^;]+);", (FOLDER / "nginx.conf").read_text(), re.MULTILINE)
    assert found, name
    return found[1]


def test_nginx_itself_takes_the_shipped_file(tmp_path: Path) -> None:
    path = configured(tmp_path / "nginx", 8080, ["127.0.0.1:1", "127.0.0.1:2"])
    command = [nginx(), "-t", "-p", str(path.parent), "-c", str(path)]
    tested = subprocess.run(command, check=False, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr


def test_its_bounds_are_the_gateways() -> None:
    assert directive("client_max_body_size") == f"{BODY // 2**20}m"
    assert directive("large_client_header_buffers") == f"1 {HEAD // 2**10}k"
    assert directive("client_header_timeout") == f"{HEAD_SECONDS:g}s"
    # It must let an idle connection go before the gateway does, and not cut what that still gives.
    assert int(directive("keepalive_timeout").rstrip("s")) < IDLE
    assert int(directive("worker_shutdown_timeout").rstrip("s")) >= GRACE


def test_headers_arrive_and_events_are_not_held_back(
    tmp_path: Path, replicas: list[tuple[Replica, str]]
) -> None:
    sent = {
        "traceparent": TRACE, "Idempotency-Key": "k", "Authorization": "Bearer x",
        "X-Opslayer-Subject": "ann", "X-Forwarded-For": "203.0.113.9",
    }  # fmt: skip
    with entrance(tmp_path / "nginx", [address for _, address in replicas]) as url:
        with httpx.stream("POST", f"{url}/stream", headers=sent, json={}, timeout=20) as reply:
            parts = reply.iter_raw()
            assert next(parts) == b"data: first\n\n"  # while the replica waits for us
            for replica, _ in replicas:
                replica.go_on.set()
            assert b"".join(parts) == b"data: last\n\n"
        (heard,) = [one for replica, _ in replicas for one in replica.seen]
        lower = {name.lower(): value for name, value in heard.items()}
        assert {name: lower[name.lower()] for name in list(sent)[:4]} == dict(
            list(sent.items())[:4]
        )
        assert lower["x-forwarded-for"] == "127.0.0.1"  # not what a caller says of itself
        logged = json.loads((tmp_path / "nginx" / "calls.log").read_text().splitlines()[-1])
        assert logged["trace"] == TRACE
        assert httpx.get(f"{url}/metrics").status_code == 404


def test_a_key_always_comes_to_one_replica_and_calls_without_one_to_both(
    tmp_path: Path, replicas: list[tuple[Replica, str]]
) -> None:
    with (
        entrance(tmp_path / "nginx", [address for _, address in replicas]) as url,
        httpx.Client() as client,
    ):
        for _ in range(20):
            client.post(f"{url}/x", headers={"Idempotency-Key": "one", "Authorization": "a"})
        assert sorted(seen(replicas)) == [0, 20]
        for _ in range(40):
            client.post(f"{url}/x")
        assert min(seen(replicas)) > 3


def test_what_was_sent_is_repeated_for_a_get_and_never_for_a_post(
    tmp_path: Path, replicas: list[tuple[Replica, str]]
) -> None:
    for replica, _ in replicas:
        replica.breaks = True
    with entrance(tmp_path / "nginx", [address for _, address in replicas]) as url:
        posted = httpx.post(f"{url}/x", json={}, timeout=20)
        assert posted.status_code == 503
        assert posted.headers["retry-after"] == "1"
        assert posted.json()["error"]["code"] == "overloaded"
        assert sum(seen(replicas)) == 1
        time.sleep(3.2)  # fail_timeout, in whole seconds: the replica counts again
        httpx.get(f"{url}/x", timeout=20)
        assert sum(seen(replicas)) == 3


def test_what_is_too_long_is_refused_at_the_door(
    tmp_path: Path, replicas: list[tuple[Replica, str]]
) -> None:
    with entrance(tmp_path / "nginx", [address for _, address in replicas]) as url:
        assert httpx.post(f"{url}/x", content=b"x" * BODY, timeout=20).status_code == 200
        long = httpx.post(f"{url}/x", content=b"x" * (BODY + 1), timeout=20)
        assert (long.status_code, long.json()["error"]["code"]) == (413, "body_too_large")
        head = httpx.get(f"{url}/x", headers={"X-Long": "x" * HEAD})
        assert (head.status_code, head.json()["error"]["code"]) == (431, "header_too_large")
        assert sum(seen(replicas)) == 1


@dataclass(frozen=True)
class Site:
    """Two real gateways with one database behind nginx."""

    url: str
    upstream: str
    gateways: list[Served]
    stores: Stores

    def ask(self, key: str = "", **more: object) -> httpx.Response:
        """Ask it something."""
        body = {**ASK, **more}
        headers = {"Idempotency-Key": key} if key else {}
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    nginx()
    monkeypatch.setenv("OPSLAYER_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    monkeypatch.setenv("OPSLAYER_SECRET", "a secret that both replicas have")
    configs = tmp_path / "configs"
    (configs / "capabilities").mkdir(parents=True)
    with ExitStack() as running:
        asked = running.enter_context(upstream())
        (configs / "capabilities" / "desk.yaml").write_text(DESK.format(url=asked))
        gateways = [
            running.enter_context(serving(tmp_path / name, configs)) for name in ("one", "two")
        ]
        names = [f"127.0.0.1:{one.port}" for one in gateways]
        url = running.enter_context(entrance(tmp_path / "nginx", names))
        stores = Stores.at(Settings(home=tmp_path / "one", configs=configs))
        yield Site(url, asked, gateways, stores)


def _that_had(site: Site, interaction: str) -> Served:
    (found,) = [one for one in site.gateways if interaction in one.log.read_text()]
    return found


def _kill(gateway: Served) -> None:
    """End it at once; its workers see that it is gone, and end with it."""
    os.killpg(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait()


def test_two_gateways_are_one_whole_or_streamed_and_without_one_of_them(site: Site) -> None:
    before = calls(site.upstream).get("ok", 0)
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda _: site.ask("once"), range(8)))
    ids = {one.headers["x-opslayer-interaction"] for one in first}
    assert [one.status_code for one in first] == [200] * 8
    assert len(ids) == 1
    assert calls(site.upstream)["ok"] == before + 1
    streamed = site.ask(stream=True)
    assert streamed.text.rstrip().endswith("data: [DONE]")
    deadline = time.monotonic() + SOON
    while not site.stores.events.interactions(list(ids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for gateway in site.gateways:  # what dashboard and alerts rest on is what a gateway says
        families = text_string_to_metric_families(httpx.get(f"{gateway.url}/metrics").text)
        samples = [one for family in families for one in family.samples]
        assert "opslayer_commit_seconds_bucket" in {one.name for one in samples}
        assert all(set(one.labels) <= PAGE[one.name] for one in samples)
    _kill(_that_had(site, ids.pop()))
    later = [site.ask(f"later {number}") for number in range(20)]
    assert [one.status_code for one in later] == [200] * 20
    again = site.ask("once")
    assert again.headers["x-opslayer-interaction"] == first[0].headers["x-opslayer-interaction"]
    assert site.ask(stream=True).text.rstrip().endswith("data: [DONE]")


def test_a_gateway_that_is_stopped_ends_its_calls_and_who_meets_its_closing_repeats_at_most_once(
    site: Site,
) -> None:
    stop = threading.Event()
    said: list[int] = []
    repeated: list[str] = []

    def caller(who: int) -> None:
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                headers = {"Idempotency-Key": f"stopped {who} {len(said)} {time.monotonic_ns()}"}
                url = f"{site.url}/v1/chat/completions"
                reply = client.post(url, json=ASK, headers=headers)
                if reply.status_code == 503:
                    # The entrance sent on a connection that was just being closed, and can't know
                    # whether it was heard: without a preStop nobody can rule that out.
                    repeated.append(reply.headers["retry-after"])
                    reply = client.post(url, json=ASK, headers=headers)
                said.append(reply.status_code)

    threads = [threading.Thread(target=caller, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    site.gateways[0].process.terminate()
    assert site.gateways[0].process.wait(40) == 0
    time.sleep(1)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(said) > 100
    assert [code for code in said if code != 200] == []
    assert len(repeated) <= len(threads)
