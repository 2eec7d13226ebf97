"""The real gateway for tests: `opslayer serve` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE = 60.0
"""Seconds within which a gateway answers, on however busy a machine."""


@dataclass(frozen=True)
class Served:
    """A gateway that answers."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    home: Path,
    configs: Path,
    *,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    ready: bool | None = True,
) -> Iterator[Served]:
    """Run the gateway on a home; stop it with everything that it started.

    It is ready by then; where `ready` is False it is alive, and where None it has just begun.
    """
    port, log = free_port(), home / "serve.log"
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "commands", "serve", "--port", str(port)]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, "--workers", str(workers)],
            env={
                **os.environ,
                "OPSLAYER_HOME": str(home),
                "OPSLAYER_CONFIGS": str(configs),
                **(environment or {}),
            },
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    try:
        if ready is not None:
            wait(served, "/readyz" if ready else "/healthz")
        yield served
    finally:
        stop(process)


def wait(served: Served, path: str = "/readyz") -> None:
    """Wait until a path answers with 200."""
    deadline = time.monotonic() + PATIENCE
    said = "nothing answered"
    while time.monotonic() < deadline:
        if served.process.poll() is not None:
            break
        try:
            reply = httpx.get(served.url + path, timeout=5)
            if reply.status_code == 200:
                return
            said = json.dumps(reply.json())
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"no gateway: {said}\n{served.log.read_text()[-3000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; make it, with its children, where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(40)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
