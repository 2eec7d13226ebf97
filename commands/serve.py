"""`opslayer serve`: the gateway, its workers and its drain, kept running."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from commands.after import answers
from commands.context import Context, context
from commands.forked import Fork, Forked
from commands.loading import METRICS, begin, environment
from commands.output import AsJson, complain, emit, say
from commands.supervisor import Service, supervise
from opslayer.errors import OpslayerError, Refused, StoreError
from opslayer.stop import stop_signal

LOOPBACK = "127.0.0.1"
INTRODUCED = 10.0
"""Seconds that a start waits for the loading, and for the first releases to be made."""
PATIENCE = 30.0
"""Seconds a worker gets to stop: those for its calls under way (`gateway.server.GRACE`), and some
to close its books."""


def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, Parameter(help="Port to listen on.")] = 8000,
    workers: Annotated[int, Parameter(help="Processes that answer.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Answer the API on this machine until Ctrl-C.

    With --json one object with the address is printed once it answers. Without any key (`opslayer
    keys create`, or OPSLAYER_ADMIN_KEY) it listens on this machine alone.
    """
    here = context()
    load(here)
    check_host(here, host)
    introduce(here)
    stopped = stop_signal()
    listening = listen(host, port)
    running = services(here, listening, workers)
    address = f"http://{host}:{port}"
    told = threading.Thread(target=_tell, args=(address, as_json, stopped), daemon=True)
    told.start()

    def stopping() -> bool:
        if stopped.is_set():
            listening.close()  # else callers would still be let in, to wait for nobody
        return stopped.is_set()

    supervise(running, here.settings.root / "logs", stopping, complain)


def load(here: Context) -> None:
    """Go on, or begin, to load what the gateway's processes need, beside what is done here before
    they start; tells a broken file first."""
    here.capabilities()
    own = environment(here.settings)
    _empty(Path(own[METRICS]))
    begin(here.settings)


def _empty(folder: Path) -> None:
    """A folder with nothing in it; raises StoreError where the disk takes nothing."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(
            f"{folder} can't be written to ({error.strerror}), and no answer leaves before it is "
            "on disk: give this user the right, mount the disk for writing, or set OPSLAYER_HOME"
        ) from error


def introduce(here: Context) -> None:
    """Release what only upstreams can answer, in a process that has loaded what this takes.

    It is waited for a moment, so that a first start is ready at once. What was released before does
    not wait for a ledger that says nothing.
    """
    asked = Fork("commands.serve:introduce_all")
    with suppress(subprocess.TimeoutExpired):
        Forked.start("introduce", asked, environment(here.settings), None).wait(INTRODUCED)


def introduce_all() -> None:
    """In a process of its own: the first release of each capability that needs no training.

    While the ledger or the registry is away, what was released before is served all the same.
    """
    from datetime import UTC, datetime

    from opslayer.steps.introduce import introduce

    here = context()
    for capability in here.capabilities():
        try:
            introduce(capability, here.stores, datetime.now(UTC))
        except OpslayerError as error:
            complain(f"{capability.name}: {error}")


def check_host(here: Context, host: str) -> None:
    """Refuse an address that others reach while anybody may call."""
    from opslayer.loopback import is_loopback

    if is_loopback(host):
        return
    from gateway.access import Access
    from opslayer.stores.secret import installation_secret

    settings = here.settings
    secret = installation_secret(settings)
    access = Access(here.stores.ledger.keys, settings, secret, settings.root / "gateway" / "keys")
    access.look()
    if access.open_to_all():
        raise Refused(
            f"--host {host} would let anybody call, since there is no key: make one with "
            "`opslayer keys create`, or set OPSLAYER_ADMIN_KEY"
        )


def listen(host: str, port: int, option: str = "port") -> socket.socket:
    """The socket of all workers; Refused where it can't be had."""
    from gateway.listening import listen as open_socket

    try:
        return open_socket(host, port)
    except OSError as error:
        raise Refused(f"{host}:{port}: {error.strerror}: choose another with --{option}") from error


def services(
    here: Context, listening: socket.socket, workers: int, *, heard: bool = True
) -> list[Service]:
    """The workers, and beside them what carries their records into the log and watches trials.

    `heard` is whether they log to our own standard error, and not into files.
    """
    host = socket.gethostname().split(".")[0][:40] or "local"
    address, port = listening.getsockname()[:2]
    own, health = environment(here.settings), f"http://{address}:{port}/healthz"
    made = [
        Service(
            f"gateway-{number}",
            Fork("gateway.worker:run", (listening, f"{host}-{number}")),
            f"http://{address}:{port}" if number == 1 else "one more of them",
            own,
            health if number == 1 else "",
            logs_to_stderr=heard,
            patience=PATIENCE,
        )
        for number in range(1, workers + 1)
    ]
    others = [
        Service(
            "drain", Fork("gateway.drain:main"), "carries interactions into the log", own,
            logs_to_stderr=heard, last=True,
        ),
        Service(
            # Nothing is on trial before somebody can be answered.
            "watch", Fork("commands.after:after", (health, "gateway.watch:main")),
            "watches what is on trial", own, logs_to_stderr=heard,
        ),
    ]  # fmt: skip
    return [*made, *others]


def _tell(address: str, as_json: bool, stopped: threading.Event) -> None:
    """Say where it answers, once it does."""
    while not answers(f"{address}/healthz"):
        if stopped.wait(0.2):
            return
    if as_json:
        emit({"address": address, "pid": os.getpid()})
    else:
        say(f"gateway  {address}\ndocs     {address}/docs\nCtrl-C stops it")
    sys.stdout.flush()
