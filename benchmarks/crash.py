"""P1, P9: what was acknowledged is logged once, whatever is killed, and a key is one upstream call.

Sixteen clients with keys of their own call a gateway of two workers. At random moments a worker, or
the whole process group, is killed; each client asks again with the same key until it hears an
answer. In the end their history is joined with `opslayer export` and with the upstream's count.
`MOMENTS=10` for a quick look.
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
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.gateway import free_port, module, running
from benchmarks.load import percentile

MOMENTS = int(os.environ.get("MOMENTS", "300"))
CLIENTS = 16
FILE = """\
name: desk
kind: chat
guards: {{input: [shape], output: [shape]}}
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: mock, base_url: "http://127.0.0.1:{upstream}/v1", model: ok, timeouts: {{connect: 5s}}}}
"""


@dataclass
class History:
    """What the clients saw."""

    answers: dict[str, str] = field(default_factory=dict)
    """Interaction id by key, once acknowledged."""
    changed: int = 0
    """Keys whose repeat named another interaction."""
    refused: Counter[int] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


def client(url: str, number: int, history: History) -> None:
    """Call with one key after another, each until it is answered; some once more."""
    call = 0
    # One for all calls, as an application has it: making one costs more than a call, and the
    # gateway would have to come back beside sixteen threads that do nothing else.
    with httpx.Client(base_url=url, timeout=30) as http:
        while not history.stop.is_set():
            call += 1
            key = f"c{number}-{call}"
            first = _until_answered(http, key, history)
            if first is None:
                return
            with history.lock:
                history.answers[key] = first
            if call % 10 == 0:
                again = _until_answered(http, key, history)
                history.changed += again is not None and again != first


def _until_answered(http: httpx.Client, key: str, history: History) -> str | None:
    body = {"model": "desk", "messages": [{"role": "user", "content": f"this is {key}"}]}
    while not history.stop.is_set():
        try:
            reply = http.post("/v1/chat/completions", json=body, headers={"idempotency-key": key})
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if reply.status_code == 200:
            return reply.headers["x-opslayer-interaction"]
        history.refused[reply.status_code] += 1
        time.sleep(0.05)
    return None


def workers(gateway: int) -> list[int]:
    """The worker processes of a gateway."""
    found = []
    for pid in descendants(gateway):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("gateway-"):
                found.append(pid)
    return found


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def ready(url: str) -> float:
    """Seconds until a call is answered again."""
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            if httpx.get(f"{url}/readyz", timeout=2).status_code == 200:
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    return 60.0


@dataclass
class Outcome:
    """What a run came to."""

    acknowledged: int
    lost: int
    doubled: int
    changed: int
    calls_too_many: int
    """Upstream calls beyond one for each key that was acknowledged or was under way at a kill."""
    recoveries: list[float]


def run(moments: int, tell: Callable[[str], None]) -> Outcome:
    """Kill at so many moments, and join what was seen with what was kept."""
    draw = random.Random(7)
    with tempfile.TemporaryDirectory() as made:
        upstream, port = free_port(), free_port()
        configs = Path(made, "configs", "capabilities")
        configs.mkdir(parents=True)
        (configs / "desk.yaml").write_text(FILE.format(upstream=upstream))
        own = {"OPSLAYER_HOME": f"{made}/home", "OPSLAYER_CONFIGS": f"{made}/configs"}
        own["OPSLAYER_LOG_LEVEL"] = "error"
        url, history, recoveries = f"http://127.0.0.1:{port}", History(), list[float]()

        def start() -> subprocess.Popen[bytes]:
            return module("commands", "serve", "--port", port, "--workers", 2, **own)

        mock = module("benchmarks.fault_upstream", upstream)
        with running(mock, f"http://127.0.0.1:{upstream}/calls"):
            gateway = start()
            ready(url)
            threads = [
                threading.Thread(target=client, args=(url, number, history), daemon=True)
                for number in range(CLIENTS)
            ]
            for thread in threads:
                thread.start()
            for moment in range(moments):
                time.sleep(draw.uniform(0.2, 1.2))
                if moment % 3 == 0:
                    for pid in descendants(gateway.pid):
                        _kill(pid)
                    gateway.wait()
                    gateway = start()
                else:
                    _kill(draw.choice(workers(gateway.pid) or [0]))
                recoveries.append(ready(url))
                assert gateway.poll() is None, "something else answers on the gateway's port"
                if moment % 10 == 9:
                    tell(f"{moment + 1} kills, {len(history.answers)} acknowledged")
            history.stop.set()
            for thread in threads:
                thread.join(40)
            gateway.send_signal(signal.SIGTERM)
            gateway.wait(60)
            called = sum(httpx.get(f"http://127.0.0.1:{upstream}/calls").json().values())
        kept = export(own)
    seen = Counter(row["id"] for row in kept)
    asked = Counter(row["input"]["messages"][0]["content"] for row in kept if row.get("input"))
    tell(f"refused on the way: {dict(history.refused)}; upstream calls {called}")
    under_way = moments * CLIENTS
    return Outcome(
        acknowledged=len(history.answers),
        lost=sum(id not in seen for id in history.answers.values()),
        doubled=sum(count > 1 for count in seen.values())
        + sum(count > 1 for text, count in asked.items() if text),
        changed=history.changed,
        calls_too_many=max(0, called - len(history.answers) - under_way),
        recoveries=recoveries,
    )


def _kill(pid: int) -> None:
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def export(own: dict[str, str]) -> list[dict[str, object]]:
    """Every interaction that the command line exports."""
    command = [sys.executable, "-m", "commands", "export", "interactions", "desk"]
    said = subprocess.run(
        command, env={**os.environ, **own}, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in said.stdout.splitlines() if line.strip()]


def main() -> int:
    """Run at full size."""
    got = run(MOMENTS, say)
    bars = [
        Bar("acknowledged and not logged", got.lost, "== 0", of=max(1, got.acknowledged)),
        Bar("logged twice", got.doubled, "== 0", of=max(1, got.acknowledged)),
        Bar("repeats with another answer", got.changed, "== 0"),
        Bar("upstream calls too many", got.calls_too_many, "== 0"),
        Bar("ready again, p95 seconds", percentile(got.recoveries, 0.95), "<= 3"),
    ]
    return finish("crash", MOMENTS, bars)


if __name__ == "__main__":
    sys.exit(main())
