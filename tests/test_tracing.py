"""What a collector hears of the calls that the gateway answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from serving import Served, free_port, serving

FILE = """\
name: desk
kind: chat
guards: {{input: [shape], output: [shape]}}
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams:
  - {{name: main, base_url: "{url}/v1", model: {model}, weight: 1000}}
  - {{name: spare, base_url: "{url}/v1", model: ok, weight: 0.001}}
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ASKED, ANSWERED = "Where did Ottilie leave her bike?", "It stands by the river."
CHUNKS = [
    {"choices": [{"index": 0, "delta": {"content": ANSWERED}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}},
]
UNLOADED = """
import sys
from gateway.tracing import Tracing
Tracing().start()
print([one for one in sys.modules if one.startswith("opentelemetry")])
"""
PATIENCE = 20.0
STOPPED = """
import asyncio
from gateway.tracing import Tracing

async def run():
    tracing = Tracing()
    tracing.start()
    tracing.tracer.start_span("last").end()
    await tracing.stop()

asyncio.run(run())
"""


@dataclass
class World:
    """All that the gateway talks to: upstreams, and a collector of spans."""

    url: str = ""
    traceparents: list[str | None] = field(default_factory=list)
    exported: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[dict[str, Any]]:
        """Every span, its attributes as plain values."""
        found = []
        for raw in self.exported:
            for resource in ExportTraceServiceRequest.FromString(raw).resource_spans:
                found += [plain(span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def spans_of(self, trace: str, count: int) -> list[dict[str, Any]]:
        """The spans of a trace, once there are so many."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = [span for span in self.spans if span["trace"] == trace]
            if len(found) >= count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"fewer than {count} spans: {self.spans}")


def plain(span: Any) -> dict[str, Any]:
    """A span as the tests read it."""
    values = {one.key: one.value for one in span.attributes}
    return {
        "name": span.name,
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "kind": span.kind,
        "failed": span.status.code == 2,
        **{key: getattr(value, value.WhichOneof("value")) for key, value in values.items()},
    }


def handler(world: World) -> type[BaseHTTPRequestHandler]:
    """The world's side of HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                world.exported.append(body)
                return self.say(200, b"", "application/x-protobuf")
            world.traceparents.append(self.headers.get("traceparent"))
            asked = json.loads(body)
            if asked["model"] == "slow":
                time.sleep(3)
            if asked["model"] == "broken":
                return self.say(500, b"{}")
            if asked.get("stream"):
                events = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in CHUNKS]
                return self.say(200, b"".join(events) + b"data: [DONE]\n\n", "text/event-stream")
            message = {"role": "assistant", "content": ANSWERED}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 3, "completion_tokens": 4}
            return self.say(200, json.dumps({"choices": [choice], "usage": usage}).encode())

        def say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    folder = tmp_path_factory.mktemp("traced") / "configs"
    (folder / "capabilities").mkdir(parents=True)
    for name, model in (("desk", "ok"), ("shaky", "broken"), ("slow", "slow")):
        text = FILE.format(url=world.url, model=model).replace("desk", name, 1)
        (folder / "capabilities" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def served(configs: Path, world: World) -> Iterator[Served]:
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": world.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with serving(configs.parent / "home", configs, environment=told) as gateway:
        yield gateway


def ask(
    served: Served, model: str = "desk", trace: str = TRACE, key: str | None = None, **more: Any
) -> httpx.Response:
    """One call within a trace."""
    once = {"idempotency-key": key} if key else {}
    body = {"model": model, "messages": [{"role": "user", "content": ASKED}], **more}
    return httpx.post(
        f"{served.url}/v1/chat/completions",
        json=body,
        headers={
            "traceparent": PARENT.replace(TRACE, trace),
            "x-opslayer-subject": "Ottilie",
            **once,
        },
        timeout=30,
    )


def test_a_call_and_its_upstream_join_the_callers_trace(served: Served, world: World) -> None:
    reply = ask(served)
    assert reply.status_code == 200
    asked, called = sorted(world.spans_of(TRACE, 2), key=lambda span: span["kind"], reverse=True)
    assert (called["name"], called["parent"]) == ("chat desk", "00f067aa0ba902b7")
    assert called["opslayer.interaction"] == reply.headers["x-opslayer-interaction"]
    assert called["opslayer.status"] == "answered"
    assert (asked["name"], asked["parent"]) == ("chat ok", called["id"])
    assert asked["gen_ai.operation.name"] == "chat"
    assert (asked["gen_ai.request.model"], asked["opslayer.upstream"]) == ("ok", "main")
    assert (asked["gen_ai.usage.input_tokens"], asked["gen_ai.usage.output_tokens"]) == (3, 4)
    assert world.traceparents[-1] == f"00-{TRACE}-{asked['id']}-01"


def test_every_attempt_is_a_span_and_tells_how_it_failed(served: Served, world: World) -> None:
    trace = "a" * 32
    assert ask(served, "shaky", trace).status_code == 200
    spans = {one["name"]: one for one in world.spans_of(trace, 3)}
    assert spans["chat broken"]["failed"]
    assert spans["chat broken"]["error.type"] == "outage"
    assert not spans["chat ok"]["failed"]
    assert not spans["chat shaky"]["failed"]
    assert spans["chat ok"]["parent"] == spans["chat broken"]["parent"] == spans["chat shaky"]["id"]


def test_a_streams_span_ends_with_the_stream_and_knows_what_it_took(
    served: Served, world: World
) -> None:
    trace = "b" * 32
    assert "[DONE]" in ask(served, trace=trace, stream=True).text
    (asked,) = [one for one in world.spans_of(trace, 2) if one["kind"] == 3]
    assert (asked["gen_ai.usage.input_tokens"], asked["gen_ai.usage.output_tokens"]) == (7, 5)


def test_a_repeat_of_an_idempotency_key_is_a_span_that_ends(served: Served, world: World) -> None:
    first, again = ask(served, key="one", trace="1" * 32), ask(served, key="one", trace="2" * 32)
    assert first.json() == again.json()
    (span,) = world.spans_of("2" * 32, 1)
    assert (span["kind"], span["http.response.status_code"], span["failed"]) == (2, 200, False)


def test_a_call_that_is_refused_is_a_span_that_tells_its_code(served: Served, world: World) -> None:
    ask(served, key="two", trace="3" * 32)
    refused = ask(served, key="two", trace="4" * 32, temperature=1)
    (span,) = world.spans_of("4" * 32, 1)
    assert span["http.response.status_code"] == refused.status_code == 422
    assert (span["failed"], span["error.type"]) == (True, refused.json()["error"]["code"])


def test_the_log_line_names_the_trace(served: Served) -> None:
    ask(served, trace="c" * 32)
    assert f'"trace_id": "{"c" * 32}"' in served.log.read_text()


def test_nothing_that_anybody_said_is_exported(served: Served, world: World) -> None:
    trace = "d" * 32
    ask(served, "shaky", trace)
    world.spans_of(trace, 3)
    for said in (ASKED, ANSWERED, "Ottilie"):
        assert not any(said.encode() in raw for raw in world.exported)


def test_without_a_collector_the_callers_traceparent_is_handed_on(
    configs: Path, world: World
) -> None:
    with serving(configs.parent / "off", configs) as gateway:
        assert ask(gateway).status_code == 200
        assert world.traceparents[-1] == PARENT
        ask(gateway, trace="0" * 32)  # no trace has this id
        assert world.traceparents[-1] is None


def test_a_collector_that_is_away_changes_no_answer(configs: Path) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    with serving(configs.parent / "away", configs, environment=away) as gateway:
        assert [ask(gateway).status_code for _ in range(20)] == [200] * 20


@pytest.fixture
def silent() -> Iterator[dict[str, str]]:
    """Where to find a collector that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        yield {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "600"}


def test_a_gateway_stops_although_its_collector_never_answers(
    configs: Path, silent: dict[str, str]
) -> None:
    with serving(configs.parent / "silent", configs, environment=silent) as gateway:
        assert ask(gateway).status_code == 200
        gateway.process.terminate()
        assert gateway.process.wait(timeout=60) == 0
        assert "the last ones are lost" in gateway.log.read_text()


def test_a_process_ends_by_itself_although_its_collector_never_answers(
    silent: dict[str, str],
) -> None:
    # Without a supervisor, which would end it; had it to wait for its threads, it took 600 s.
    ended = subprocess.run(
        [sys.executable, "-c", STOPPED], env={**os.environ, **silent}, timeout=60, check=False
    )
    assert ended.returncode == 0


def test_a_caller_who_leaves_is_told_in_the_span(served: Served, world: World) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{served.url}/v1/chat/completions",
            json={"model": "slow", "messages": [{"role": "user", "content": ASKED}]},
            headers={"traceparent": PARENT.replace(TRACE, "5" * 32)},
            timeout=0.5,
        )
    spans = world.spans_of("5" * 32, 2)
    (called,) = [span for span in spans if span["kind"] == 2]
    assert (called["failed"], called["error.type"]) == (True, "abandoned")
    assert called["opslayer.interaction"]


def test_without_a_collector_the_library_is_not_even_loaded() -> None:
    said = subprocess.run(
        [sys.executable, "-c", UNLOADED], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
