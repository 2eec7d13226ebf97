"""`opslayer console`: the pages alone, as `opslayer up` shows them beside everything else."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from commands import serve, up
from commands.context import context
from commands.output import AsJson, complain, emit, say
from commands.supervisor import supervise
from opslayer.stop import stop_signal


def console(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = serve.LOOPBACK,
    port: Annotated[int, Parameter(help="Port to listen on.")] = 8080,
    as_json: AsJson = False,
) -> None:
    """Show the console on this machine until Ctrl-C.

    Without any key (`opslayer keys create`, or OPSLAYER_ADMIN_KEY) it listens on this machine
    alone. TLS ends before it.
    """
    here = context()
    here.capabilities()  # a broken file is told before anything starts
    serve.check_host(here, host)
    stopped = stop_signal()
    listening = serve.listen(host, port)
    desk = up.console(listening)
    if as_json:
        emit({"address": desk.address})
    else:
        say(f"console  {desk.address}\nCtrl-C stops it")
    sys.stdout.flush()
    with listening:
        supervise([desk], here.settings.root / "logs", stopped.is_set, complain)
