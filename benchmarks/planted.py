"""P13: made-up personal data through every route, and then a search through all that was left.

An upstream repeats whatever it is told, whole and in pieces, so that the same strings come back as
answers, cut at every place. They also stand in names, tool calls, pictures' addresses, columns,
feedback, metadata, subjects and paths, and in calls that are refused. In the end every byte that
the data folder holds, the process's output and its metrics are searched, as they are and as they
read once compression, columns, escapes, URLs and base64 are undone. `PLANTED=100` for a quick look.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import re
import string
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from serving import serving

from benchmarks.bars import Bar, finish, say

PLANTED = int(os.environ.get("PLANTED", "1000"))
DESK = """\
name: desk
kind: chat
guards: {{input: [shape, pii], output: [shape, pii]}}
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: echo, base_url: "{url}/v1", model: echo}}
"""
FORM = """\
name: form
kind: classification
inputs:
  text: {type: text, max_length: 500}
  size: {type: number, min: 0, max: 9}
target: label
classes: [yes, no]
guards: {input: [shape, pii], output: [shape]}
sources: [{name: none-yet, path: none.csv, event_time: at}]
training: {estimator: sklearn.linear_model.LogisticRegression}
gate: {metric: accuracy}
fallback: [{rule: {constant: no}}]
"""


class Echo(BaseHTTPRequestHandler):
    """An upstream that says what it is told last; in a stream, by single characters."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Repeat."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = str(asked["messages"][-1].get("content") or "nothing")
        # What a mask stands for is put there by the model itself, as if it knew it.
        text += " " + str(self.server.leaks.pop() if self.server.leaks else "")  # type: ignore[attr-defined]
        if asked.get("stream"):
            pieces = [
                json.dumps({"choices": [{"index": 0, "delta": {"content": one}}]}) for one in text
            ]
            end = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            body = "".join(f"data: {one}\n\n" for one in [*pieces, end, "[DONE]"]).encode()
            return self._say(body, "text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return self._say(json.dumps({"choices": [choice]}).encode(), "application/json")

    def _say(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def luhn(digits: str) -> str:
    """The digit that makes a card's number whole."""
    total = sum(
        (2 * int(one) - 9 if int(one) > 4 else 2 * int(one)) if place % 2 == 0 else int(one)
        for place, one in enumerate(reversed(digits))
    )
    return str(-total % 10)


def strings(count: int) -> list[str]:
    """Made-up personal data of the kinds with a form, each once."""
    draw = random.Random(13)

    def digits(size: int) -> str:
        return "".join(draw.choices(string.digits, k=size))

    def word(size: int) -> str:
        return "".join(draw.choices(string.ascii_lowercase, k=size))

    def card() -> str:
        body = "4" + digits(14)
        whole = body + luhn(body)
        return draw.choice([whole, " ".join(whole[at : at + 4] for at in range(0, 16, 4))])

    def iban() -> str:
        account = digits(18)
        check = 98 - int(account + "131400") % 97
        return f"DE{check:02d}{account}"

    makers = [
        lambda: f"{word(6)}.{word(5)}@{word(7)}.example.com",
        lambda: f"{word(9)}+{word(3)}@{word(5)}.co.uk",
        lambda: f"+1 212 {draw.randint(200, 999)} {digits(4)}",
        lambda: f"(415) {draw.randint(200, 999)}-{digits(4)}",
        lambda: f"+49 30 {draw.randint(2, 9)}{digits(7)}",
        card,
        iban,
        lambda: f"{draw.randint(100, 665)}-{draw.randint(10, 99)}-{draw.randint(1000, 9999)}",
        lambda: ".".join(str(draw.randint(11, 250)) for _ in range(4)),
        lambda: f"2001:db8:{':'.join(f'{draw.randint(4096, 65535):x}' for _ in range(6))}",
        lambda: f"https://{word(8)}.example.org/{word(6)}?user={word(5)}",
        lambda: f"www.{word(11)}.com/{word(4)}",
    ]
    return list(dict.fromkeys(makers[place % len(makers)]() for place in range(count)))


def plant(client: httpx.Client, said: str, place: int) -> None:
    """Send one string through one of the ways in."""
    text = f"please note {said} for later"
    user = {"role": "user", "content": text}
    tool = {
        "id": said,
        "type": "function",
        "function": {"name": said, "arguments": json.dumps([said])},
    }
    picture = {"type": "image_url", "image_url": {"url": said}}
    chats: list[dict[str, Any]] = [
        {"messages": [user]},
        {"messages": [user], "stream": True},
        {"messages": [{"role": "system", "content": text}, {"role": "user", "content": "hello"}]},
        {"messages": [{**user, "content": "hello", "name": said}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, picture]}]},
        {"messages": [
            {"role": "assistant", "content": None, "tool_calls": [tool]},
            {"role": "tool", "content": text, "tool_call_id": said}, user,
        ]},
        {"messages": [user], "user": said, "metadata": {"who": said}},
        {"messages": [{"role": said, "content": text}]},
        {"messages": text},
        {"messages": [user], "temperature": text},
        {"messages": [user], "response_format": {"type": text}},
    ]  # fmt: skip
    ways = len(chats) + 9
    way = place % ways
    if way < len(chats):
        client.post("/v1/chat/completions", json={"model": "desk", **chats[way]})
    else:
        _elsewhere(client, said, way - len(chats))


