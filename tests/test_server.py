"""`opslayer up`: schedules and triggers on a real Prefect server, and retrains that start alone."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
from taught import shop

from opslayer.records import Cause, CauseKind
from opslayer.settings import Settings
from opslayer.stores import Stores
from tests import drifting

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], T], seconds: float = 150) -> T:
    """The first true answer of `what`; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError(f"nothing came of {what} within {seconds} s")


class Up(NamedTuple):
    """A running `opslayer up`."""

    process: subprocess.Popen[bytes]
    api: str
    stores: Stores

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to the Prefect server's API; None while it does not answer."""
        try:
            reply = httpx.post(f"{self.api}{path}", json=body or {}, timeout=10)
        except httpx.HTTPError:
            return None
        return reply.json() if reply.is_success else None

    def deployment(self, flow: str) -> dict[str, Any] | None:
        """The capability's deployment of a flow, once registered."""
        found = self.ask("/deployments/filter") or []
        mine = [one for one in found if one["entrypoint"] == f"flows.{flow}.{flow}"]
        return mine[0] if mine else None

    def run(self, flow: str, as_of: str) -> str:
        """Run a deployment now; the type of the state it ended in."""
        deployment = wait_for(lambda: self.deployment(flow))
        parameters = {"capability": drifting.NAME, "as_of": as_of}
        path = f"/deployments/{deployment['id']}/create_flow_run"
        asked = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        asked["idempotency_key"] = f"{flow} {as_of}"  # a busy server may answer too late
        run = wait_for(lambda: self.ask(path, asked))
        ended = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        def end() -> str | None:
            try:
                reply = httpx.get(f"{self.api}/flow_runs/{run['id']}", timeout=10)
            except httpx.HTTPError:
                return None
            state = reply.json()["state_type"] if reply.is_success else None
            return state if state in ended else None

        return str(wait_for(end))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    configs, home = drifting.write(folder, drifting.rows(), drifting.LINE), folder / "home"
    ports = free_port(), free_port(), free_port()
    clean = {key: value for key, value in os.environ.items() if "PREFECT" not in key}
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "import commands; commands.main()", "up"),
            *("--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1])),
            *("--gateway-port", str(ports[2])),
        ],
        env=clean | {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)},
    )
    running = Up(
        process, f"http://127.0.0.1:{ports[0]}/api", Stores.at(Settings(home=home, configs=configs))
    )
    try:
        wait_for(lambda: running.deployment("train_model"))
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_every_capability_is_watched_on_its_schedule(up: Up) -> None:
    deployment = wait_for(lambda: up.deployment("watch_production"))
    assert [one["schedule"]["cron"] for one in deployment["schedules"]] == ["0 6 * * *"]
    assert deployment["parameters"] == {"capability": drifting.NAME}
    assert not deployment["paused"]


@pytest.mark.parametrize("turned", ["2024-03-31", "2024-10-27"])
def test_a_schedule_has_every_hour_once_in_a_night_in_which_clocks_are_turned(turned: str) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    from flows.deployments import watching

    (made,) = watching(shop(monitor={"schedule": "0 * * * *"})).schedules
    schedule = CronSchedule(cron=made.schedule.cron, timezone=made.schedule.timezone)
    start = datetime.fromisoformat(turned).replace(tzinfo=UTC) - timedelta(hours=6)
    dates = asyncio.run(schedule.get_dates(36, start))
    assert dates == [start + timedelta(hours=hour) for hour in range(36)]


def test_harm_found_by_a_deployed_watch_rings_for_exactly_one_retrain(up: Up) -> None:
    ledger = up.stores.ledger
    assert up.run("train_model", "2024-02-01T00:00:00Z") == "COMPLETED"
    assert up.run("watch_production", "2024-02-26T00:00:00Z") == "COMPLETED"
    causes = [row for row in ledger.causes.list(drifting.NAME) if row.cause.by == "loop"]
    assert len(causes) == 1, "the upheaval of mid-February asks for one retrain"
    cause = causes[0].cause

    wait_for(lambda: ledger.causes.get(cause.id).status == "done")
    assert len(ledger.versions.for_cause(drifting.NAME, cause.id)) == len(cause.recipes)
    assert up.stores.models.champion(drifting.NAME) == (
        ledger.releases.newest(drifting.NAME).champion.model_version  # type: ignore[union-attr]
    )


