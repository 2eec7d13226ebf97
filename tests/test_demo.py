"""`opslayer demo` on data nobody has seen: one YAML file, the whole life, and no call home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import drifting

# Runs in every Python process of the demo, whatever starts it, before anything else.
LISTENER = """
import os, sys
def heard(event, arguments, to=os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)):
    if event == "socket.connect":
        os.write(to, f"connect {{arguments[1]!r}}\\n".encode())
    elif event == "socket.getaddrinfo":
        os.write(to, f"look up {{arguments[0]!r}}\\n".encode())
sys.addaudithook(heard)
"""

AT_HOME = ("'127.0.0.1'", "'localhost'", "'::1'", "b'127.0.0.1'", "b'localhost'", "None")


class Lived(NamedTuple):
    """One finished demo."""

    home: Path
    summary: dict[str, Any]
    heard: list[str]
    environment: dict[str, str]

    def opslayer(self, *arguments: str) -> Any:
        """The JSON of another command on the demo's installation."""
        command = [sys.executable, "-c", "import commands; commands.main()", *arguments, "--json"]
        folder = self.home / "demo" / drifting.NAME
        own = {"OPSLAYER_HOME": str(folder), "OPSLAYER_CONFIGS": str(folder / "configs")}
        done = subprocess.run(
            command, env=self.environment | own, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("plant")
    configs = drifting.write(folder, drifting.rows(), drifting.LINE)
    (folder / "listener").mkdir()
    log = folder / "heard.log"
    (folder / "listener" / "sitecustomize.py").write_text(LISTENER.format(path=str(log)))
    environment = {key: value for key, value in os.environ.items() if "PREFECT" not in key} | {
        "OPSLAYER_HOME": str(folder / "home"),
        "OPSLAYER_CONFIGS": str(configs),
        "PYTHONPATH": str(folder / "listener"),
    }
    command = [sys.executable, "-c", "import commands; commands.main()"]
    done = subprocess.run(
        [*command, "demo", drifting.NAME, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    heard = log.read_text().splitlines()
    return Lived(folder / "home", json.loads(done.stdout), heard, environment)


def test_a_new_data_set_needs_one_yaml_file_to_be_trained_released_watched_and_retrained(
    lived: Lived,
) -> None:
    assert lived.summary["windows"] >= 30
    assert lived.summary["trainings"] >= 1
    assert [release["by"] for release in lived.summary["releases"]][1:].count("loop") >= 1
    assert all(release["reason"] for release in lived.summary["releases"])


def test_the_loop_ends_with_less_error_than_never_retraining(lived: Lived) -> None:
    assert lived.summary["error_with_loop"] < 0.8 * lived.summary["error_never"]


def test_the_loop_spends_at_most_a_quarter_of_the_trainings_of_retraining_every_window(
    lived: Lived,
) -> None:
    assert lived.summary["trainings"] <= lived.summary["windows"] / 4


def test_nothing_opens_a_connection_that_nobody_configured(lived: Lived) -> None:
    def at_home(line: str) -> bool:
        names_a_file = line.startswith("connect '/") or line.startswith("connect b'/")
        return names_a_file or any(name in line for name in AT_HOME)

    assert lived.heard, "the listener heard nothing: it was not there"
    assert [line for line in lived.heard if not at_home(line)] == []


def test_status_tells_release_quality_and_next_run(lived: Lived) -> None:
    (row,) = lived.opslayer("status")
    assert row["capability"] == drifting.NAME
    assert row["release"] == lived.summary["releases"][-1]["number"]
    assert row["window_quality"] is not None
    assert row["next_run"]


def test_the_ledger_tells_the_same_releases_as_the_demo(lived: Lived) -> None:
    listed = lived.opslayer("release", "list", drifting.NAME)
    told = [(release["number"], release["reason"]) for release in lived.summary["releases"]]
    assert [(row["number"], row["reason"]) for row in listed] == told


def test_doctor_finds_nothing_broken_in_a_lived_installation(lived: Lived) -> None:
    findings = lived.opslayer("doctor")
    assert [finding for finding in findings if finding["status"] == "failure"] == []


def test_every_window_with_a_verdict_has_its_page(lived: Lived) -> None:
    pages = lived.home / "demo" / drifting.NAME / "reports" / drifting.NAME / "drift"
    assert len(list(pages.glob("*/index.html"))) >= lived.summary["windows"]
    assert list(pages.glob("*/evidently.html")), "an upheaval without an Evidently page"
