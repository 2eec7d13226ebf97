"""P10: overload is shed: those who are let in are answered in time, the others hear at once.

An open loop, whose send times are fixed in advance, so that a slow gateway is not spared. Each call
carries a text that takes the guards some milliseconds, so that the client can outrun the gateway on
the same machine. `SECONDS=10` for a quick look.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.bars import Bar, finish, say
from benchmarks.gateway import free_port, module, running
from benchmarks.load import percentile

SECONDS = float(os.environ.get("SECONDS", "60"))
THINKS = 0.1
"""Seconds that the upstream takes for an answer: a language model takes longer."""
TIMES = 5
"""Of what it can."""
CALLERS = 64
"""Who keep it as busy as it can be."""
PATH = "/v1/chat/completions"
WORDS = 600
TEXT = " ".join(f"word{number} of a letter that somebody wrote" for number in range(WORDS))
BODY = json.dumps({"model": "desk", "messages": [{"role": "user", "content": TEXT}]}).encode()
JSON = {"content-type": "application/json"}
FILE = """\
name: desk
kind: chat
guards: {{input: [shape, pii], output: [shape]}}
fallback: [{{rule: {{constant: later}}}}]
upstreams:
  - {{name: mock, base_url: "http://127.0.0.1:{upstream}/v1", model: mock}}
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request came to."""

    due: float
    """Seconds after the start at which it was to be sent."""
    late: float
    """By how much the client was late to send it."""
    took: float
    """From when it was sent."""
    status: int
    told_when: bool
    """Whether a refusal says when to come again."""


async def ask(client: aiohttp.ClientSession, url: str, due: float, begun: float) -> Reply:
    """One request at its time."""
    loop = asyncio.get_running_loop()
    sent = loop.time()
    try:
        async with client.post(url, data=BODY, headers=JSON) as said:
            await said.read()
            status, told = said.status, "retry-after" in said.headers
    except (aiohttp.ClientError, TimeoutError) as error:
        say(f"no reply: {type(error).__name__}: {error}")
        status, told = 0, False
    return Reply(due, sent - begun - due, loop.time() - sent, status, told)


async def load(url: str, rate: float, seconds: float) -> list[Reply]:
    """Send at a rate for some seconds, whatever comes back."""
    loop, asked = asyncio.get_running_loop(), []
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        begun = loop.time()
        for number in range(int(rate * seconds)):
            due = number / rate
            await asyncio.sleep(max(0.0, begun + due - loop.time()))
            asked.append(asyncio.ensure_future(ask(client, url, due, begun)))
        return list(await asyncio.gather(*asked))


async def capacity(url: str) -> float:
    """Requests a second that it answers to callers who each wait for their answer."""
    loop = asyncio.get_running_loop()
    count, until = 0, loop.time() + 5

    async def again(client: aiohttp.ClientSession) -> None:
        nonlocal count
        while loop.time() < until:
            said = await ask(client, url, 0.0, 0.0)
            count += said.status == 200  # not in one line: others count while this one waits

    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(again(client) for _ in range(CALLERS)))
    return count / 5


def recovery(replies: list[Reply]) -> float:
    """Seconds after the load has gone until nobody is refused any more."""
    refused = [one.due for one in replies if one.status != 200]
    return max(refused, default=0.0)


def judged(peak: float, calm: list[Reply], rush: list[Reply], after: list[Reply]) -> list[Bar]:
    """What must hold."""
    accepted = [one.took for one in rush if one.status == 200]
    refused = [one for one in rush if one.status != 200]
    unloaded = percentile([one.took for one in calm if one.status == 200], 0.99)
    odd = [one for one in refused if one.status not in (429, 503) or not one.told_when]
    goodput = len(accepted) / SECONDS
    say(f"replies by status: {dict(Counter(one.status for one in rush))}")
    say(
        f"peak {peak:.0f}/s; p99 unloaded {unloaded * 1e3:.1f} ms; at {TIMES} times: "
        f"{goodput:.0f}/s answered, p50 {statistics.median(accepted) * 1e3:.1f}, "
        f"p99 {percentile(accepted, 0.99) * 1e3:.1f} ms; {len(refused):,} refused, p99 "
        f"{percentile([one.took for one in refused], 0.99) * 1e3:.1f} ms; the client was late "
        f"by {percentile([one.late for one in rush], 0.99) * 1e3:.1f} ms"
    )
    return [
        Bar("p99 of those let in over unloaded", percentile(accepted, 0.99) / unloaded, "<= 3"),
        Bar("goodput over peak", goodput / peak, ">= 0.8"),
        Bar("neither answered nor told when to come", len(odd), "== 0", len(rush)),
        Bar("refused within 50 ms", share_within(refused, 0.05), ">= 0.99"),
        Bar("seconds to recover", recovery(after), "<= 5"),
    ]


def share_within(replies: list[Reply], seconds: float) -> float:
    """The share of replies that came in time."""
    return sum(one.took <= seconds for one in replies) / max(1, len(replies))


@contextmanager
def standing() -> Iterator[tuple[str, int]]:
    """A gateway of one worker with an upstream behind it: its address, and its process."""
    with tempfile.TemporaryDirectory() as made:
        upstream, port = free_port(), free_port()
        folder = Path(made, "configs", "capabilities")
        folder.mkdir(parents=True)
        (folder / "desk.yaml").write_text(FILE.format(upstream=upstream))
        own = {"OPSLAYER_HOME": f"{made}/home", "OPSLAYER_CONFIGS": f"{made}/configs"}
        mock = module("benchmarks.fast_upstream", upstream, THINKS)
        gateway = module("commands", "serve", "--port", port, OPSLAYER_LOG_LEVEL="error", **own)
        ready = f"http://127.0.0.1:{port}/readyz"
        with running(mock, f"http://127.0.0.1:{upstream}/"), running(gateway, ready) as answers:
            assert answers, "no gateway"
            yield f"http://127.0.0.1:{port}", gateway.pid


def main() -> int:
    """Measure one worker."""
    with standing() as (address, _):
        url = f"{address}{PATH}"
        peak = max(uvloop.run(capacity(url)) for _ in range(2))
        calm = uvloop.run(load(url, 0.2 * peak, 15))
        rush = uvloop.run(load(url, TIMES * peak, SECONDS))
        after = uvloop.run(load(url, 0.5 * peak, 15))
    return finish("overload", len(rush), judged(peak, calm, rush, after))


if __name__ == "__main__":
    sys.exit(main())
