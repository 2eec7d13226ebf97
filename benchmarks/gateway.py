"""What the gateway costs: beside a bare pass-through, its peers, and itself without capture.

One worker each, a mock upstream that answers at once, closed loops of 1, 16 and 64 connections.
Ours keeps every interaction durably before it answers, and has the guards for shape and personal
data on; the peers keep nothing. All are measured in turn, round after round, and a ratio is the
median over rounds of two figures of the same round.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.bars import Bar, finish, say
from benchmarks.load import post
from benchmarks.predictor import COLUMNS, make_predictor

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS", "3"))
CONNECTIONS = (1, 16, 64)
SENTENCE = "How do I unlock a bike at the station when the app says that it is taken already? "
QUESTION = SENTENCE * 20
"""About 1.6 KB, so that a record is about 2 KB, as in the figures that this is held against."""
WAIT = 90.0
"""Seconds for a server to answer for the first time."""
CHAT = """\
name: desk
kind: chat
guards: {{input: [shape, pii], output: [shape, pii]}}
fallback: [{{rule: {{constant: Somebody will help you.}}}}]
upstreams:
  - {{name: mock, base_url: "http://127.0.0.1:{upstream}/v1", model: mock}}
"""
OURS, UNKEPT, BARE = "ours", "ours, unkept", "pass-through"


@dataclass(frozen=True)
class Target:
    """A server under load."""

    name: str
    port: int
    request: bytes


@dataclass(frozen=True)
class Figure:
    """One round of one target at one concurrency."""

    rate: float
    """Requests answered with 200 in a second."""
    p50: float
    """Milliseconds."""
    failures: int


Figures = dict[tuple[str, int], list[Figure]]


def free_port() -> int:
    """A port that nobody listens on: a server left over must never be measured in place of ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(process: subprocess.Popen[bytes], url: str) -> Iterator[bool]:
    """Wait for a server that was started, and stop it in the end; whether it ever answered."""
    try:
        yield answers(process, url)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """Whether a server comes to answer."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            if error.code in (404, 405):  # it answers, though not there
                return True
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)
    return False


def module(name: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """Start a module of ours in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", name, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def measure(target: Target, connections: int) -> Figure:
    """Load a target once."""
    command = [sys.executable, "-m", "benchmarks.load"]
    words = [str(target.port), str(connections), str(SECONDS)]
    said = subprocess.run([*command, *words], input=target.request, capture_output=True, check=True)
    counts = json.loads(said.stdout)
    good = counts["requests"] - counts["failures"]
    return Figure(good / counts["seconds"], counts["p50"], counts["failures"])


def measure_all(targets: Sequence[Target], connections: Sequence[int]) -> Figures:
    """Every target in turn, round after round."""
    figures: Figures = {}
    for target in targets:
        measure(target, 16)  # warm: imports, pools, caches
    for number in range(ROUNDS):
        for count in connections:
            for target in targets:
                figure = measure(target, count)
                figures.setdefault((target.name, count), []).append(figure)
                say(
                    f"round {number + 1} c={count:<3} {target.name:16} {figure.rate:9.0f}/s "
                    f"p50 {figure.p50:7.2f} ms  {figure.failures} failed"
                )
    return figures


def ratio(figures: Figures, ours: str, other: str, connections: int) -> float:
    """Our rate as a multiple of another's; NaN where it was left out."""
    mine, theirs = figures.get((ours, connections), []), figures.get((other, connections), [])
    found = [one.rate / two.rate for one, two in zip(mine, theirs, strict=False) if two.rate]
    return statistics.median(found) if found else float("nan")


def slower(figures: Figures, ours: str, other: str, connections: int) -> float:
    """Our median latency as a multiple of another's."""
    pairs = zip(figures[ours, connections], figures[other, connections], strict=True)
    return statistics.median(one.p50 / two.p50 for one, two in pairs)


def chat_request(model: str, path: str) -> bytes:
    """One chat completion as bytes."""
    messages = [{"role": "user", "content": QUESTION}]
    named = {"model": model} if model else {}
    return post(path, json.dumps({**named, "messages": messages}).encode())


def gateway(
    stack: ExitStack, target: Target, home: Path, configs: Path, *, kept: bool = True
) -> Target:
    """Start ours on a home, with one worker."""
    environment = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)}
    environment["OPSLAYER_LOG_LEVEL"] = "warning"
    name, words = ("commands", ("serve", "--port", target.port)) if kept else (
        "benchmarks.unkept", (target.port,)
    )  # fmt: skip
    process = module(name, *words, **environment)
    there = stack.enter_context(running(process, f"http://127.0.0.1:{target.port}/readyz"))
    assert there, f"{target.name} does not start"
    return target


