"""P16: releases switch under load, and every reply is of one release as a whole.

A capability whose releases differ in pool and prompt, two workers, an open loop of requests. Its
upstream answers with the model and the instructions it was asked with, so that a reply shows what
it was made of. `FLIPS=40` for a quick look.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks.bars import Bar, finish, say
from benchmarks.gateway import free_port, module, running
from benchmarks.load import percentile
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.records import Release, Variant
from opslayer.settings import Settings
from opslayer.steps.introduce import pool_variant
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores

FLIPS = int(os.environ.get("FLIPS", "500"))
RATE = 200
"""Requests a second."""
BETWEEN = 0.5
"""Seconds between two releases."""
CALM = 15.0
"""Seconds of the same load without any, to hold the times against."""
SOON = 1.0
"""Seconds after its commit within which a release answers everybody."""
FILE = """\
name: desk
kind: chat
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: a, pool: a, base_url: "http://127.0.0.1:{upstream}/v1", model: one}}
  - {{name: b, pool: b, base_url: "http://127.0.0.1:{upstream}/v1", model: two}}
prompts:
  - {{name: x, template: first}}
  - {{name: y, template: second}}
"""
MADE_OF = {"a": "one", "b": "two", "x": "first", "y": "second"}


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request came to."""

    sent: float
    """By the wall clock."""
    took: float
    status: int
    release: int
    variant: str
    content: str


