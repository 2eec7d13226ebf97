"""Keep services running: start each in its own process group, start it again when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from commands.forked import Fork, Forked
from opslayer.settings import SUPERVISOR

PATIENCE = 10.0
"""Seconds a service gets to stop by itself, where it says nothing else."""

LIVED = 3.0
"""Seconds after which a service that dies is started again at once."""

LONGEST_PAUSE = 30.0
"""Seconds between two starts of a service that dies at once, at most."""


@dataclass(frozen=True)
class Service:
    """One process to keep running."""

    name: str
    command: Sequence[str] | Fork
    address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    """Where it answers once it is ready; empty for one that answers nobody."""
    passes: Sequence[int] = ()
    """Open files that it is handed."""
    logs_to_stderr: bool = False
    """Whether it is heard on our own standard error, and not in a file."""
    patience: float = PATIENCE
    """Seconds it gets to stop by itself."""
    last: bool = False
    """Whether it is stopped once the others are gone: it carries on what they leave."""


@dataclass
class Running:
    """A service, its process, and when it may be started again."""

    service: Service
    log: Path
    process: subprocess.Popen[bytes] | Forked | None = None
    starts: int = 0
    started: float = 0.0
    next_start: float = 0.0

    def start(self) -> None:
        """Start the process in a group of its own, its output appended to its log."""
        one = self.service
        if isinstance(one.command, Fork):
            log = None if one.logs_to_stderr else self.log
            self.process = Forked.start(one.name, one.command, one.environment, log)
        else:
            self.process = self._open(one.command)
        self.starts += 1
        self.started = time.monotonic()

    def _open(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            heard = None if self.service.logs_to_stderr else log
            return subprocess.Popen(  # noqa: S603 - our own commands
                command,
                stdout=subprocess.DEVNULL if heard is None else heard,
                stderr=None if heard is None else subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, SUPERVISOR: str(os.getpid()), **self.service.environment},
                pass_fds=self.service.passes,
                start_new_session=True,
            )

    def tend(self, now: float, tell: Callable[[str], None]) -> None:
        """Start it if it is not running and its pause is over."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None and self.next_start <= 0:
            if now - self.started > LIVED:
                self.starts = 0  # what has lived that long does not die at every start
            pause = pause_after(self.starts)
            code = self.process.returncode
            tell(f"{self.service.name} ended with {code}; again in {pause:g} s (log: {self.log})")
            self.next_start = now + pause
        if now >= self.next_start:
            self.next_start = 0.0
            self.start()

    def ask_to_stop(self) -> None:
        """Ask the whole group to stop."""
        if self.process is not None and not _signal_group(self.process.pid, signal.SIGTERM):
            self._ask_alone()

    def _ask_alone(self) -> None:
        """Ask a process that has not made its group yet."""
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGTERM)

    def stop(self, deadline: float) -> None:
        """Wait for the group to stop, then make it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
        _signal_group(self.process.pid, signal.SIGKILL)  # children that outlived their parent


def pause_after(starts: int) -> float:
    """Seconds before another start of what has died at once so often: none after the first death,
    which may be anybody's doing, then longer each time."""
    return 0.0 if starts < 2 else min(LONGEST_PAUSE, 0.25 * 2.0 ** min(starts - 2, 7))


def supervise(
    services: Sequence[Service], logs: Path, stop: Callable[[], bool], tell: Callable[[str], None]
) -> None:
    """Keep every service running until `stop` says so; then stop all, with their children."""
    logs.mkdir(parents=True, exist_ok=True)
    running = [Running(service, logs / f"{service.name}.log") for service in services]
    try:
        while not stop():
            for one in running:
                one.tend(time.monotonic(), tell)
            time.sleep(0.2)
    finally:
        _stop([one for one in running if not one.service.last])
        _stop([one for one in running if one.service.last])


def _stop(running: Sequence[Running]) -> None:
    for one in running:
        one.ask_to_stop()
    asked = time.monotonic()
    for one in running:
        one.stop(asked + one.service.patience)


def _signal_group(pid: int, number: signal.Signals) -> bool:
    """Whether there was such a group."""
    with suppress(ProcessLookupError):  # gone already, which is what was asked for
        os.killpg(pid, number)
        return True
    return False
