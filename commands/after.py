"""`python -m commands.after URL MODULE`: run a module once an address answers."""

from __future__ import annotations

import runpy
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 180.0
"""Seconds; then it ends, and its supervisor starts it again."""


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own server
            return bool(reply.status < 300)
    except (urllib.error.URLError, OSError):
        return False


def main() -> None:
    """Wait for the address, then become the module."""
    url, module = sys.argv[1:3]
    deadline = time.monotonic() + PATIENCE
    while not answers(url):
        if time.monotonic() > deadline:
            sys.exit(f"{url} did not answer within {PATIENCE:g} s")
        time.sleep(0.5)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
