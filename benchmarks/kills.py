"""Work in a process of its own that dies by SIGKILL at a chosen database write.

SQLAlchemy says when any of its engines, ours or MLflow's, is about to run a statement or to
commit; counting those that write gives every point at which a kill can leave a different state.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

PRELOADED = ["opslayer.steps.promote", "mlflow.store.tracking.sqlalchemy_store", "mlflow.sklearn"]

CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "sqlite3.connect")
"""Audit events before each of which a kill can leave other files than a kill before the last."""

HARMLESS = ("SELECT", "PRAGMA", "BEGIN", "SAVEPOINT", "RELEASE")
"""A kill before one of these leaves what a kill after the write before it leaves."""

FRESH = multiprocessing.get_context("forkserver")
"""Processes forked from a clean one that has the heavy imports and no connection or thread."""

FRESH.set_forkserver_preload(PRELOADED)


def kill_points(work: Callable[..., Any], *args: Any, last: int = 10_000) -> Iterator[int]:
    """Run the work again and again, killed one write later each time, until it ends unharmed.

    Yields the number of each point right after the death there, for the caller to look at what is
    left; the end without a death is not yielded. `work` must be importable by name.
    """
    for point in range(1, last):
        if not dies(point, work, *args):
            return
        yield point


def dies(point: int, work: Callable[..., Any], *args: Any) -> bool:
    """Whether the work died before its `point`-th write or commit.

    RuntimeError if it ended with an error of its own.
    """
    return _died(_work_until, point, work, *args)


def dies_at_file(point: int, work: Callable[..., Any], *args: Any) -> bool:
    """As `dies`, also before the work opens a file to write it, makes, renames or removes one."""
    return _died(_files_until, point, work, *args)


def _died(target: Callable[..., None], point: int, work: Callable[..., Any], *args: Any) -> bool:
    process = FRESH.Process(target=target, args=(point, work, args))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{work.__name__} ended with exit code {process.exitcode}")
    return process.exitcode != 0


def _files_until(point: int, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    left = [point]
    before_files(lambda: _count(left))
    _work(left, work, args)


def before_files(do: Callable[[], None]) -> None:
    """Do something before each file that this process opens to write, makes, renames or removes."""

    def heard(name: str, told: tuple[Any, ...]) -> None:
        if name in CHANGES or (name == "open" and _writes(told)):
            do()

    sys.addaudithook(heard)


def before_writes(do: Callable[[], None]) -> None:
    """Do something before each statement that writes, and each commit, of any of SQLAlchemy's."""
    from sqlalchemy import Engine, event

    def statement(*call: Any) -> None:
        if not call[2].lstrip().upper().startswith(HARMLESS):
            do()

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", lambda *_: do())


def _writes(told: tuple[Any, ...]) -> bool:
    """Whether a file is opened to be written, as the audit event `open` tells."""
    _, mode, flags = told
    return any(sign in (mode or "") for sign in "wax+") or bool(
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )


def _count(left: list[int]) -> None:
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _work_until(point: int, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    _work([point], work, args)


def _work(left: list[int], work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    before_writes(lambda: _count(left))
    work(*args)
