"""Never more calls in a minute than a key may make, whoever counts and whoever dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access import Denied, Limits
from gateway.access.limits import MINUTE, OPEN
from opslayer.records import Key, Role

FORK = multiprocessing.get_context("fork")
SECOND = 10**9


def key(per_minute: int | None, id: str = "ops_aaaaaaaa") -> Key:
    return Key(
        id=id,
        digest="00" * 32,
        name="test",
        tenant="",
        roles=(Role.CALL,),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        per_minute=per_minute,
    )


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tmp_path: Path, clock: Clock) -> Iterator[Limits]:
    made = Limits(tmp_path / "limits", clock)
    yield made
    made.close()


def admitted(limits: Limits, limited: Key) -> bool:
    try:
        limits.take(limited)
    except Denied as denied:
        told = denied
    else:
        return True
    assert told.status == 429
    assert told.retry_after is not None
    assert 0 < told.retry_after <= 60
    return False


def test_a_key_has_its_calls_and_then_waits_for_the_oldest_to_be_a_minute_ago(
    limits: Limits, clock: Clock
) -> None:
    limits.take(key(2))
    clock.now += 20 * SECOND
    limits.take(key(2))
    clock.now += 30 * SECOND
    with pytest.raises(Denied, match="ops_aaaaaaaa may make 2 calls a minute") as denied:
        limits.take(key(2))
    assert (denied.value.status, denied.value.retry_after) == (429, 10.0)
    clock.now += 10 * SECOND
    limits.take(key(2))
    assert not admitted(limits, key(2))


def test_keys_don_t_count_for_one_another_and_some_have_no_limit(limits: Limits) -> None:
    assert admitted(limits, key(1, "ops_a"))
    assert admitted(limits, key(1, "ops_b"))
    assert not admitted(limits, key(1, "ops_a"))
    for _ in range(100):
        limits.take(key(None))
        limits.take(None)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 25 * SECOND), st.integers(0, 1)), max_size=60),
)
def test_a_call_is_admitted_exactly_when_the_last_minute_has_room(
    tmp_path_factory: pytest.TempPathFactory, per_minute: int, calls: list[tuple[int, int]]
) -> None:
    clock, folder = Clock(), tmp_path_factory.mktemp("limits")
    workers, made = [Limits(folder, clock), Limits(folder, clock)], list[int]()
    for pause, worker in calls:
        clock.now += pause
        room = sum(clock.now - MINUTE < moment for moment in made) < per_minute
        assert admitted(workers[worker], key(per_minute)) == room
        if room:
            made.append(clock.now)
    for one in workers:
        one.close()


def test_who_comes_again_after_the_time_it_was_told_is_admitted(
    limits: Limits, clock: Clock
) -> None:
    for _ in range(3):
        limits.take(key(3))
        clock.now += 7 * SECOND + 1
    for _ in range(20):
        with pytest.raises(Denied) as denied:
            limits.take(key(3))
        clock.now += round((denied.value.retry_after or 0) * 1e9)
        limits.take(key(3))


def test_a_machine_that_was_started_again_remembers_no_call(limits: Limits, clock: Clock) -> None:
    clock.now = 10**15
    limits.take(key(1))
    clock.now = SECOND  # the clock begins with the machine
    limits.take(key(1))
    assert not admitted(limits, key(1))


def test_more_keys_than_files_may_be_open_are_counted_all_the_same(limits: Limits) -> None:
    many = [key(1, f"ops_{number}") for number in range(OPEN + 50)]
    before = len(os.listdir("/proc/self/fd"))
    assert all(admitted(limits, one) for one in many)
    assert not any(admitted(limits, one) for one in many)
    assert len(os.listdir("/proc/self/fd")) <= before + OPEN


def test_a_folder_that_can_t_be_written_admits_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Denied, match="can't be counted") as denied:
        Limits(tmp_path / "file").take(key(5))
    assert denied.value.status == 503
    assert denied.value.retry_after


def _call(folder: Path, tries: int | None, pipe: int) -> None:
    limits = Limits(folder, Clock())
    for _ in repeat(None) if tries is None else repeat(None, tries):
        if admitted(limits, key(300)):
            os.write(pipe, b"x")


def test_workers_that_race_and_are_killed_never_pass_the_limit_together(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    tries = (None, 200, 200, 200)  # the first one calls until it is killed
    workers = [FORK.Process(target=_call, args=(tmp_path, n, writer)) for n in tries]
    for worker in workers:
        worker.start()
    os.close(writer)
    passed = 0
    while passed < 60:
        passed += len(os.read(reader, 1))
    os.kill(workers[0].pid or 0, signal.SIGKILL)
    while piece := os.read(reader, 4096):
        passed += len(piece)
    os.close(reader)
    for worker in workers:
        worker.join()
    assert workers[0].exitcode == -signal.SIGKILL
    # The killed worker's last call may have been counted before it could say so.
    assert passed in (299, 300)


def test_a_worker_killed_between_any_two_writes_costs_its_key_one_call_at_most(
    tmp_path: Path,
) -> None:
    for kill_at in (1, 2):
        limits = Limits(tmp_path / str(kill_at), Clock())
        limits.take(key(3))
        child = os.fork()
        if child == 0:
            _die_at_write(kill_at)
            Limits(tmp_path / str(kill_at), Clock()).take(key(3))
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        left = [admitted(limits, key(3)) for _ in range(3)]
        assert left == [True, kill_at == 1, False]
        limits.close()


def _die_at_write(number: int) -> None:
    write, seen = os.pwrite, [0]

    def pwrite(*words: object) -> int:
        seen[0] += 1
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return write(*words)  # type: ignore[arg-type]

    os.pwrite = pwrite
