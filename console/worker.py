"""`python -m console.worker FD`: the console, on a socket that its parent opened."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from console.app import console
from console.desk import Desk
from opslayer.parent import die_with_parent
from opslayer.settings import Settings

HEAD = 16 * 1024
"""Bytes of a request's head, at most."""


def main() -> None:
    """Serve pages until told to stop."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING)
    app = console(Desk.at(Settings()))
    config = uvicorn.Config(
        app, ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False,
        proxy_headers=False, h11_max_incomplete_event_size=HEAD, timeout_graceful_shutdown=5,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
