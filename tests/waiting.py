"""Waiting for an event, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from serving import PATIENCE


def until(holds: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for something to be so; fails where it does not come to that."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)
