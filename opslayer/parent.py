"""A process that lives as long as the one that started it, and no longer; and its name."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from opslayer.settings import SUPERVISOR

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15


def die_with_parent() -> None:
    """Ask the kernel to stop this process when its parent is gone, however that went.

    One whose parent went before it could ask would live for ever, and hold the port.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ.get(SUPERVISOR, str(os.getppid())) != str(os.getppid()):
        sys.exit("the process that started this one is gone")


def call_process(name: str) -> None:
    """Give this process a name that `ps` and `top` show; of more than 15 bytes the first ones."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())
