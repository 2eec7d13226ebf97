"""P7: every upstream fault has its right outcome, streamed and not, and the stored row says so.

A capability for each fault, streamed and not, whose one upstream has it and whose fallback is a
rule; all through the running gateway. `COUNT=2` for a quick look.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.fault_upstream import CARD, SAID
from benchmarks.gateway import free_port, module, running

COUNT = int(os.environ.get("COUNT", "20"))
RULE = "A colleague will answer you."
FALLS = {
    1: "outage", 2: "outage", 3: "outage", 4: "outage", 5: "timeout", 6: "outage", 7: "outage",
    8: "outage", 9: "rate_limited", 10: "timeout", 11: "empty", 12: "empty", 13: "malformed",
    14: "malformed", 15: "outage", 16: "malformed", 17: "schema", 23: "timeout",
}  # fmt: skip
"""Faults after which the rule answers, and the kind that the row and the header name. A breaker
that has opened meanwhile makes an outage of any."""
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object", "required": ["a"]}},
}


@dataclass(frozen=True)
class Reply:
    """What a caller got."""

    status: int
    headers: Mapping[str, str]
    text: str
    finish: str | None
    done: bool
    """Whether a stream said `[DONE]`; true for what is not streamed."""
    error: Any = None


BEFORE_OPEN = 4
"""Trials of a broken stream with one capability: after the next failure its breaker is open, and
what is asked then is answered by the rule, as it should be."""


def capability(fault: int, stream: bool, number: int) -> str:
    """The name of the capability of a trial."""
    portion = number // BEFORE_OPEN if fault == 22 else 0
    return f"f{fault:02}-{'streamed' if stream else 'whole'}-{portion}"


def config(fault: int, name: str, upstream: int, tls: int) -> str:
    """A capability's file."""
    address = {
        1: "http://127.0.0.1:9/v1",
        2: "http://nowhere.invalid/v1",
        3: f"https://127.0.0.1:{tls}/v1",
    }.get(fault, f"http://127.0.0.1:{upstream}/v1")
    times = "{connect: 1s, first_byte: 500ms, idle: 500ms, total: 8s}"
    return (
        f"name: {name}\nkind: chat\nanswer: {{deadline: 6s}}\n"
        "guards: {input: [shape], output: [shape, pii], hold_back: 64}\n"
        f'fallback: [{{rule: {{constant: "{RULE}"}}}}]\nupstreams:\n'
        f'  - {{name: bad, base_url: "{address}", model: f{fault:02}, timeouts: {times}, '
        "price: {input: 1000, output: 1000}}\n"
    ).replace("first_byte: 500ms", "first_byte: 7s" if fault == 21 else "first_byte: 500ms")


def ask(url: str, fault: int, name: str, stream: bool) -> Reply:
    """One call, read to its end."""
    body: dict[str, Any] = {
        "model": name,
        "messages": [{"role": "user", "content": "where is my bike?"}],
        "stream": stream,
    }
    if fault == 17:
        body["response_format"] = SCHEMA
    with httpx.Client(timeout=20) as client:
        if not stream:
            said = client.post(f"{url}/v1/chat/completions", json=body)
            return whole(said)
        with client.stream("POST", f"{url}/v1/chat/completions", json=body) as said:
            said.read()
            return streamed(said)


def whole(said: httpx.Response) -> Reply:
    """A reply that is not streamed."""
    body = said.json()
    if said.status_code != 200:
        return Reply(said.status_code, said.headers, "", None, True, body.get("error"))
    choice = body["choices"][0]
    message = choice["message"]
    text = message["content"] or message.get("refusal") or ""
    return Reply(200, said.headers, text, choice["finish_reason"], True)


def streamed(said: httpx.Response) -> Reply:
    """A streamed reply."""
    if said.headers.get("content-type", "").startswith("application/json"):
        return whole(said)
    text, ended, done, error = "", None, False, None
    for line in said.text.split("\n"):
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            done = True
            continue
        event = json.loads(line[6:])
        error = event.get("error") or error
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or choice["delta"].get("refusal") or ""
            ended = choice["finish_reason"] or ended
    return Reply(said.status_code, said.headers, text, ended, done, error)