def test_a_cause_whose_ring_was_lost_is_run_all_the_same(up: Up) -> None:
    cause = Cause(
        capability=drifting.NAME,
        kind=CauseKind.HARM,
        about="a window whose event never arrived",
        at=datetime(2024, 3, 5, tzinfo=UTC),
    )
    up.stores.ledger.causes.open(cause)
    wait_for(lambda: up.stores.ledger.causes.get(cause.id).status in ("done", "refused"))
    assert up.stores.ledger.versions.for_cause(drifting.NAME, cause.id)


def test_a_watch_whose_worker_and_server_died_keeps_no_later_one_waiting(up: Up) -> None:
    """Its run stays `Running` for ever: nobody is left to say otherwise."""
    assert up.run("train_model", "2024-02-01T00:00:00Z") == "COMPLETED"
    deployment = wait_for(lambda: up.deployment("watch_production"))
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2999-01-01T00:00:00Z"}}
    asked = {"parameters": {"capability": drifting.NAME}, "state": later}
    asked["idempotency_key"] = "left"  # as for every run here, and the worker must not take it
    path = f"/deployments/{deployment['id']}/create_flow_run"
    left = wait_for(lambda: up.ask(path, asked))["id"]

    def under_way() -> bool:
        for state in ("PENDING", "RUNNING"):
            # Only to be pending takes a place where there is a limit; the year is not waited for.
            said = {"state": {"type": state}, "force": state == "RUNNING"}
            up.ask(f"/flow_runs/{left}/set_state", said)
        found = up.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": [left]}}}) or []
        return [one["state_type"] for one in found] == ["RUNNING"]

    wait_for(under_way)
    assert up.run("watch_production", "2024-02-05T00:00:00Z") == "COMPLETED"


def test_of_a_schedule_s_runs_that_are_late_together_one_does_the_work(up: Up) -> None:
    """As a worker finds them that was away for days."""
    assert up.run("train_model", "2024-02-01T00:00:00Z") == "COMPLETED"
    deployment = wait_for(lambda: up.deployment("watch_production"))
    path, late = f"/deployments/{deployment['id']}/create_flow_run", []
    for day in (1, 2, 3):
        due = f"2025-01-{day:02}T06:00:00Z"
        asked = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}}
        asked["idempotency_key"] = f"late {due}"
        late.append(wait_for(lambda: up.ask(path, asked))["id"])  # noqa: B023 - waited for here
    runs = {"flow_runs": {"id": {"any_": late}}}

    def ended() -> bool:
        states = [one["state_type"] for one in up.ask("/flow_runs/filter", runs) or []]
        return states == ["COMPLETED"] * len(late)

    wait_for(ended, 400)
    tasks = up.ask("/task_runs/filter", runs)
    assert [one["flow_run_id"] for one in tasks if one["name"].startswith("monitor")] == late[-1:]


def test_the_run_page_shows_verdicts_drift_and_pages(up: Up) -> None:
    keys = {one["key"] for one in up.ask("/artifacts/filter") or []}
    name = drifting.NAME
    assert {f"verdicts-{name}", f"drift-{name}", f"pages-{name}"} <= keys


def test_mlflow_shows_the_registered_model(up: Up) -> None:
    port = next(
        word
        for line in (up.stores.reports.root.parent / "logs" / "mlflow.log").read_text().split("\n")
        for word in line.split()
        if word.startswith("http://127.0.0.1:")
    )
    found = httpx.get(f"{port}/api/2.0/mlflow/registered-models/search", timeout=30).json()
    assert [model["name"] for model in found["registered_models"]] == [drifting.NAME]


def descendants(pid: int) -> list[int]:
    """Every living process below one, from the kernel's own list."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def test_stopping_leaves_no_process_behind(up: Up) -> None:
    below = descendants(up.process.pid)
    assert len(below) >= 4, "four services"
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    deadline = time.monotonic() + 10  # a service's own children end a moment after it
    while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
