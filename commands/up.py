"""`opslayer up`: the API, the console, the Prefect server with its worker, and MLflow."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from commands import serve
from commands.after import answers
from commands.context import Context, context
from commands.output import AsJson, complain, emit, say
from commands.supervisor import Service, supervise
from opslayer.errors import Refused
from opslayer.stop import stop_signal

HOST = "127.0.0.1"
"""Loopback alone: none of these services asks who calls."""


def up(
    *,
    prefect_port: Annotated[
        int, Parameter(help="Port of the Prefect server and its pages.")
    ] = 4200,
    mlflow_port: Annotated[int, Parameter(help="Port of MLflow's pages.")] = 5000,
    gateway_port: Annotated[int, Parameter(help="Port of the API.")] = 8000,
    console_port: Annotated[int, Parameter(help="Port of the console.")] = 8080,
    as_json: AsJson = False,
) -> None:
    """Start every service on this machine and keep it running until Ctrl-C.

    With --json one object with every service's address is printed once all of them answer; what
    happens to them later is told on standard error.
    """
    here = context()
    serve.load(here)  # tells a broken file before anything starts
    _need_free({"prefect": prefect_port, "mlflow": mlflow_port})
    serve.introduce(here)
    listening = serve.listen(HOST, gateway_port, "gateway-port")
    desk = serve.listen(HOST, console_port, "console-port")
    stopped = stop_signal()
    server, others = services(here, prefect_port, mlflow_port)
    gateway = serve.services(here, listening, 1, heard=False)
    running = [server, *others, *gateway, console(desk), sender()]
    logs = here.settings.root / "logs"
    if as_json:
        telling = (running, logs, stopped)
        threading.Thread(target=_tell_machine, args=telling, daemon=True).start()
    else:
        _tell_person(running, logs)
    supervise(running, logs, stopped.is_set, complain if as_json else say)


def _tell_person(running: Sequence[Service], logs: Path) -> None:
    for service in running:
        say(f"{service.name:8} {service.address}")
    say(f"logs     {logs}\nCtrl-C stops everything")
    sys.stdout.flush()


def _tell_machine(running: Sequence[Service], logs: Path, stopped: threading.Event) -> None:
    """Print the addresses once all of them answer."""
    while not all(answers(service.health) for service in running if service.health):
        if stopped.wait(0.5):
            return
    rows = [
        {"name": service.name, "address": service.address if service.health else None}
        for service in running
    ]
    emit({"services": rows, "logs": logs})
    sys.stdout.flush()


def services(here: Context, prefect_port: int, mlflow_port: int) -> tuple[Service, list[Service]]:
    """The Prefect server, and all that lives beside it."""
    from opslayer.stores.tracking import make_database

    root, tracking = here.settings.root, here.stores.models.tracking_uri
    make_database(tracking)
    api = f"http://{HOST}:{prefect_port}/api"
    own = {
        "PREFECT_HOME": os.environ.get("PREFECT_HOME", str(root / "prefect")),
        "PREFECT_SERVER_API_HOST": HOST,
        # The page calls the port named here; `--port` alone would leave it calling 4200.
        "PREFECT_SERVER_API_PORT": str(prefect_port),
        "PREFECT_API_URL": api,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    python = sys.executable
    server = Service(
        "prefect",
        [python, "-m", "prefect", "server", "start"],
        api.removesuffix("/api"),
        own,
        f"{api}/health",
    )
    wait = [python, "-m", "commands.after", server.health]
    mlflow = [python, "-m", "mlflow", "server", "--host", HOST, "--port", str(mlflow_port)]
    return server, [
        Service("worker", [*wait, "flows.deployments"], "runs what the schedules ask for", own),
        Service("relay", [*wait, "flows.relay"], "rings for causes that wait", own),
        Service(
            "mlflow",
            [*mlflow, "--backend-store-uri", tracking, "--workers", "1"],
            f"http://{HOST}:{mlflow_port}",
            # Jobs are for judging by language models; nothing here asks for them.
            {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            f"http://{HOST}:{mlflow_port}/health",
        ),
    ]


def console(listening: socket.socket) -> Service:
    """The pages on which people look and decide."""
    address = "http://{}:{}".format(*listening.getsockname()[:2])
    descriptor = listening.fileno()
    command = [sys.executable, "-m", "console.worker", str(descriptor)]
    return Service("console", command, address, {}, f"{address}/healthz", (descriptor,))


def sender() -> Service:
    """What tells webhooks what was decided."""
    command = [sys.executable, "-m", "commands", "webhooks", "send", "--follow"]
    return Service("webhooks", command, "tells what was decided to whom it may concern")


def _need_free(ports: dict[str, int]) -> None:
    taken = []
    for name, port in ports.items():
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                taken.append(f"port {port} is taken: choose another with --{name}-port")
    if taken:
        raise Refused("\n".join(taken))