def right(fault: int, stream: bool, got: Reply, row: Mapping[str, Any]) -> str:
    """What is wrong with an outcome; empty where nothing is."""
    checks: dict[str, bool] = {}
    if fault in FALLS:
        kinds = (FALLS[fault], "outage")
        checks = {
            "answered by the rule": got.status == 200 and got.text == RULE and got.done,
            "header": got.headers.get("x-opslayer-fallback") in kinds,
            "row": row["status"] == "answered" and row["variant"] == "constant",
            "row's fallback": row["fallback"] in kinds,
            "row's attempts": row["attempts"][-1]["outcome"] == "ok",
        }
    elif fault in (18, 19):
        checks = {
            "passed through": got.status == (400 if fault == 18 else 401),
            "no fallback": row["variant"] != "constant" and row["status"] == "refused",
            "no key": "canary" not in json.dumps(got.error),
        }
    elif fault == 20:
        checks = {
            "refusal": got.status == 200 and got.finish == "content_filter" and "help" in got.text,
            "row": row["status"] == "refused" and not row["fallback"],
        }
    elif fault == 22 and not stream:
        checks = {"answered by the rule": got.text == RULE}
    elif fault == 22:
        text = SAID * 8
        checks = {
            "error event": got.error is not None and not got.done,
            "nothing twice": text.startswith(got.text) and 0 < len(got.text) < len(text),
            "row": row["status"] == "incomplete" and row["output"]["reply"] == got.text,
            "cost": row["cost"] > 0,
        }
    elif fault == 24:
        checks = {
            "held back": CARD not in got.text and "[CARD_1]" in got.text and got.done,
            "row": CARD not in json.dumps(row) and row["status"] == "answered",
        }
    elif fault == 25:
        checks = {
            "answered": got.text.endswith(SAID.strip()[-10:] + " ") or SAID in got.text,
            "estimated": row["usage"]["estimated"] and row["cost"] > 0,
        }
    return ", ".join(name for name, fine in checks.items() if not fine)


def check_left(url: str, upstream: int, name: str, stream: bool) -> str:
    """21: the caller leaves, and the upstream's call is cancelled within a second."""
    body = {"model": name, "messages": [{"role": "user", "content": "x"}], "stream": stream}
    with contextlib.suppress(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/chat/completions", json=body, timeout=httpx.Timeout(5, read=0.3))
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        if httpx.get(f"http://127.0.0.1:{upstream}/open").json()["open"] == 0:
            return ""
        time.sleep(0.05)
    return "the upstream's call went on"


def trial(url: str, upstream: int, case: tuple[int, bool], number: int) -> str:
    """One call and its row; what is wrong, empty where nothing is."""
    fault, stream = case
    name = capability(fault, stream, number)
    if fault == 21:
        return check_left(url, upstream, name, stream)
    got = ask(url, fault, name, stream)
    id = got.headers.get("x-opslayer-interaction", "")
    row = httpx.get(f"{url}/v1/interactions/{id}", timeout=20).json()
    return right(fault, stream, got, row) if "status" in row and "variant" in row else "no row"


def tls_nonsense() -> socket.socket:
    """A port that answers a TLS greeting with nonsense."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            one.sendall(b"this is no TLS\r\n")
            one.close()

    concurrent.futures.ThreadPoolExecutor(1).submit(talk)
    return listening


def measure(count: int, tell: Callable[[str], None]) -> dict[tuple[int, bool], list[str]]:
    """Every fault so many times, streamed and not: what was wrong each time."""
    found: dict[tuple[int, bool], list[str]] = {}
    with tempfile.TemporaryDirectory() as made:
        upstream, port = free_port(), free_port()
        tls = tls_nonsense()
        folder = Path(made, "configs", "capabilities")
        folder.mkdir(parents=True)
        cases = [(fault, stream) for fault in range(1, 26) for stream in (False, True)]
        for fault, stream in cases:
            for name in {capability(fault, stream, number) for number in range(count)}:
                text = config(fault, name, upstream, tls.getsockname()[1])
                (folder / f"{name}.yaml").write_text(text)
        environment = {"OPSLAYER_HOME": f"{made}/home", "OPSLAYER_CONFIGS": f"{made}/configs"}
        environment["OPSLAYER_LOG_LEVEL"] = "error"
        mock = module("benchmarks.fault_upstream", upstream)
        serve = module("commands", "serve", "--port", port, **environment)
        url = f"http://127.0.0.1:{port}"
        with running(mock, f"http://127.0.0.1:{upstream}/calls"), running(serve, f"{url}/readyz"):
            for fault, stream in cases:
                case = (fault, stream)
                wrong = [trial(url, upstream, case, number) for number in range(count)]
                found[case] = wrong
                bad = [one for one in wrong if one]
                how = "streamed" if stream else "whole"
                tell(f"fault {fault:2} {how:9} {len(wrong) - len(bad)}/{len(wrong)} {bad[:1]}")
        tls.close()
    return found


def main() -> int:
    """Measure all faults at full size."""
    found = measure(COUNT, say)
    every = [one for wrong in found.values() for one in wrong]
    shares = [sum(not one for one in wrong) / len(wrong) for wrong in found.values()]
    bars = [
        Bar("share of right outcomes", sum(not one for one in every) / len(every), ">= 0.995"),
        Bar("worst fault's share", min(shares), ">= 0.95"),
    ]
    return finish("faults", len(every), bars)


if __name__ == "__main__":
    sys.exit(main())
