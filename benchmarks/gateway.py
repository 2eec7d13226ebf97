"""What the gateway costs: beside a bare pass-through, beside its peers, and beside itself uncaptured.

One worker each, a mock upstream that answers at once, closed loops of 1, 16 and 64 connections.
Ours keeps every interaction durably before it answers and has the guards for shape and personal
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
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.bars import Bar, finish, say
from benchmarks.load import post

ROUNDS = 5
SECONDS = 3.0
CONNECTIONS = (1, 16, 64)
SENTENCE = "How do I unlock a bike at the station when the app says that it is taken already? "
QUESTION = SENTENCE * 20
"""About 1.6 KB, so that a record is about 2 KB, as in the figures that this is held against."""
WAIT = 60.0
"""Seconds for a server to answer for the first time."""
PROXY = """\
name: desk
kind: chat
guards: {{input: [shape, pii], output: [shape, pii]}}
fallback: [{{rule: {{constant: Somebody will help you.}}}}]
upstreams:
  - {{name: mock, base_url: "http://127.0.0.1:{upstream}/v1", model: mock}}
"""


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
    command = [sys.executable, "-m", "benchmarks.load", str(target.port), str(connections), str(SECONDS)]
    said = subprocess.run(command, input=target.request, capture_output=True, check=True)
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
    pairs = zip(figures.get((ours, connections), []), figures.get((other, connections), []), strict=False)
    found = [one.rate / two.rate for one, two in pairs if two.rate]
    return statistics.median(found) if found else float("nan")


def slower(figures: Figures, ours: str, other: str, connections: int) -> float:
    """Our median latency as a multiple of another's."""
    pairs = zip(figures[ours, connections], figures[other, connections], strict=True)
    return statistics.median(one.p50 / two.p50 for one, two in pairs)


def write_configs(folder: Path, text: str, name: str) -> Path:
    """A folder of one capability file."""
    place = folder / "configs" / "capabilities"
    place.mkdir(parents=True)
    (place / f"{name}.yaml").write_text(text)
    return folder / "configs"


def chat_request(model: str, path: str) -> bytes:
    """One chat completion as bytes."""
    messages = [{"role": "user", "content": QUESTION}]
    return post(path, json.dumps({"model": model, "messages": messages}).encode())


def proxies(stack: ExitStack, folder: Path) -> list[Target]:
    """Ours with and without capture, a bare pass-through, and the peers, each started."""
    upstream = free_port()
    stack.enter_context(running(module("benchmarks.fast_upstream", upstream), f"http://127.0.0.1:{upstream}/"))
    configs = write_configs(folder, PROXY.format(upstream=upstream), "desk")
    targets = [
        gateway(stack, "ours", folder / "home", configs, "commands.serving_main"),
    ]
    return targets


def main() -> int:
    """Measure everything, and hold it against the bars."""
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(main())
