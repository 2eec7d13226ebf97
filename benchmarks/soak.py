"""P12: half an hour at half of what it can leaves nothing behind but the log.

A gateway of two workers answers callers of a hundred thousand subjects, some with keys that they
repeat. Among them come mistyped capabilities and paths, bodies that are none, feedback, and an
upstream that fails with another text each time: whatever is kept by name, by subject or by text
would grow. Every ten seconds memory, open files, threads and metric series of all its processes
are read, and what rests on the disk. The first third is for caches to fill; held against each other
are the others. Connections come and go with the load: they are counted when it rests, before and
after. `MINUTES=2` for a quick look.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from scipy.stats import theilslopes

from benchmarks.bars import Bar, finish, say
from benchmarks.crash import descendants, export
from benchmarks.gateway import free_port, module, running

MINUTES = float(os.environ.get("MINUTES", "30"))
EVERY = 10.0
"""Seconds between two looks."""
SUBJECTS = 100_000
SHARE = 0.5
"""Of what it can."""
CONNECTIONS = 32
REST = 40.0
"""Seconds after which neither callers nor workers keep a connection open that nobody uses."""
FILE = """\
name: desk
kind: chat
guards: {{input: [shape, pii], output: [shape, pii]}}
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: mock, base_url: "http://127.0.0.1:{upstream}/v1", model: mock}}
"""
COMPLETION = {
    "choices": [{"message": {"role": "assistant", "content": "It is at the station. " * 5}}],
    "usage": {"prompt_tokens": 40, "completion_tokens": 30},
}
Sending = tuple[str, dict[str, Any], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Look:
    """What a gateway's processes hold at a moment."""

    at: float
    """Seconds after the start."""
    memory: float
    """MB of all processes that no file holds, what several share by its part."""
    files: int
    """Open descriptors that are no sockets."""
    sockets: int
    threads: int
    series: int
    """Of the metrics."""
    disk: float
    """MB below the home."""
    kept: int
    """Calls and feedback that were acknowledged so far."""


@dataclass
class Traffic:
    """What is sent, and what was heard."""

    url: str
    http: aiohttp.ClientSession
    heard: Counter[int] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    """Interactions that were acknowledged."""
    last: str = "none"
    feedback: int = 0
    number: int = 0

    def next(self) -> Sending:
        """Another request: its path, body and headers."""
        self.number += 1
        number, draw = self.number, self.number % 20
        text = f"Where is bike {number}? " * 5
        body = {"model": "desk", "messages": [{"role": "user", "content": text}]}
        body["user"] = f"subject-{number % SUBJECTS}"
        if draw == 3:
            return "/v1/chat/completions", {**body, "model": f"desk-{number}"}, {}
        if draw == 7:
            return f"/v1/completions-{number}", body, {}
        if draw == 11:
            return "/v1/chat/completions", {**body, "messages": f"{number}"}, {}
        if draw % 5 == 0:
            about = {"kind": "thumb", "value": "up", "idempotency_key": f"said-{number}"}
            return "/v1/feedback", {**about, "interaction_id": self.last}, {}
        key = {"idempotency-key": f"key-{number - number % 3}"} if draw % 4 == 1 else {}
        return "/v1/chat/completions", body, key

    async def one(self) -> None:
        """Send it."""
        path, body, headers = self.next()
        try:
            async with self.http.post(self.url + path, json=body, headers=headers) as said:
                await said.read()
        except (aiohttp.ClientError, TimeoutError):
            self.heard[0] += 1
            return
        self.heard[said.status] += 1
        if said.status == 200 and path == "/v1/chat/completions":
            self.last = said.headers["x-opslayer-interaction"]
            self.answered.add(self.last)
        self.feedback += said.status == 200 and path == "/v1/feedback"

    async def for_seconds(self, seconds: float, rate: float) -> None:
        """Send at a rate, whatever comes back."""
        loop, begun, sent = asyncio.get_running_loop(), time.monotonic(), 0
        under_way = set[asyncio.Task[None]]()
        while (now := time.monotonic() - begun) < seconds:
            while sent < now * rate:
                sent += 1
                task = loop.create_task(self.one())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await asyncio.sleep(0.01)
        await asyncio.gather(*under_way)


async def capacity(traffic: Traffic) -> float:
    """Requests a second that callers get answered who each wait for their answer."""
    until, before = time.monotonic() + 5, traffic.number

    async def again() -> None:
        while time.monotonic() < until:
            await traffic.one()

    await asyncio.gather(*(again() for _ in range(CONNECTIONS)))
    return (traffic.number - before) / 5


async def complete(_: web.Request) -> web.Response:
    """Answer, or fail with a text that never came before."""
    if random.random() < 0.02:
        return web.json_response({"error": {"message": f"fault {random.random()}"}}, status=500)
    return web.json_response(COMPLETION)


