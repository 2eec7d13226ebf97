"""How a step runs under Prefect: retried where a retry can help, never cached, bounded in time."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from opslayer.errors import OpslayerError, StoreError


def may_retry(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """A refusal is refused again; a store that is away, or a surprise, may be gone next time."""
    cause = state.result(raise_on_failure=False)
    return isinstance(cause, StoreError) or not isinstance(cause, OpslayerError)


# Caching is off because a step's result is its effect on the stores, which know themselves what
# was done already; results are not persisted because nothing that passes here may rest there.
step = partial(
    task,
    retries=2,
    retry_delay_seconds=[1, 5],
    retry_condition_fn=may_retry,
    cache_policy=NO_CACHE,
    persist_result=False,
)
