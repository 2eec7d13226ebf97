"""`opslayer up --json`: a machine is told the addresses once they answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from commands import execute

OPSLAYER = [sys.executable, "-c", "from commands import main; main()"]


def free_ports(count: int) -> list[str]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def test_the_addresses_are_told_as_one_object_once_they_answer(tmp_path: Path) -> None:
    prefect, mlflow, gateway, console = free_ports(4)
    clean = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
    child = subprocess.Popen(
        [
            *OPSLAYER,
            "up",
            "--json",
            "--prefect-port",
            prefect,
            "--mlflow-port",
            mlflow,
            "--gateway-port",
            gateway,
            "--console-port",
            console,
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=clean | {"OPSLAYER_HOME": str(tmp_path), "OPSLAYER_CONFIGS": str(tmp_path)},
    )
    try:
        assert child.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(child.stdout.readline())
            assert lines[-1], "it ended without an object"
        told = json.loads("".join(lines))
        addresses = {one["name"]: one["address"] for one in told["services"]}
        assert addresses == {
            "prefect": f"http://127.0.0.1:{prefect}",
            "worker": None,
            "relay": None,
            "mlflow": f"http://127.0.0.1:{mlflow}",
            "gateway-1": f"http://127.0.0.1:{gateway}",
            "drain": None,
            "watch": None,
            "console": f"http://127.0.0.1:{console}",
            "webhooks": None,
        }
        for health in (f"{addresses['prefect']}/api/health", f"{addresses['mlflow']}/health"):
            with urllib.request.urlopen(health, timeout=30) as reply:
                assert reply.status == 200
        assert child.poll() is None
    finally:
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, "")


def test_a_taken_port_is_told_as_an_error_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert execute(["up", "--json", "--prefect-port", port]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert f"port {port} is taken: choose another with --prefect-port" in error["message"]
