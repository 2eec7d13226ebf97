"""The gateway's processes are forked from one that has loaded everything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from serving import Served, serving
from upstream import DESK, upstream
from waiting import until

from benchmarks.crash import descendants, workers


@contextmanager
def silence() -> Iterator[str]:
    """Where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def catches(pid: int, number: int) -> bool:
    """Whether a process does something of its own at a signal."""
    told = Path(f"/proc/{pid}/status").read_text()
    (mask,) = [line.split()[1] for line in told.splitlines() if line.startswith("SigCgt")]
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    with upstream() as address:
        (folder / "desk.yaml").write_text(DESK.format(url=address))
        with serving(tmp_path / "home", tmp_path / "configs", workers=2) as one:
            yield one


def names(gateway: int) -> dict[str, int]:
    """What lives below a gateway: process ids by name."""
    found = {}
    for pid in descendants(gateway)[1:]:
        with suppress(OSError):
            found[Path(f"/proc/{pid}/comm").read_text().strip()] = pid
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def lives(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def asked(url: str) -> str:
    body = {"model": "desk", "messages": [{"role": "user", "content": "hello"}]}
    said = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)
    assert said.status_code == 200, said.text
    return said.headers["x-opslayer-interaction"]


def test_each_is_known_by_name_and_has_a_group_of_its_own(served: Served) -> None:
    there = names(served.process.pid)
    assert {"gateway-1", "gateway-2", "drain", "watch"} <= set(there)
    for name in ("gateway-1", "gateway-2", "drain", "watch"):
        assert os.getpgid(there[name]) == there[name]


def test_no_two_of_them_give_the_same_id(served: Served) -> None:
    told = {asked(served.url) for _ in range(40)}
    os.kill(workers(served.process.pid)[0], signal.SIGKILL)
    until(lambda: len(workers(served.process.pid)) == 2)
    told |= {asked(served.url) for _ in range(40)}
    assert len(told) == 80


def test_with_the_supervisor_killed_none_of_them_lives_on(served: Served) -> None:
    there = names(served.process.pid).values()
    assert len(there) >= 5
    os.kill(served.process.pid, signal.SIGKILL)
    until(lambda: not any(map(lives, there)))


def test_with_the_supervisor_killed_a_worker_that_still_starts_does_not_live_on(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "desk.yaml").write_text(DESK.format(url="http://127.0.0.1:9"))
    with (
        silence() as address,
        serving(
            tmp_path / "home",
            tmp_path / "configs",
            environment={"OPSLAYER_DATABASE_URL": f"postgresql+psycopg://{address}/opslayer"},
            ready=None,
        ) as one,
    ):
        until(lambda: "gateway-1" in names(one.process.pid))
        there = names(one.process.pid).values()
        (worker,) = workers(one.process.pid)
        until(lambda: catches(worker, signal.SIGTERM))
        os.kill(one.process.pid, signal.SIGKILL)
        until(lambda: not any(map(lives, there)))


def test_where_what_they_are_forked_from_dies_all_are_there_again(served: Served) -> None:
    before = names(served.process.pid)
    os.kill(parent(before["gateway-1"]), signal.SIGKILL)

    def again() -> bool:
        there = names(served.process.pid)
        return {"gateway-1", "gateway-2", "drain"} <= set(there) and not any(
            there[name] == before[name] for name in ("gateway-1", "gateway-2", "drain")
        )

    until(again)
    assert asked(served.url)
    loaded = Path(f"/proc/{parent(names(served.process.pid)['gateway-1'])}/environ").read_bytes()
    own = dict(line.partition(b"=")[::2] for line in loaded.split(b"\0"))
    assert own[b"OMP_NUM_THREADS"] == b"1"
    assert own[b"PROMETHEUS_MULTIPROC_DIR"].endswith(b"/gateway/metrics")
    assert own[b"OPSLAYER_SUPERVISOR"] == str(served.process.pid).encode()


def test_what_is_forked_collects_what_is_left_in_circles(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKS, str(tmp_path / "one.log")]
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "one.log").read_text() == "True"


FORKS = """
import os, pathlib, sys
from commands.forked import Fork, Forked, load
load({}, models=False)
said = Fork("builtins:exec", ("import gc; print(gc.isenabled(), end='')",))
assert Forked.start("one", said, os.environ, pathlib.Path(sys.argv[1])).wait(60) == 0
"""
"""In a process of its own: one has one fork server, and other tests have begun theirs."""
