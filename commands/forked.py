"""Processes that are forked from one that has loaded everything: they start in a moment.

Loading the libraries takes longer than all else that a service does until it answers, and would be
done by each of them. The standard library's fork server does it once, beside what the command has
to do itself, and what is forked shares its memory. None of them outlives the supervisor.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from opslayer.settings import SUPERVISOR

FORKING = multiprocessing.get_context("forkserver")
MODELS = ("opslayer.learners.rows", "sklearn.compose", "sklearn.pipeline", "skops.io")
"""What answers from trained models takes besides: a second, which only upstreams do without."""
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Heard only while the libraries are loaded. A library with threads could not be forked either."""


@dataclass(frozen=True)
class Fork:
    """A function and what it is called with, as a process.

    `run` names it, "module:function": what it needs is loaded where it runs, and not here.
    """

    run: str
    args: tuple[Any, ...] = ()


def load(environment: Mapping[str, str], *, models: bool) -> None:
    """Begin to load what gateway processes need. `environment` is what theirs says from the start.

    `models`: whether anything answers from trained models.
    """
    FORKING.set_forkserver_preload([*(MODELS if models else ()), "gateway.loaded"])
    with _as_theirs(environment):
        forkserver.ensure_running()


@contextmanager
def _as_theirs(environment: Mapping[str, str]) -> Iterator[None]:
    """This process's environment as a fork server is to have it, which inherits it at its start."""
    before = dict(os.environ)
    os.environ.update({**SINGLE, **before, **environment, SUPERVISOR: str(os.getpid())})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Forked:
    """A process that was forked, with as much of `subprocess.Popen` as a supervisor asks for."""

    process: Any  # of the fork server's context, which has no name in the standard library's types

    @classmethod
    def start(
        cls, name: str, fork: Fork, environment: Mapping[str, str], log: Path | None
    ) -> Forked:
        """Start it in a process group of its own; its output goes to `log`, else to ours."""
        told = (name, dict(environment), log, fork.run, fork.args)
        process = FORKING.Process(target=become, args=told, name=name, daemon=True)
        with _as_theirs(environment):  # where the fork server has died, another one is started
            process.start()
        return cls(process)

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        return int(self.process.pid)

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.exitcode  # type: ignore[no-any-return]

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended; raises subprocess.TimeoutExpired."""
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0.0)
        return self.returncode


def become(
    name: str,
    environment: Mapping[str, str],
    log: Path | None,
    run: str,
    args: tuple[Any, ...],
) -> None:
    """In the new process: be what a supervisor starts, and run."""
    from gateway.loaded import LOADER
    from opslayer.parent import call_process, die_with_parent

    os.setsid()
    call_process(name)
    os.environ.update(environment)
    os.environ[SUPERVISOR] = str(LOADER)
    die_with_parent()
    if log is not None:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    gc.enable()  # the loader had nothing to collect; whoever goes on for weeks has
    resolve_name(run)(*args)
    sys.stdout.flush()
