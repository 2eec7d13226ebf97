"""What runs once an address answers: `python -m commands.after URL MODULE`, or `after`."""

from __future__ import annotations

import runpy
import sys
import time
import urllib.error
import urllib.request
from pkgutil import resolve_name

PATIENCE = 180.0
"""Seconds; then it ends, and its supervisor starts it again."""


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own server
            return bool(reply.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def wait(url: str) -> None:
    """Wait until an address answers; ends the process where it does not come to that."""
    deadline = time.monotonic() + PATIENCE
    while not answers(url):
        if time.monotonic() > deadline:
            sys.exit(f"{url} did not answer within {PATIENCE:g} s")
        time.sleep(0.5)


def after(url: str, run: str) -> None:
    """Wait for an address, then run what is named "module:function"."""
    wait(url)
    resolve_name(run)()


def main() -> None:
    """Wait for the address, then become the module."""
    url, module = sys.argv[1:3]
    wait(url)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
