"""Real servers that can be taken away and brought back: PostgreSQL, S3, MLflow and Prefect.

What `infra/compose` starts on one host, on free ports below one folder: the ledger, MLflow and
Prefect each have a database of PostgreSQL's, the lake and the models lie on S3, which is moto's.
Prefect wants an extension that the PostgreSQL of the tests lacks, so this takes one that has it:
`apt-get install postgresql` on Debian.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from benchmarks.crash import descendants
from tests import backend

PATIENCE = 240.0
"""Seconds for a server to answer: MLflow and Prefect each make a schema at first."""
POSTGRES = ("listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=32MB")
"""It syncs: what was committed is there after a kill."""
DATABASES = ("opslayer", "mlflow", "prefect")
BUCKETS = ("lake", "models")


@dataclass
class Server:
    """One server's process."""

    name: str
    command: Sequence[str]
    address: str
    """Its URL; where it has pages, with the path that tells its health."""
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None
    around: Mapping[str, str] = field(default_factory=dict)
    """The environment at its first start, which is that of each later one: other machines' clocks
    do not jump."""

    def start(self) -> None:
        """Start it, in a group of its own, and wait until it answers."""
        self.around = self.around or dict(os.environ)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**self.around, **self.environment},
                user=self.user,
                cwd="/" if self.user else None,
                start_new_session=True,
            )
        until(self._answers_or_ended, PATIENCE, f"{self.name} to answer")
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {said}")

    def _answers_or_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None or self.answers()

    def answers(self) -> bool:
        """Whether it takes a connection and, where it tells its health, is well."""
        parts = urlsplit(self.address)
        try:
            if parts.path:
                with urlopen(self.address, timeout=5) as reply:
                    return bool(reply.status == 200)
            with socket.create_connection((parts.hostname, parts.port), 5):
                return True
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End it as an operator does: PostgreSQL rolls back what is open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        """Let it answer nobody, with every connection open, as a machine does that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def refusing(self, status: str) -> Iterator[None]:
        """S3 alone: answer every call with 403 or 503."""
        told = Path(self.command[-1])
        told.write_text(status)
        try:
            yield
        finally:
            told.unlink()

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        for one in descendants(self.process.pid):  # PostgreSQL's lead groups
            with suppress(ProcessLookupError):
                os.kill(one, number)


@dataclass
class Servers:
    """All four, and what a process has to have in its environment to find them."""

    postgres: Server
    s3: Server
    mlflow: Server
    prefect: Server
    environment: dict[str, str]


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Start all four; name them in this process's environment while the block runs."""
    before = dict(os.environ)
    with ExitStack() as stack:
        stack.callback(_restore, before)
        command, owner = backend.postgres(folder, POSTGRES, "pg_trgm")
        at = owner.partition("@")[2]
        postgres = Server(
            "postgres", command, f"tcp://{at}", folder / "postgres.log", user=backend.server_user()
        )
        port = backend.free_port()
        moto = [sys.executable, "-m", "benchmarks.refusing_s3", str(port), str(folder / "refuse")]
        s3 = Server("s3", moto, f"tcp://127.0.0.1:{port}", folder / "s3.log")
        for one in (postgres, s3):
            one.start()
            stack.callback(one.stop)
        os.environ |= backend.S3 | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        _prepare(owner)
        mlflow, prefect = _mlflow(folder, owner), _prefect(folder, owner)
        os.environ |= _addresses(owner, mlflow, prefect)
        for one in (mlflow, prefect):
            one.start()
            stack.callback(one.stop)
        there = {name: os.environ[name] for name in os.environ if name not in before}
        yield Servers(postgres, s3, mlflow, prefect, there)


def _restore(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _prepare(owner: str) -> None:
    """Make the databases and the buckets."""
    import boto3
    import psycopg

    with psycopg.connect(f"postgresql://{owner}/postgres", autocommit=True) as connection:
        for name in DATABASES:
            connection.execute(f"CREATE DATABASE {name}")
    for bucket in BUCKETS:
        boto3.client("s3").create_bucket(Bucket=bucket)


def _mlflow(folder: Path, owner: str) -> Server:
    port = backend.free_port()
    command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    return Server(
        "mlflow",
        [sys.executable, *command, "--workers", "1"],
        f"http://127.0.0.1:{port}/health",
        folder / "mlflow.log",
        {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://{owner}/mlflow",
            "MLFLOW_ARTIFACTS_DESTINATION": "s3://models",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
    )


def _prefect(folder: Path, owner: str) -> Server:
    port = backend.free_port()
    return Server(
        "prefect",
        [sys.executable, "-m", "prefect", "server", "start"],
        f"http://127.0.0.1:{port}/api/health",
        folder / "prefect.log",
        {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{owner}/prefect",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        },
    )


def _addresses(owner: str, mlflow: Server, prefect: Server) -> dict[str, str]:
    return {
        "OPSLAYER_DATABASE_URL": f"postgresql+psycopg://{owner}/opslayer",
        "OPSLAYER_LAKE_URL": "s3://lake",
        "OPSLAYER_MLFLOW_URL": mlflow.address.removesuffix("/health"),
        "PREFECT_API_URL": prefect.address.removesuffix("/health"),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "DO_NOT_TRACK": "1",
    }


def until(holds: Callable[[], bool], patience: float, what: str) -> None:
    """Wait for something to be so; TimeoutError where it does not come to that."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:g} s for {what}")
        time.sleep(0.5)