class Echo(asyncio.Protocol):
    """An upstream that answers with its model and the instructions."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller has come."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            lines = self.buffer[:head].lower().split(b"\r\n")
            length = next(int(one[15:]) for one in lines if one.startswith(b"content-length:"))
            if len(self.buffer) < head + 4 + length:
                return
            body = json.loads(self.buffer[head + 4 : head + 4 + length])
            self.buffer = self.buffer[head + 4 + length :]
            said = f"{body['model']} {body['messages'][0]['content']}"
            self._answer({"role": "assistant", "content": said})

    def _answer(self, message: dict[str, str]) -> None:
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}
        body = json.dumps({"id": "1", "choices": [choice], "usage": usage}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)


async def ask(client: aiohttp.ClientSession, url: str, subject: int) -> Reply:
    """One request of a subject."""
    body = {"model": "desk", "messages": [{"role": "user", "content": "Hello"}]}
    sent, begun = time.time(), time.perf_counter()
    headers = {"X-Opslayer-Subject": f"rider-{subject}"}
    async with client.post(url, json=body, headers=headers) as reply:
        said = await reply.json()
        return Reply(
            sent,
            time.perf_counter() - begun,
            reply.status,
            int(reply.headers.get("x-opslayer-release", 0)),
            reply.headers.get("x-opslayer-variant", ""),
            said["choices"][0]["message"]["content"] if reply.status == 200 else str(said),
        )


async def load(url: str, stop: threading.Event) -> list[Reply]:
    """Send requests at times fixed in advance until told to stop."""
    asked, begun = [], asyncio.get_running_loop().time()
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector) as client:
        while not stop.is_set():
            due = begun + len(asked) / RATE
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            asked.append(asyncio.ensure_future(ask(client, url, len(asked))))
        return list(await asyncio.gather(*asked))


def under_load(url: str, work: threading.Thread) -> list[Reply]:
    """What replies came while something was done."""
    stop = threading.Event()
    found: list[Reply] = []
    loading = threading.Thread(target=lambda: found.extend(asyncio.run(load(url, stop))))
    loading.start()
    work.start()
    work.join()
    stop.set()
    loading.join()
    return found


@dataclass(frozen=True)
class Flipping:
    """What is released in turn, and when each was committed."""

    capability: Capability
    stores: Stores
    variants: Sequence[Variant]
    made: list[tuple[float, Release]]

    @classmethod
    def of(cls, capability: Capability, stores: Stores) -> Flipping:
        """Registers both prompts, which takes a while; the first of them serves already."""
        pairs = (("b", "y"), ("a", "x"))
        variants = [pool_variant(capability, *pair, stores) for pair in pairs]
        return cls(capability, stores, variants, [])

    def run(self) -> None:
        """Release one after the other."""
        for number in range(FLIPS):
            wanted, decided = self.variants[number % 2], decision(self.stores, number)
            release = promote(self.capability, wanted, self.stores, decided)
            self.made.append((time.time(), release))
            time.sleep(BETWEEN)


def decision(stores: Stores, number: int) -> Promotion:
    """From whatever serves."""
    newest = stores.ledger.releases.newest("desk")
    parent = newest.number if newest else 0
    return Promotion(parent, "benchmark", f"flip {number}", None, (), datetime.now(UTC))


def mixed(replies: Sequence[Reply], releases: dict[int, Release]) -> int:
    """Replies whose release, variant, model and instructions are not of one release."""
    found = 0
    for one in replies:
        release = releases.get(one.release)
        variant = release.champion if release else Variant(name="")
        made_of = [MADE_OF.get(name or "") for name in (variant.pool, variant.prompt)]
        if one.status == 200:
            found += variant.name != one.variant or one.content.split(" ", 1) != made_of
    return found


def stale(replies: Sequence[Reply], made: Sequence[tuple[float, Release]]) -> int:
    """Requests sent a second after a commit, or later, that an older release answered."""
    found, place = 0, -1
    for one in sorted(replies, key=lambda reply: reply.sent):
        while place + 1 < len(made) and made[place + 1][0] + SOON <= one.sent:
            place += 1
        found += place >= 0 and one.release < made[place][1].number
    return found


def measure(folder: Path, upstream: int) -> int:
    """Run it all; the exit code."""
    home, configs, port = folder / "home", folder / "configs", free_port()
    (configs / "capabilities").mkdir(parents=True)
    (configs / "capabilities" / "desk.yaml").write_text(FILE.format(upstream=upstream))
    stores = Stores.at(Settings(home=home, configs=configs))
    capability = load_capability("desk", configs)
    own = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)}
    gateway = module("commands", "serve", "--port", port, "--workers", 2, **own)
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    with running(gateway, f"http://127.0.0.1:{port}/readyz") as answers:
        assert answers, "no gateway"
        flipping = Flipping.of(capability, stores)
        under_load(url, threading.Thread(target=time.sleep, args=(3.0,)))  # warm
        calm = under_load(url, threading.Thread(target=time.sleep, args=(CALM,)))
        say(f"{len(calm):,} requests without a release; now {FLIPS} of them")
        replies = under_load(url, threading.Thread(target=flipping.run))
    for one in replies:
        if one.status != 200:
            say(f"{one.status}: {one.content}")
    releases = {one.number: one for one in stores.ledger.releases.all("desk")}
    p99 = [percentile([one.took for one in some], 0.99) for some in (calm, replies)]
    p50 = [statistics.median(one.took for one in some) for some in (calm, replies)]
    say(
        f"p50 {p50[0] * 1e3:.2f} and {p50[1] * 1e3:.2f} ms, p99 {p99[0] * 1e3:.2f} and "
        f"{p99[1] * 1e3:.2f} ms; {len({one.release for one in replies})} releases answered"
    )
    count = len(replies)
    return finish("flips", count, [
        Bar("failed", sum(one.status != 200 for one in replies), "== 0", count),
        Bar("mixed", mixed(replies, releases), "== 0", count),
        Bar("older release after a second", stale(replies, flipping.made), "== 0", count),
        Bar("p99 with releases over without", p99[1] / p99[0], "<= 2"),
        Bar("releases", len(flipping.made), f">= {FLIPS}"),
    ])  # fmt: skip


def main() -> int:
    """With an upstream of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.flips", str(port)])
        try:
            return measure(Path(folder), port)
        finally:
            process.kill()
            process.wait()


async def serve(port: int) -> None:
    """Be the upstream until killed."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(serve(int(sys.argv[1])))
    sys.exit(main())
