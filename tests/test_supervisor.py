"""`opslayer up` keeps its services running and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from commands import serve
from commands.supervisor import LONGEST_PAUSE, Service, pause_after, supervise
from gateway.server import GRACE
from opslayer.settings import SUPERVISOR

WRITES_AND_SLEEPS = """
import os, sys, time
print(os.getpid(), file=open(sys.argv[1], "a"), flush=True)
time.sleep(float(sys.argv[2]))
"""


def until(condition: Callable[[], bool], seconds: float = 60) -> Callable[[], bool]:
    """A stop callback: true once the condition holds; fails loudly past the deadline."""
    deadline = time.monotonic() + seconds

    def stop() -> bool:
        assert time.monotonic() < deadline, "the supervisor did not get there"
        return condition()

    return stop


def starts(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def service(path: Path, sleep: float) -> Service:
    return Service("probe", [sys.executable, "-c", WRITES_AND_SLEEPS, str(path), str(sleep)])


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_service_that_dies_is_started_again_and_told_of(tmp_path: Path) -> None:
    path, told = tmp_path / "starts", []
    stop = until(lambda: len(starts(path)) >= 2)
    supervise([service(path, 0)], tmp_path / "logs", stop, told.append)
    assert any("probe ended with 0" in line for line in told)


def test_stopping_leaves_no_process_behind(tmp_path: Path) -> None:
    path = tmp_path / "starts"
    stop = until(lambda: bool(starts(path)))
    supervise([service(path, 600)], tmp_path / "logs", stop, lambda _: None)
    assert not alive(starts(path)[0])


ENDS_SLOWLY = """
import signal, sys, time
def end(*_):
    time.sleep(float(sys.argv[2]))
    print(sys.argv[3], time.time(), file=open(sys.argv[1], "a"), flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print(sys.argv[3], file=open(sys.argv[1], "a"), flush=True)
time.sleep(600)
"""


def ending(path: Path, name: str, seconds: float, **how: Any) -> Service:
    command = [sys.executable, "-c", ENDS_SLOWLY, str(path), str(seconds), name]
    return Service(name, command, **how)


def test_what_carries_on_what_others_leave_is_stopped_after_them(tmp_path: Path) -> None:
    path = tmp_path / "said"
    services = [ending(path, "carrier", 0, last=True), ending(path, "worker", 1)]
    stop = until(lambda: path.exists() and len(path.read_text().splitlines()) == 2)
    supervise(services, tmp_path / "logs", stop, lambda _: None)
    ended = [line.split()[0] for line in path.read_text().splitlines()[2:]]
    assert ended == ["worker", "carrier"]


def test_a_service_gets_the_time_that_it_asks_for_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "said"
    services = [ending(path, "quick", 2, patience=0.5), ending(path, "slow", 2, patience=30)]
    stop = until(lambda: path.exists() and len(path.read_text().splitlines()) == 2)
    supervise(services, tmp_path / "logs", stop, lambda _: None)
    assert [line.split()[0] for line in path.read_text().splitlines()[2:]] == ["slow"]


def test_a_gateways_calls_get_the_time_that_its_server_gives_them() -> None:
    assert serve.PATIENCE > GRACE


def test_output_of_a_service_is_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "probe.log"
    says = "print('hello'); import time; time.sleep(600)"
    probe = Service("probe", [sys.executable, "-u", "-c", says])
    stop = until(lambda: log.exists() and b"hello" in log.read_bytes())
    supervise([probe], tmp_path / "logs", stop, lambda _: None)


def test_a_process_whose_supervisor_went_before_it_was_up_ends_by_itself() -> None:
    orphan = [sys.executable, "-m", "gateway.drain"]
    ran = subprocess.run(
        orphan,
        env={**os.environ, SUPERVISOR: "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr == "the process that started this one is gone\n"


def test_the_first_death_costs_no_pause_and_many_at_once_more_and_more() -> None:
    pauses = [pause_after(starts) for starts in range(1, 12)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert max(pauses) == LONGEST_PAUSE
