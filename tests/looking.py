"""The real console for tests: its process, on a socket of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.listening import listen

PATIENCE = 60.0


@contextmanager
def looking(
    home: Path, configs: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run the console on a home; yields its address."""
    home.mkdir(parents=True, exist_ok=True)
    desk = listen("127.0.0.1", 0)
    url = "http://{}:{}".format(*desk.getsockname())
    own = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs), **(environment or {})}
    with (home / "console.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.worker", str(desk.fileno())],
            env={**os.environ, **own},
            pass_fds=(desk.fileno(),),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        desk.close()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/healthz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("no console")