async def upstream(port: int) -> web.AppRunner:
    """Run it in this process."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def look(begun: float, gateway: int, home: Path, page: str, kept: int) -> Look:
    """Read every process of a gateway, and its disk."""
    memory, threads = 0.0, 0
    opened = Counter[bool]()
    for pid in descendants(gateway):
        with suppress(OSError, StopIteration):
            memory += told(pid, "smaps_rollup", "Pss_Anon:") / 1024
            threads += int(told(pid, "status", "Threads:"))
            opened.update(is_socket(one) for one in Path(f"/proc/{pid}/fd").iterdir())
    series = sum(not line.startswith("#") for line in page.splitlines())
    disk = sum(size(path) for path in home.rglob("*")) / 2**20
    return Look(
        at=time.monotonic() - begun,
        memory=memory,
        files=opened[False],
        sockets=opened[True],
        threads=threads,
        series=series,
        disk=disk,
        kept=kept,
    )


def is_socket(descriptor: Path) -> bool:
    """Whether a process's descriptor is one; not of one that has gone."""
    try:
        return os.readlink(descriptor).startswith("socket:")
    except OSError:
        return False


def told(pid: int, file: str, name: str) -> float:
    """A figure of a process, as the system tells it."""
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(name)))


def size(path: Path) -> int:
    """Bytes of a file; none of one that has gone."""
    try:
        return path.stat().st_blocks * 512 if path.is_file() else 0
    except OSError:
        return 0


async def lived(traffic: Traffic, gateway: int, home: Path) -> list[Look]:
    """Load it, and look again and again; the first look and the last are at rest."""
    peak = await capacity(traffic)
    say(f"peak {peak:.0f}/s, so {SHARE * peak:.0f}/s for {MINUTES:g} minutes")
    begun = time.monotonic()

    async def now() -> Look:
        async with traffic.http.get(f"{traffic.url}/metrics") as said:
            page = await said.text()
        kept = len(traffic.answered) + traffic.feedback
        return await asyncio.to_thread(look, begun, gateway, home, page, kept)

    await asyncio.sleep(REST)
    looks = [await now()]
    load = asyncio.ensure_future(traffic.for_seconds(MINUTES * 60, SHARE * peak))
    while not load.done():
        await asyncio.wait([load], timeout=EVERY)
        looks.append(await now())
        if len(looks) % 6 == 2:
            say(json.dumps({name: round(value, 1) for name, value in asdict(looks[-1]).items()}))
    await load
    await asyncio.sleep(REST)
    return [*looks, await now()]


async def soaked(folder: Path) -> tuple[list[Look], Traffic, list[dict[str, object]]]:
    """A gateway's half hour, and what its log tells afterwards."""
    port, behind = free_port(), free_port()
    configs = folder / "configs" / "capabilities"
    configs.mkdir(parents=True)
    (configs / "desk.yaml").write_text(FILE.format(upstream=behind))
    own = {"OPSLAYER_HOME": f"{folder}/home", "OPSLAYER_CONFIGS": f"{folder}/configs"}
    own["OPSLAYER_LOG_LEVEL"] = "warning"
    runner = await upstream(behind)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    gateway = module("commands", "serve", "--port", port, "--workers", 2, **own)
    with running(gateway, f"http://127.0.0.1:{port}/healthz") as answers:
        assert answers, "no gateway"
        async with aiohttp.ClientSession(connector=connector) as http:
            traffic = Traffic(f"http://127.0.0.1:{port}", http)
            looks = await lived(traffic, gateway.pid, folder / "home")
    await runner.cleanup()
    return looks, traffic, await asyncio.to_thread(export, own)


def growth(looks: Sequence[Look], name: str) -> float:
    """By how much a figure grew over these looks, by the median of all slopes between two."""
    times = [one.at for one in looks]
    slope = float(theilslopes([getattr(one, name) for one in looks], times).slope)
    return slope * (times[-1] - times[0])


def judged(looks: Sequence[Look], traffic: Traffic, rows: list[dict[str, object]]) -> list[Bar]:
    """What must hold."""
    rested, *loaded, last_look = looks
    settled = loaded[len(loaded) // 3 :]
    early, late = settled[: len(settled) // 2], settled[len(settled) // 2 :]
    more = {
        name: statistics.median(getattr(one, name) for one in late)
        - statistics.median(getattr(one, name) for one in early)
        for name in ("files", "threads", "series")
    }
    more["sockets at rest"] = last_look.sockets - rested.sockets
    ids = Counter(str(row["id"]) for row in rows)
    first, last = per_record(early), per_record(late)
    say(f"replies by status: {dict(traffic.heard)}")
    say(f"{last * 1024:.2f} KB of disk for a call or a feedback, {first * 1024:.2f} before")
    memory = statistics.median(one.memory for one in settled)
    return [
        Bar("memory gained in two thirds of the time, of all", growth(settled, "memory") / memory,
            "<= 0.03"),
        *(Bar(f"{name} gained", count, "<= 0") for name, count in more.items()),
        Bar("disk for a record, late over early", last / first, "<= 1.1"),
        Bar("acknowledged and not logged", len(traffic.answered - ids.keys()), "== 0"),
        Bar("logged twice", sum(count > 1 for count in ids.values()), "== 0"),
    ]  # fmt: skip


def per_record(looks: Sequence[Look]) -> float:
    """MB of disk that a record took."""
    return growth(looks, "disk") / max(1.0, growth(looks, "kept"))


def main() -> int:
    """Run at full size."""
    with tempfile.TemporaryDirectory() as made:
        looks, traffic, rows = asyncio.run(soaked(Path(made)))
    return finish("soak", traffic.number, judged(looks, traffic, rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(str(error.stderr)[-2000:])
