"""Prefect inside this process: what it is told while flows run."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
from flows.embedded import unwatched
from prefect.settings import get_current_settings
seconds = lambda: get_current_settings().flows.heartbeat_frequency
before = seconds()
with unwatched():
    inside = seconds()
print(before is not None, inside == before, inside is None, seconds() == before)
"""


def said(**variables: str) -> list[str]:
    """What a process of its own says: Prefect reads the environment when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=kept | variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_embedded_server_is_sent_no_heartbeat() -> None:
    assert said() == ["True", "False", "True", "True"]


def test_a_server_that_was_named_still_hears_from_its_flows() -> None:
    told = said(PREFECT_API_URL="http://127.0.0.1:4200/api")
    assert told == ["True", "True", "False", "True"]
