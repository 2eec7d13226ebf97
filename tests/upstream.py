"""An upstream over real HTTP for tests: the benchmark's, with every fault it knows."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from serving import PATIENCE, free_port

DESK = """\
name: desk
kind: chat
answer: {{deadline: 10s}}
fallback: [{{rule: {{constant: A colleague will answer you.}}}}]
upstreams: [{{name: main, pool: main, base_url: "{url}/v1", model: ok}}]
"""
"""A capability that asks it, to be filled with its address."""


@contextmanager
def upstream() -> Iterator[str]:
    """Run it; yields its address. `model` `ok` answers well, `f01` to `f25` do not."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.fault_upstream", str(port)])
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/calls", timeout=2)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def calls(url: str) -> dict[str, int]:
    """How often each model was asked."""
    found: dict[str, int] = httpx.get(f"{url}/calls", timeout=5).json()
    return found
