"""Who sits at this machine."""

from __future__ import annotations


def user() -> str:
    """The name of the machine's user; a number where a container's user has no name."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
