"""P11: clients that mean harm hurt only themselves.

While neighbours call at an even pace, a process beside them opens five hundred connections that say
a byte now and then, or sends bodies of 150 MB, JSON a hundred thousand levels deep, headers of 10
MB or a packed bomb, one after the other for as long as it goes on. Neighbours' latency is held
against that of a calm spell before, the worker's memory against what it was, and every reply that
the attackers get is counted. `SECONDS=5` for a quick look.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvloop

from benchmarks.bars import Bar, finish, say
from benchmarks.crash import workers
from benchmarks.load import percentile
from benchmarks.overload import PATH, load, standing

SECONDS = float(os.environ.get("SECONDS", "20"))
PACE = 40.0
"""Neighbours' calls a second: a fraction of what one worker answers."""
DRIPS = 500
AT_ONCE = 4
"""Attackers that send something large, each again and again."""
CHUNK = b"x" * 2**16
BIG = 150 * 2**20
POST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
)
Pieces = AsyncIterator[bytes]


async def drip() -> Pieces:
    """A head that never ends, then a body: a byte every second."""
    yield POST + b"x-slow: "
    while True:
        await asyncio.sleep(1)
        yield b"s"


async def slow_body() -> Pieces:
    """A body that never ends."""
    yield POST + b"content-length: 4000\r\n\r\n{"
    while True:
        await asyncio.sleep(1)
        yield b" "


async def big_body() -> Pieces:
    """A hundred and fifty megabytes, and says so."""
    yield POST + b"content-length: %d\r\n\r\n" % BIG
    for _ in range(BIG // len(CHUNK)):
        yield CHUNK


async def big_chunks() -> Pieces:
    """As much, and does not say so."""
    yield POST + b"transfer-encoding: chunked\r\n\r\n"
    for _ in range(BIG // len(CHUNK)):
        yield b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)
    yield b"0\r\n\r\n"


async def deep() -> Pieces:
    """JSON a hundred thousand levels deep."""
    body = b'{"model": "desk", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    yield POST + b"content-length: %d\r\n\r\n%b" % (len(body), body)


async def long_header() -> Pieces:
    """A header of ten megabytes."""
    yield POST + b"x-long: "
    for _ in range(10 * 2**20 // len(CHUNK)):
        yield CHUNK
    yield b"\r\n\r\n"


async def bomb() -> Pieces:
    """Fifty megabytes of nothing, packed."""
    body = gzip.compress(b" " * 50 * 2**20)
    yield POST + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


ATTACKS: dict[str, tuple[Callable[[], Pieces], int, tuple[int, ...]]] = {
    "drip": (drip, DRIPS, (408,)),
    "slow body": (slow_body, DRIPS, (408,)),
    "big body": (big_body, AT_ONCE, (413,)),
    "big body in chunks": (big_chunks, AT_ONCE, (413,)),
    "deep JSON": (deep, AT_ONCE, (400,)),
    "long header": (long_header, AT_ONCE, (431,)),
    "packed bomb": (bomb, AT_ONCE, (413, 415)),
}
"""What is sent, by how many at once, and what they may hear."""


async def one(port: int, pieces: Pieces) -> str:
    """Send until there is an answer; its status, or how it ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(reader.read(2**16))
    try:
        async for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if answer.done():
                break
        async with asyncio.timeout(30):  # `wait_for` of 3.11 may swallow that it is cancelled
            said = await answer
        return said[9:12].decode() if said.startswith(b"HTTP/1.1") else "closed"
    except (ConnectionError, TimeoutError):
        # What it said before it hung up may be there all the same.
        said = answer.result() if answer.done() and not answer.exception() else b""
        return said[9:12].decode() if said.startswith(b"HTTP/1.1") else "closed"
    finally:
        answer.cancel()
        writer.close()


async def attack(name: str, port: int, seconds: float) -> Counter[str]:
    """Send one kind again and again; how often which answer came."""
    make, count, _ = ATTACKS[name]
    heard: Counter[str] = Counter()

    async def again() -> None:
        while True:
            try:
                heard[await one(port, make())] += 1
            except OSError:
                heard["no connection"] += 1
                await asyncio.sleep(0.1)

    everybody = [asyncio.ensure_future(again()) for _ in range(count)]
    await asyncio.sleep(seconds)
    for task in everybody:
        task.cancel()
    await asyncio.gather(*everybody, return_exceptions=True)
    return heard


def memory(gateway: int) -> float:
    """The most that a worker has ever held, MB."""
    (worker,) = workers(gateway)
    told = Path(f"/proc/{worker}/status").read_text()
    return next(int(line.split()[1]) for line in told.splitlines() if "VmHWM" in line) / 1024


def beside(name: str, address: str, seconds: float) -> tuple[float, list[str]]:
    """Neighbours' p99 while somebody attacks, and what was wrong."""
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.hostile", name, port, str(seconds + 2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
        try:
            replies = uvloop.run(load(f"{address}{PATH}", PACE, seconds))
            heard = Counter(json.loads(attacker.communicate(timeout=60)[0]))
        finally:
            attacker.kill()
    p99 = percentile([reply.took for reply in replies], 0.99)
    failed = sum(reply.status != 200 for reply in replies)
    say(f"{name:20} neighbours' p99 {p99 * 1e3:.1f} ms, {failed} failed; heard {dict(heard)}")
    wanted = {*map(str, ATTACKS[name][2]), "closed"}
    odd = [f"{name}: {status} x {count}" for status, count in heard.items() if status not in wanted]
    if failed:
        odd.append(f"{name}: {failed} neighbours were not answered")
    return p99, odd


def measured(address: str, gateway: int) -> list[Bar]:
    """Every attack beside a calm spell of its own."""
    worst, odd = 0.0, list[str]()
    url = f"{address}{PATH}"
    uvloop.run(load(url, PACE, 3))
    before = memory(gateway)
    for name in ATTACKS:
        calm = uvloop.run(load(url, PACE, max(10.0, SECONDS / 2)))
        unharmed = percentile([reply.took for reply in calm], 0.99)
        p99, wrong = beside(name, address, SECONDS)
        say(f"{'':20} over calm {p99 / unharmed:.2f}, memory {memory(gateway) - before:+.0f} MB")
        worst, odd = max(worst, p99 / unharmed), [*odd, *wrong]
    for line in odd:
        say(f"WRONG {line}")
    return [
        Bar("neighbours' p99 over a calm spell's, the worst attack", worst, "<= 2"),
        Bar("memory of the worker, MB more at its highest", memory(gateway) - before, "<= 64"),
        Bar("answers that should not have been", len(odd), "== 0"),
    ]


def main(words: list[str]) -> int:
    """Measure one worker; with words, attack."""
    if words:
        print(json.dumps(uvloop.run(attack(words[0], int(words[1]), float(words[2])))))
        return 0
    with standing() as (address, gateway):
        bars = measured(address, gateway)
    return finish("hostile", len(ATTACKS), bars)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
