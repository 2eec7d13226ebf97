"""Our gateway with everything but capture: the other side of what capture costs.

No product has this switch: what is not kept can't be learnt from. `python -m benchmarks.unkept
PORT`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import uvloop

from gateway.assembly import assemble
from gateway.listening import listen
from gateway.logs import configure
from gateway.server import server
from gateway.worker import settle_memory
from opslayer.configuration import load_all
from opslayer.settings import Settings
from opslayer.steps.introduce import introduce
from opslayer.stores import Stores
from opslayer.stores.journal import Entry


async def write(*entries: Entry) -> None:
    """Take records and keep none."""


async def serve(port: int) -> None:
    """Serve until killed."""
    settings = Settings()
    for capability in load_all(settings.configs):
        introduce(capability, Stores.at(settings), datetime.now(UTC))
    made = assemble(settings, "unkept")
    made.answering.capture = type("Unkept", (), {"write": staticmethod(write)})()
    await made.start()
    settle_memory()
    await server(made, made.admission).serve(sockets=[listen("127.0.0.1", port)])


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    configure("warning")
    uvloop.run(serve(int(sys.argv[1])))
