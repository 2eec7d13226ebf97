"""One worker process, on a socket that its supervisor opened."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

COLLECT = (20_000, 50, 100)
"""Objects between two collections: calls make few cycles, and leave them quickly."""
SWITCH = 0.001
"""Seconds after which a thread gives way: those that commit and predict wait for the loop's."""


def settle_memory() -> None:
    """What is loaded stays: no need to look through it again and again."""
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()


async def serve(listening: socket.socket, name: str) -> None:
    """Load what serves, then answer until told to stop."""
    from gateway.assembly import assemble
    from gateway.server import server
    from opslayer.settings import Settings

    gateway = assemble(Settings(), name)
    answering = server(gateway, gateway.admission)
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server hears these itself once it runs, and raises them again when it has stopped: by
        # then the journal and the purse are still to be closed. Before it runs, they are told to
        # it: a parent that has died says so only once.
        signal.signal(number, lambda *_: setattr(answering, "should_exit", True))
    await gateway.start()
    settle_memory()
    try:
        await answering.serve(sockets=[listening])
    finally:
        await gateway.stop()


def run(listening: socket.socket, name: str) -> None:
    """Serve on a socket; `name` is the worker's own, after a restart too."""
    gc.disable()  # while everything is loaded: there is nothing to collect
    import uvloop

    from gateway.logs import configure

    sys.setswitchinterval(SWITCH)
    configure(os.environ.get("OPSLAYER_LOG_LEVEL", "info"))
    uvloop.run(serve(listening, name))
