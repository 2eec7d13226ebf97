"""Locks between processes, which end with the process that has them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRIES, PAUSE = 40, 0.05
"""How often, and after how many seconds, a lock is tried again: whoever only looks holds it for
a moment."""


def take(handle: int) -> bool:
    """Take a lock for as long as its file is open; False where another process keeps it."""
    for _ in range(TRIES):
        if _try(handle):
            return True
        time.sleep(PAUSE)
    return False


def is_held(path: Path) -> bool:
    """Whether a process has a lock now; raises OSError."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(handle)
    finally:
        os.close(handle)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for a lock, and hold it inside the block; raises OSError where it can't be made."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
