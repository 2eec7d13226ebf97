"""`opslayer console`: the pages alone, closed to others while there is no key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
from serving import PATIENCE, free_port, stop


def start(tmp_path: Path, *options: str, **environment: str) -> subprocess.Popen[bytes]:
    (tmp_path / "configs" / "capabilities").mkdir(parents=True)
    own = {"OPSLAYER_HOME": str(tmp_path / "home"), "OPSLAYER_CONFIGS": str(tmp_path / "configs")}
    return subprocess.Popen(
        [sys.executable, "-m", "commands", "console", "--json", *options],
        env={**os.environ, **own, **environment},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def test_it_shows_its_address_answers_and_stops(tmp_path: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = start(tmp_path, "--port", str(port), OPSLAYER_ADMIN_KEY="a-key-of-an-operator")
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                page = httpx.get(address, timeout=5)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert page.status_code == 401  # nobody has signed in
        assert httpx.get(f"{address}/healthz").text == "ok"
    finally:
        stop(process)
    assert process.returncode == 0
    assert process.stdout
    assert json.load(process.stdout) == {"address": address}


def test_without_a_key_it_is_not_shown_to_others(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0", "--port", str(free_port()))
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "opslayer keys create" in json.loads(said)["error"]["message"]
