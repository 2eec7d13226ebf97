"""Closed-loop load: so many connections, each sending its next request when the last is answered.

Plain HTTP/1.1 over asyncio streams' lower half, so that the client costs less than what it loads.
Prints one line of JSON: requests, failures, seconds, p50 and p99 in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

PATIENCE = 60.0
"""Seconds for one reply, at most."""


@dataclass
class Tally:
    """What came of the requests."""

    until: float
    took: list[float] = field(default_factory=list)
    failures: int = 0


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self.request, self.tally = request, tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.wanted = -1
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self.buffer, self.wanted = b"", -1
        self.sent = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Gather one reply; then count it and send the next."""
        self.buffer += data
        if self.wanted < 0:
            head = self.buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            self.wanted = self._length(self.buffer[:head].lower(), head)
        if self.wanted == 0:
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return
        elif len(self.buffer) < self.wanted:
            return
        now = time.perf_counter()
        self.tally.took.append(now - self.sent)
        self.tally.failures += not self.buffer.startswith(b"HTTP/1.1 200")
        if now < self.tally.until:
            self._send()
        else:
            self.transport.close()

    @staticmethod
    def _length(head: bytes, end: int) -> int:
        """Bytes of the whole reply; 0 for one in chunks."""
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                return end + 4 + int(value)
        return 0

    def connection_lost(self, _: Exception | None) -> None:
        """The server closed it, or we did."""
        if time.perf_counter() < self.tally.until:
            self.tally.failures += 1
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, request: bytes, connections: int, seconds: float) -> Tally:
    """Load a port of this machine for some seconds."""
    tally = Tally(time.perf_counter() + seconds)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(request, tally), "127.0.0.1", port)
        for _ in range(connections)
    ]
    waiting = [protocol.done for _, protocol in made]
    await asyncio.wait(waiting, timeout=seconds + PATIENCE)
    return tally


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile; NaN without values."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def post(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def run() -> None:
    """PORT CONNECTIONS SECONDS, and the request on standard input."""
    import uvloop

    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    request = sys.stdin.buffer.read()
    begun = time.perf_counter()
    tally = uvloop.run(load(port, request, connections, seconds))
    print(
        json.dumps(
            {
                "requests": len(tally.took),
                "failures": tally.failures,
                "seconds": time.perf_counter() - begun,
                "p50": percentile(tally.took, 0.5) * 1000,
                "p99": percentile(tally.took, 0.99) * 1000,
            }
        )
    )


if __name__ == "__main__":
    run()
