"""Work in a process of its own that dies by SIGKILL at a chosen database write.

SQLAlchemy says when any of its engines, ours or MLflow's, is about to run a statement or to
commit; counting those that write gives every point at which a kill can leave a different state.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

PRELOADED = ["opslayer.steps.promote", "mlflow.store.tracking.sqlalchemy_store", "mlflow.sklearn"]

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
    process = FRESH.Process(target=_work_until, args=(point, work, args))
    process.start()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{work.__name__} ended with exit code {process.exitcode}")
    return process.exitcode != 0


def _work_until(point: int, work: Callable[..., Any], args: tuple[Any, ...]) -> None:
    from sqlalchemy import Engine, event

    left = [point]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def count_write(*call: Any) -> None:
        statement = call[2]
        if not statement.lstrip().upper().startswith(HARMLESS):
            count()

    event.listen(Engine, "before_cursor_execute", count_write)
    event.listen(Engine, "commit", count)
    work(*args)
