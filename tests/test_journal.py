"""The journal: what is acknowledged is there after any death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.traced import calls, early, strace
from opslayer.errors import StoreError
from opslayer.stores import Stores
from opslayer.stores.journal import Entry, Journal, drain, entries_in

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
records = st.builds(
    Entry, st.sampled_from(["interaction", "feedback", "start"]), names, names, texts
)

APPENDER = """
import sys
import time
from pathlib import Path
from opslayer.stores.journal import Entry, Journal
writer = Journal(Path(sys.argv[1])).writer(sys.argv[2])
for number in range(100_000):
    entries = [Entry("feedback", f"{sys.argv[2]}-{number}-{part}", "shop", "x" * 2000)
               for part in range(3)]
    writer.append(entries)
    print(number, flush=True)
"""

STUBBORN = """
import os, sys
from pathlib import Path
from opslayer.errors import StoreError
from opslayer.stores.journal import Entry, Journal
os.write(2, f"{os.getpid()}\\n".encode())
writer = Journal(Path(sys.argv[1])).writer("one")
for number in range(int(sys.argv[2])):
    try:
        writer.append([Entry("feedback", f"id{number:03}", "shop", "x" * 900)])
        os.write(1, f"id{number:03}\\n".encode())
    except StoreError as error:
        os.write(1, f"# {error}\\n".encode())