def peer(
    stack: ExitStack, one: peers.Peer, ports: Mapping[str, int], request: bytes
) -> list[Target]:
    """Start a peer; nothing where it can't be had."""
    folder = peers.install(one)
    if folder is None:
        return []
    process = peers.start(one, folder, ports)
    url = f"http://127.0.0.1:{ports['port']}{one.health}"
    if not stack.enter_context(running(process, url)):
        say(f"{one.name} is left out: it does not answer")
        return []
    return [Target(one.name, ports["port"], request)]


def chats(folder: Path) -> Figures:
    """Chat completions through ours, a bare pass-through, and the peers."""
    with ExitStack() as stack:
        upstream = free_port()
        mock = module("benchmarks.fast_upstream", upstream)
        assert stack.enter_context(running(mock, f"http://127.0.0.1:{upstream}/"))
        configs = folder / "chat"
        (configs / "capabilities").mkdir(parents=True)
        (configs / "capabilities" / "desk.yaml").write_text(CHAT.format(upstream=upstream))
        own = chat_request("desk", "/v1/chat/completions")
        bare = Target(BARE, free_port(), own)
        passing = module("benchmarks.passthrough", bare.port, upstream)
        assert stack.enter_context(running(passing, f"http://127.0.0.1:{bare.port}/"))
        targets = [
            gateway(stack, Target(OURS, free_port(), own), folder / "one", configs),
            gateway(stack, Target(UNKEPT, free_port(), own), folder / "two", configs, kept=False),
            bare,
        ]
        for one in (peers.LITELLM, peers.MLFLOW):
            ports = {"port": free_port(), "upstream": upstream}
            targets += peer(stack, one, ports, chat_request(one.model, one.path))
        return measure_all(targets, CONNECTIONS)


def predictions(folder: Path) -> Figures:
    """Single rows over the Open Inference Protocol, ours and MLServer's."""
    with ExitStack() as stack:
        configs = folder / "predict"
        make_predictor(folder / "three", configs)
        path = "/v2/models/grown/infer"
        row = [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [0.1 * place]}
            for place, name in enumerate(COLUMNS)
        ]
        own = post(path, json.dumps({"inputs": row}).encode())
        targets = [gateway(stack, Target(OURS, free_port(), own), folder / "three", configs)]
        ports = {"port": free_port(), "grpc": free_port(), "metrics": free_port(), "upstream": 0}
        whole = {
            "name": "predict",
            "shape": [1, len(COLUMNS)],
            "datatype": "FP64",
            "data": [0.1 * place for place in range(len(COLUMNS))],
        }
        request = post(peers.MLSERVER.path, json.dumps({"inputs": [whole]}).encode())
        targets += peer(stack, peers.MLSERVER, ports, request)
        return measure_all(targets, (16,))


def main() -> int:
    """Measure everything, and hold it against the bars."""
    with tempfile.TemporaryDirectory() as made:
        said = chats(Path(made))
        rows = predictions(Path(made))
    failures = sum(
        one.failures for (name, _), found in [*said.items(), *rows.items()]
        for one in found if name == OURS
    )  # fmt: skip
    bars = [
        Bar("our calls that failed", failures, "== 0"),
        Bar("of a bare pass-through, c=64", ratio(said, OURS, BARE, 64), ">= 0.35"),
        Bar("times LiteLLM, c=64", ratio(said, OURS, peers.LITELLM.name, 64), ">= 25"),
        Bar("times MLflow's gateway, c=64", ratio(said, OURS, peers.MLFLOW.name, 64), ">= 1.5"),
        Bar("p50 with capture over without, c=1", slower(said, OURS, UNKEPT, 1), "<= 1.5"),
        Bar("rate with capture over without, c=64", ratio(said, OURS, UNKEPT, 64), ">= 0.6"),
        Bar("times MLServer, rows, c=16", ratio(rows, OURS, peers.MLSERVER.name, 16), ">= 2.5"),
    ]
    left_out = [one for one in bars if one.value != one.value]
    for one in left_out:
        say(f"not measured: {one.name}")
    return finish("gateway", ROUNDS, [one for one in bars if one not in left_out])


if __name__ == "__main__":
    sys.exit(main())