def _elsewhere(client: httpx.Client, said: str, way: int) -> None:
    quoted = urllib.parse.quote(said, safe="")
    row = {"text": f"about {said}", "size": 3}
    tensors = [
        {"name": "text", "shape": [1], "datatype": "BYTES", "data": [row["text"]]},
        {"name": "size", "shape": [1], "datatype": "FP64", "data": [3]},
    ]
    statement = {
        "interaction_id": _answered(client),
        "kind": "correction",
        "value": f"it is {said}",
    }
    scoring = "/v1/capabilities/form/invocations"
    if way == 0:
        client.post("/v2/models/form/infer", json={"id": said, "inputs": tensors})
    elif way == 1:
        client.post(
            scoring, json={"dataframe_records": [row]}, headers={"idempotency-key": "k" + said}
        )
    elif way == 2:
        client.post(scoring, json={"dataframe_records": [{**row, "size": said}, {said: said}]})
    elif way == 3:
        client.post("/v1/feedback", json={**statement, "idempotency_key": said})
    elif way == 4:
        client.post("/v1/feedback", json={**statement, "interaction_id": said})
    elif way == 5:
        client.post(
            "/v1/feedback", json={**statement, "interaction_id": "0" * 32, "capability": said}
        )
    elif way == 6:
        client.get(f"/v1/interactions/{quoted}", headers={"authorization": f"Bearer {said}"})
    elif way == 7:
        client.post(
            f"/v1/{quoted}",
            content=f'{{"broken": "{said}'.encode(),
            headers={"x-opslayer-subject": said, "traceparent": said},
        )
    else:
        client.post(
            "/v1/chat/completions",
            json={"model": said, "messages": [{"role": "user", "content": said}]},
        )


def _answered(client: httpx.Client) -> str:
    """The id of an answer."""
    asked = {"model": "desk", "messages": [{"role": "user", "content": "hello"}]}
    reply = client.post("/v1/chat/completions", json=asked)
    return reply.headers.get("x-opslayer-interaction", "none")


def readings(raw: bytes, name: str) -> Iterator[bytes]:
    """Bytes as they are, and as they read once what hides text is undone."""
    yield raw
    if name.endswith(".gz"):
        with suppress(OSError, EOFError):
            yield gzip.decompress(raw)
    if name.endswith(".parquet"):
        import pyarrow.parquet as pq

        yield json.dumps(pq.read_table(Path(name)).to_pylist(), default=str).encode()
    yield urllib.parse.unquote_to_bytes(raw)
    yield re.sub(rb"\\u00([0-9a-f]{2})", lambda hit: bytes([int(hit[1], 16)]), raw)
    for match in re.finditer(rb"[A-Za-z0-9+/]{12,}={0,2}", raw):
        if len(match.group()) < 2**16:
            with suppress(ValueError):
                yield base64.b64decode(match.group() + b"=" * (-len(match.group()) % 4))


def leaked(sinks: Sequence[tuple[str, bytes]], planted: Sequence[str]) -> dict[str, set[str]]:
    """Which strings are in which sinks."""
    pattern = re.compile(b"|".join(re.escape(one.encode()) for one in planted))
    found: dict[str, set[str]] = {}
    for name, raw in sinks:
        for reading in readings(raw, name):
            for hit in pattern.findall(reading):
                found.setdefault(name, set()).add(hit.decode())
    return found


def run(count: int) -> tuple[int, dict[str, set[str]], int]:
    """Plant, stop, search: how many were planted, what was found, and the calls with a 5xx."""
    planted = strings(count)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.leaks = list(planted)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as made:
        home, configs = Path(made, "home"), Path(made, "configs")
        (configs / "capabilities").mkdir(parents=True)
        desk = DESK.format(url=f"http://127.0.0.1:{server.server_port}")
        (configs / "capabilities" / "desk.yaml").write_text(desk)
        (configs / "capabilities" / "form.yaml").write_text(FORM)
        own = {"OPSLAYER_LOG_LEVEL": "debug", "OPSLAYER_SECRET": "a secret for these strings alone"}
        broken: list[int] = []

        def note(reply: httpx.Response) -> None:
            if reply.status_code >= 500:
                broken.append(reply.status_code)

        with (
            serving(home, configs, environment=own, ready=False) as gateway,
            httpx.Client(
                base_url=gateway.url, timeout=30, event_hooks={"response": [note]}
            ) as client,
        ):
            for place, one in enumerate(planted):
                plant(client, one, place)
            time.sleep(2)  # until the drain has carried what was said into the log
            metrics = client.get("/metrics").content
        sinks = [
            (str(path), path.read_bytes()) for path in sorted(home.rglob("*")) if path.is_file()
        ]
        found = leaked([*sinks, ("metrics", metrics)], planted)
    server.shutdown()
    return len(planted), found, len(broken)


def main() -> int:
    """Run at full size."""
    count, found, broken = run(PLANTED)
    for sink, hits in found.items():
        say(f"{sink.rpartition('/')[2]}: {len(hits)}, as {sorted(hits)[:5]}")
    strings_found = len(set().union(*found.values())) if found else 0
    return finish(
        "planted",
        count,
        [
            Bar("planted strings found in a sink", strings_found, "== 0", of=count),
            Bar("calls that ended in a 5xx", broken, "== 0", of=count),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
