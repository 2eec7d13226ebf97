"""The real nginx with the shipped configuration, on a port of its own, before given replicas."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from serving import PATIENCE, free_port

FOLDER = Path(__file__).parents[1] / "infra" / "nginx"


def nginx() -> str:
    """The program; the test is skipped where there is none."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    return found or pytest.skip("no nginx: apt-get install nginx-light")


def configured(folder: Path, port: int, replicas: Sequence[str]) -> Path:
    """The shipped file with another port, another folder for what it writes, and these replicas."""
    folder.mkdir(parents=True)
    text = (FOLDER / "nginx.conf").read_text().replace("/tmp/", f"{folder}/")
    text = text.replace(
        "    listen [::]:8080 reuseport backlog=2048;\n", ""
    )  # not on every machine
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    text = text.replace("/dev/stdout", f"{folder}/calls.log")
    (folder / "nginx.conf").write_text(text)
    lines = (FOLDER / "gateways.conf").read_text().splitlines()
    how = lines[-1].split(":8000")[1]
    (folder / "gateways.conf").write_text("".join(f"server {one}{how}\n" for one in replicas))
    return folder / "nginx.conf"


@contextmanager
def entrance(folder: Path, replicas: Sequence[str]) -> Iterator[str]:
    """Run it; yields its address."""
    port = free_port()
    path = configured(folder, port, replicas)
    who = " user root;" if os.geteuid() == 0 else ""  # nobody may not see a test's folder
    command = [nginx(), "-p", str(folder), "-c", str(path), "-g", f"daemon off;{who}"]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder / "nginx.log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/entrance", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
