"""Whether a later run of the same schedule has come due: it does what this one would do.

After a month without a worker, all of a schedule's runs come at once.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import deployment, flow_run

UNFINISHED = ["SCHEDULED", "PENDING", "RUNNING"]


def overtaken() -> bool:
    """Whether one does: this run's deployment, without a moment of its own, later and not ended.

    False where no server deployed us, and where it does not answer: what is done twice counts once.
    """
    if deployment.id is None:
        return False
    with suppress(httpx.HTTPError):
        later = _later(flow_run.scheduled_start_time)
        return any(run.parameters.get("as_of") is None for run in later)
    return False


def _later(mine: datetime) -> list[FlowRun]:
    due = {"after_": mine + timedelta(microseconds=1), "before_": datetime.now(UTC)}
    wanted = {
        "deployment_id": {"any_": [deployment.id]},
        "state": {"type": {"any_": UNFINISHED}},
        "expected_start_time": due,
    }
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted))
