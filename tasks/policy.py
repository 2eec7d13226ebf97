"""How a step runs under Prefect: retried where a retry can help, never cached, bounded in time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from opslayer.errors import OpslayerError, StoreError

progress = logging.getLogger("opslayer.progress")
"""One line at INFO as each step begins, for whoever waits at a terminal or reads the run's page."""

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
PAUSES = [1.0, 5.0]
"""Seconds before each retry: what is only busy is over by then, what is down is not."""


def may_retry(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """A refusal is refused again; a store that is away, or a surprise, may be gone next time."""
    cause = state.result(raise_on_failure=False)
    return isinstance(cause, StoreError) or not isinstance(cause, OpslayerError)


def announce(_task: Any, run: TaskRun, _state: State[Any]) -> None:
    """Say that a step begins."""
    progress.info("%s …", run.name.rsplit("-", 1)[0])


def step(within: timedelta, body: Callable[P, R]) -> Callable[P, R]:
    """A step as a Prefect task with the step's own signature.

    Caching is off because a step's result is its effect on the stores, which know themselves what
    was done already. Results are not persisted: nothing that passes here may rest there.
    """
    wrap = task(
        retries=RETRIES,
        retry_delay_seconds=PAUSES,
        retry_condition_fn=may_retry,
        on_running=[announce],
        timeout_seconds=within.total_seconds(),
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return cast(Callable[P, R], wrap(body))