"""
"""Appends, tells what it has appended, and goes on after a failure."""

traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def entry(id: str, text: str = "{}") -> Entry:
    return Entry("feedback", id, "shop", text)


def ids(stores: Stores) -> list[str]:
    return [event.id for event in stores.events.read("shop", {}, 100_000).events]


@given(st.lists(records, max_size=8))
def test_records_are_read_as_they_were_written(some: list[Entry]) -> None:
    data = b"".join(one.frame() for one in some)
    assert [one for one, _ in entries_in(data + b"\0" * 64)] == some


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_segment_cut_off_anywhere_gives_the_whole_records_before_the_cut(
    some: list[Entry], data: st.DataObject
) -> None:
    whole = b"".join(one.frame() for one in some)
    cut = data.draw(st.integers(0, len(whole)))
    found = [one for one, _ in entries_in(whole[:cut])]
    assert found == some[: len(found)]
    assert sum(len(one.frame()) for one in found) <= cut
    if cut == len(whole):
        assert found == some


@given(st.lists(records, min_size=1, max_size=4), st.data())
def test_a_flipped_bit_never_gives_a_record_that_nobody_wrote(
    some: list[Entry], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(one.frame() for one in some))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    assert all(one in some for one, _ in entries_in(bytes(whole)))


def test_a_drain_carries_every_record_once_however_often_it_runs(stores: Stores) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a"), entry("b")])
    assert drain(stores.journal, stores.events) == 2
    assert drain(stores.journal, stores.events) == 0
    writer.append([entry("b"), entry("c")])
    assert drain(stores.journal, stores.events) == 1
    assert ids(stores) == ["a", "b", "c"]
    writer.close()


def test_segments_of_a_writer_that_has_gone_are_taken_away_once_they_are_carried(
    stores: Stores,
) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a")])
    drain(stores.journal, stores.events)
    assert list((stores.journal.root / "one").glob("*.log"))
    writer.close()
    drain(stores.journal, stores.events)
    assert not list((stores.journal.root / "one").glob("*.log"))
    assert ids(stores) == ["a"]


def test_a_full_segment_is_followed_by_the_next(stores: Stores) -> None:
    writer = stores.journal.writer("one")
    for number in range(12):
        writer.append([entry(f"{number:02}", "x" * 1_000_000)])
    assert len(list((stores.journal.root / "one").glob("*.log"))) > 2
    assert drain(stores.journal, stores.events) == 12
    assert len(list((stores.journal.root / "one").glob("*.log"))) == 1
    assert ids(stores) == [f"{number:02}" for number in range(12)]
    writer.close()


def test_two_processes_never_write_one_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    writer = journal.writer("one")
    assert journal.is_written("one")
    with pytest.raises(StoreError, match="written by another process"):
        journal.writer("one")
    writer.close()
    assert not journal.is_written("one")
    journal.writer("one").close()


def test_a_drain_that_lost_its_hint_carries_nothing_twice(stores: Stores) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry("a"), entry("b")])
    drain(stores.journal, stores.events)
    for hint in stores.journal.root.glob("one/*.at"):
        hint.unlink()
    writer.append([entry("c")])
    assert drain(stores.journal, stores.events) == 1
    assert ids(stores) == ["a", "b", "c"]
    writer.close()


def test_what_a_killed_process_had_acknowledged_is_in_the_log(stores: Stores) -> None:
    root = stores.journal.root
    started = [
        subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(root), f"w{number}"], stdout=subprocess.PIPE
        )
        for number in range(2)
    ]
    acknowledged = {}
    for number, process in enumerate(started):
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged[number] = int(line)
            if acknowledged[number] >= 40:
                break
    drain(stores.journal, stores.events)  # while both are writing
    for number, process in enumerate(started):
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout is not None
        acknowledged[number] = max([acknowledged[number], *map(int, process.stdout)])
        process.wait()
    drain(stores.journal, stores.events)
    found = ids(stores)
    assert len(found) == len(set(found))
    wanted = {
        f"w{number}-{batch}-{part}"
        for number, last in acknowledged.items()
        for batch in range(last + 1)
        for part in range(3)
    }
    assert wanted <= set(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")
def test_a_full_disk_refuses_and_takes_again_once_there_is_room(
    tmp_path: Path, stores: Stores
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        journal = Journal(disk / "journal")
        writer = journal.writer("one")
        kept = _fill(writer)
        assert kept
        (disk / "other").unlink(missing_ok=True)
        drain(journal, stores.events)
        writer.append([entry("after", "x" * 1000)])
        writer.close()
        drain(journal, stores.events)
        assert {*kept, "after"} <= set(ids(stores))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill(writer: object) -> list[str]:
    """Append until the disk is full; the ids that were acknowledged."""
    kept: list[str] = []
    for number in range(10_000):
        try:
            writer.append([entry(f"f{number}", json.dumps("x" * 50_000))])  # type: ignore[attr-defined]
        except StoreError:
            return kept
        kept.append(f"f{number}")
    raise AssertionError("the disk never filled")


def test_a_record_that_could_not_be_read_back_is_refused(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opslayer.stores.journal.entry.LARGEST", 1000)
    writer = stores.journal.writer("one")
    with pytest.raises(StoreError, match="the journal takes 1000 at most"):
        writer.append([entry("fine"), entry("large", "x" * 1000)])
    with pytest.raises(StoreError, match="a line break"):
        writer.append([entry("two\nlines")])
    writer.append([entry("after")])
    writer.close()
    drain(stores.journal, stores.events)
    assert ids(stores) == ["after"]


def test_damage_in_the_middle_of_a_segment_costs_one_record_and_the_file_is_kept(
    stores: Stores,
) -> None:
    writer = stores.journal.writer("one")
    writer.append([entry(name, "x" * 300) for name in "abc"])
    writer.close()
    (segment,) = stores.journal.root.glob("one/*.log")
    data = bytearray(segment.read_bytes())
    data[len(entry("a", "x" * 300).frame()) + 100] ^= 4
    segment.write_bytes(data)
    drain(stores.journal, stores.events)
    assert ids(stores) == ["a", "c"]
    assert [path.suffix for path in stores.journal.root.glob("one/[0-9]*")] == [".damaged"]


def test_a_writer_takes_a_small_part_of_a_small_disk(tmp_path: Path) -> None:
    writer = Journal(tmp_path / "journal").writer("one")
    writer.append([entry("a")])
    (segment,) = tmp_path.glob("journal/one/*.log")
    disk = os.statvfs(tmp_path)
    assert segment.stat().st_size <= max(1000, disk.f_bavail * disk.f_frsize // 8)
    writer.close()


@traced
@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:error=EIO:when=1+2",
        "fdatasync:error=EIO:when=2+3",
        "fsync:error=EIO:when=3+2,fdatasync:error=EIO:when=2+2",
        "pwrite64:error=ENOSPC:when=1+2",
        "pwrite64:error=EIO:when=2+3",
        "fallocate:error=EIO:when=1+2,fdatasync:error=EIO:when=2+2",
        "ftruncate:error=EIO,fdatasync:error=EIO:when=2+2",
    ],
)
def test_a_failed_write_or_sync_is_not_acknowledged_and_the_next_one_works(
    stores: Stores, tmp_path: Path, fault: str
) -> None:
    command = [*strace(tmp_path / "trace", fault.split(",")), sys.executable, "-c", STUBBORN]
    ran = subprocess.run(
        [*command, str(stores.journal.root), "12"], capture_output=True, text=True, check=True
    )
    said = ran.stdout.splitlines()
    told = [line for line in said if line.startswith("id")]
    assert len(said) == 12
    assert 4 <= len(told) < 12
    assert early(calls(tmp_path / "trace"), lambda call: _told(call.path, call.text)) == []
    drain(stores.journal, stores.events)
    found = ids(stores)
    assert {*told} <= {*found}
    assert found == sorted(set(found))


@traced
def test_no_record_is_acknowledged_before_a_sync_that_covers_it(
    stores: Stores, tmp_path: Path
) -> None:
    command = [*strace(tmp_path / "trace"), sys.executable, "-c", STUBBORN]
    run = [*command, str(stores.journal.root), "20"]
    subprocess.run(run, check=True, capture_output=True)
    found = calls(tmp_path / "trace")
    told = [id for call in found if call.name == "write" for id in _told(call.path, call.text)]
    assert len(told) == 20
    assert early(found, lambda call: _told(call.path, call.text)) == []
    unsynced = [call for call in found if call.name != "fdatasync"]
    assert early(unsynced, lambda call: _told(call.path, call.text)) == told


def _told(path: str, text: str) -> list[str]:
    """The ids that a write to a pipe acknowledges."""
    at = text.find('"id')
    return [text[at + 1 : at + 6]] if path.startswith("pipe:") and at >= 0 else []


@traced
def test_what_was_carried_of_a_segment_that_failed_hides_nothing_of_the_next(
    stores: Stores, tmp_path: Path
) -> None:
    stopped = ["fdatasync:error=EIO:signal=SIGSTOP:when=1"]
    command = [*strace(tmp_path / "trace", stopped), sys.executable, "-c", STUBBORN]
    root = str(stores.journal.root)
    with subprocess.Popen(
        [*command, root, "4"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        pid = int(process.stderr.readline())
        while not drain(stores.journal, stores.events):  # what was written, and never synced
            assert process.poll() is None
        with suppress(ProcessLookupError):
            while process.poll() is None:
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.01)
        told = [line.strip() for line in process.stdout if line.startswith("id")]
    drain(stores.journal, stores.events)
    assert told == ["id001", "id002", "id003"]
    assert ids(stores) == ["id000", *told]
    assert not list(stores.journal.root.glob("one/*.at"))
