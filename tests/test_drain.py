"""The drain: what the journal holds comes into the log once, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from backend import SERVER, local_only
from feeds import NOW, declared
from serving import PATIENCE
from waiting import until

from benchmarks.traced import strace
from gateway.drain import run
from opslayer.errors import StoreError
from opslayer.records import Interaction
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores
from opslayer.stores.journal import Entry, drain
from opslayer.stores.ledger.database import engine

WRITER = """
import sys
from pathlib import Path
from opslayer.stores.journal import Entry, Journal
writer = Journal(Path(sys.argv[1])).writer(sys.argv[2])
for number in range(60):
    ids = [f"{sys.argv[2]}-{number:03}-{part}" for part in range(4)]
    writer.append([Entry("feedback", id, "shop", "x" * 40_000) for id in ids])
"""
DRAINER = """
import sys
from pathlib import Path
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.journal import drain
stores = Stores.at(Settings(home=Path(sys.argv[1])))
drain(stores.journal, stores.events)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "gateway.drain"])
print(child.pid, flush=True)
child.wait()
"""


def entry(id: str, text: str = "{}") -> Entry:
    return Entry("feedback", id, "shop", text)


def ids(stores: Stores) -> list[str]:
    return [event.id for event in stores.events.read("shop", {}, 100_000).events]


@contextmanager
def draining(home: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that drains a home."""
    environment = {**os.environ, "OPSLAYER_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, *(command or ("-m", "gateway.drain"))],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_processes_write_while_it_is_drained_arrives_once_and_in_order(stores: Stores) -> None:
    names = ["a", "b"]
    command = [sys.executable, "-c", WRITER, str(stores.journal.root)]
    writing = [subprocess.Popen([*command, name]) for name in names]
    drains = 0
    while any(process.poll() is None for process in writing):
        others = [Thread(target=drain, args=(stores.journal, stores.events)) for _ in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()
        drains += 1
    assert [process.wait() for process in writing] == [0, 0]
    drain(stores.journal, stores.events)
    assert drains > 1
    wanted = [f"{name}-{n:03}-{part}" for name in names for n in range(60) for part in range(4)]
    assert ids(stores) == wanted  # read by writer, each in its order
    assert not list(stores.journal.root.glob("*/[0-9]*"))


SQLITE_CALLS = [("pwrite64", at) for at in (1, 2, 4, 7, 10, 12)] + [
    ("fdatasync", 1),
    ("fdatasync", 2),
]
CALLS = [("sendto", at) for at in (2, 4, 6, 8)]
"""By which PostgreSQL's client speaks to it."""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("call", "at"),
    [
        *(CALLS if SERVER else SQLITE_CALLS),
        *(("unlink", at) for at in (1, 2)),
    ],
)
def test_a_drain_killed_at_any_call_loses_and_doubles_nothing(
    stores: Stores, tmp_path: Path, call: str, at: int
) -> None:
    stores.events.append([], "nobody")  # makes the database, so that the kill meets the drain
    before = stores.journal.writer("gone")
    before.append([entry("1"), entry("2")])
    drain(stores.journal, stores.events)
    before.append([entry("3"), entry("4")])
    before.close()
    later = stores.journal.writer("here")
    later.append([entry("5"), entry("6")])
    command = strace(tmp_path / "trace", [f"{call}:signal=SIGKILL:when={at}"])
    ran = subprocess.run(
        [*command, sys.executable, "-c", DRAINER, str(tmp_path / "home")],
        check=False,
        capture_output=True,
    )
    assert ran.returncode == -signal.SIGKILL
    drain(stores.journal, stores.events)
    later.append([entry("7")])
    drain(stores.journal, stores.events)
    later.close()
    assert ids(stores) == ["1", "2", "3", "4", "5", "6", "7"]


def test_a_log_that_is_away_keeps_everything_in_the_journal(tmp_path: Path) -> None:
    database = tmp_path / "away" / "log.db"
    stores = Stores.at(Settings(home=tmp_path / "home", database_url=f"sqlite:///{database}"))
    writer = stores.journal.writer("one")
    writer.append([entry("a")])
    with pytest.raises(StoreError, match="did not answer"):
        drain(stores.journal, stores.events)
    writer.close()
    database.parent.mkdir()
    assert drain(stores.journal, stores.events) == 1
    assert ids(stores) == ["a"]


def test_the_process_says_once_that_the_log_is_away_and_waits_longer(tmp_path: Path) -> None:
    database = tmp_path / "away" / "log.db"
    stores = Stores.at(Settings(home=tmp_path / "home", database_url=f"sqlite:///{database}"))
    writer = stores.journal.writer("one")
    writer.append([entry("a")])
    waits: list[float] = []
    said: list[str] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 3:
            database.parent.mkdir()
        if len(waits) == 5:
            writer.append([entry("b")])
            return True
        return False

    run(stores, wait, said.append)
    writer.close()
    assert len(said) == 2
    assert "nothing is lost" in said[0]
    assert said[1] == "the interaction log answers again"
    assert waits[0] == waits[1] == waits[2] > waits[3] == waits[4]
    assert ids(stores) == ["a", "b"]


def test_the_process_carries_what_comes_and_once_more_when_it_is_told_to_stop(
    stores: Stores, tmp_path: Path
) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a")])
    with draining(tmp_path / "home") as process:
        until(lambda: ids(stores) == ["a"])
        writer.append([entry("b")])
        until(lambda: ids(stores) == ["a", "b"])
        writer.append([entry("c")])
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert ids(stores) == ["a", "b", "c"]
    writer.close()


def test_the_process_does_not_outlive_the_one_that_started_it(
    stores: Stores, tmp_path: Path
) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a")])
    with draining(tmp_path / "home", "-c", PARENT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until(lambda: ids(stores) == ["a"])
        parent.kill()
        until(lambda: _gone(child))
    writer.close()


def _gone(pid: int) -> bool:
    """Whether a process has ended; who should hear of it may not have listened yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_an_ingest_reads_what_was_in_the_journal_alone(stores: Stores) -> None:
    asked = Interaction(
        id="i1",
        capability="bikes",
        event_time=NOW,
        input={"temp": 3, "rain": True, "town": "Ghent"},
        output={"value": 5},
        variant="model-1",
        release=2,
    )
    writer = stores.journal.writer("one")
    writer.append([Entry("interaction", "i1", "bikes", asked.model_dump_json())])
    assert ingest(declared("none*", {}), stores, NOW).counts.stored == 1
    writer.close()


def test_a_journal_that_can_t_be_read_is_a_store_error(stores: Stores) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a", json.dumps("x"))])
    lock = stores.journal.root / "lock"
    lock.mkdir()
    with pytest.raises(StoreError, match="can't be carried on: Is a directory"):
        drain(stores.journal, stores.events)
    lock.rmdir()
    assert drain(stores.journal, stores.events) == 1
    writer.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
@local_only("a disk that holds SQLite's log too")
def test_a_disk_full_of_journal_and_log_loses_nothing_and_goes_on_once_there_is_room(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    stores = Stores.at(Settings(home=disk / "home"))
    try:
        writer = stores.journal.writer("one")
        kept = [f"k{n:05}" for n in _until_full(stores, lambda id: writer.append([entry(id, BIG)]))]
        with pytest.raises(StoreError):
            drain(stores.journal, stores.events)
        (disk / "other").unlink()
        writer.append([entry("later", BIG)])
        drain(stores.journal, stores.events)
        writer.close()
        drain(stores.journal, stores.events)
        assert len(kept) > 100
        assert {*kept, "later"} <= {*ids(stores)}
        assert len(ids(stores)) == len({*ids(stores)})
    finally:
        engine(stores.events.url).dispose()  # else it keeps the disk busy
        subprocess.run(["umount", str(disk)], check=True)


BIG = json.dumps("x" * 2000)


def _until_full(stores: Stores, append: Callable[[str], None]) -> Iterator[int]:
    """Append beside another file, draining now and then, until the disk takes no more; then fill
    its last corners. The numbers that were acknowledged."""
    other = stores.journal.root.parents[1] / "other"
    other.write_bytes(bytes(5 * 2**20))
    for number in range(100_000):
        try:
            append(f"k{number:05}")
        except StoreError:
            break
        yield number
        if number == 100:
            drain(stores.journal, stores.events)
    with other.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
