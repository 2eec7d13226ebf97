"""Capture: many calls share one sync, and nobody hears of success before it."""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from benchmarks.traced import Call, calls, early, strace
from gateway.journal import PAUSE, Capture, Overloaded
from opslayer.errors import StoreError
from opslayer.stores.journal import Entry, Journal, entries_in

CALLERS = """
import asyncio, os, sys
from pathlib import Path
from gateway.journal import Capture
from opslayer.stores.journal import Entry, Journal

capture = Capture(Journal(Path(sys.argv[1])).writer("one"))

async def call(number):
    for turn in range(4):
        id = f"id{number:02}{turn}"
        await capture.write(Entry("feedback", id, "shop", "x" * 500))
        os.write(1, f"{id}\\n".encode())

async def main():
    await asyncio.gather(*(call(number) for number in range(12)))
    await capture.close()

asyncio.run(main())
"""


def entry(id: str, text: str = "{}") -> Entry:
    return Entry("feedback", id, "shop", text)


def kept(root: Path) -> list[str]:
    """The ids that are on disk, in the order of writing."""
    segments = sorted(root.glob("one/*.log"))
    return [found.id for path in segments for found, _ in entries_in(path.read_bytes())]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """What a full disk is to a writer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_many_calls_at_once_share_few_commits_and_all_are_kept(root: Path) -> None:
    commits: list[int] = []

    async def run() -> None:
        capture = Capture(Journal(root).writer("one"), lambda records, _: commits.append(records))
        await asyncio.gather(*(capture.write(entry(f"{n:03}")) for n in range(300)))
        await capture.close()

    asyncio.run(run())
    assert kept(root) == [f"{n:03}" for n in range(300)]
    assert sum(commits) == 300
    assert len(commits) <= 3


@pytest.mark.parametrize("lonely", [True, False])
def test_what_was_written_is_on_disk_when_the_call_goes_on(root: Path, lonely: bool) -> None:
    async def run() -> None:
        capture = Capture(Journal(root).writer("one"), lonely=lambda: lonely)
        for number in range(5):
            await capture.write(entry(f"{number}a"), entry(f"{number}b"))
            assert kept(root)[-2:] == [f"{number}a", f"{number}b"]
        await capture.close()

    asyncio.run(run())
    assert len(kept(root)) == 10


def test_a_full_disk_refuses_at_once_and_takes_again_when_there_is_room(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        capture = Capture(Journal(root).writer("one"))
        await capture.write(entry("before"))
        with no_file_longer_than(0):
            together = [capture.write(entry(f"lost{n}")) for n in range(3)]
            for outcome in await asyncio.gather(*together, return_exceptions=True):
                assert isinstance(outcome, Overloaded)
                assert outcome.retry_after > 0
            assert "File too large" in capture.failure
            with pytest.raises(Overloaded, match="can't be kept now"):
                capture.check()
        monkeypatch.setattr("gateway.journal.monotonic", lambda: monotonic() + PAUSE)
        await capture.write(entry("after"))
        assert capture.failure == ""
        capture.check()
        await capture.close()

    asyncio.run(run())
    assert kept(root) == ["before", "after"]


@pytest.mark.parametrize(
    ("bound", "most"), [("MOST", 8), ("HEAVIEST", 8 * len(entry("00").frame()))]
)
def test_more_than_may_wait_is_refused_and_what_waits_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(f"gateway.journal.{bound}", most)

    async def run() -> list[str]:
        capture = Capture(Journal(root).writer("one"))
        ids = [f"{n:02}" for n in range(30)]
        said = await asyncio.gather(
            *(capture.write(entry(id)) for id in ids), return_exceptions=True
        )
        assert {type(one) for one in said} == {Overloaded, type(None)}
        await capture.write(entry("later"))
        await capture.close()
        return [id for id, one in zip(ids, said, strict=True) if one is None]

    taken = asyncio.run(run())
    assert len(taken) == 8
    assert kept(root) == [*taken, "later"]


def test_a_record_that_is_too_large_is_refused_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opslayer.stores.journal.entry.LARGEST", 1000)

    async def run() -> None:
        capture = Capture(Journal(root).writer("one"))
        said = await asyncio.gather(
            capture.write(entry("a")),
            capture.write(entry("large", "x" * 2000)),
            capture.write(entry("b")),
            return_exceptions=True,
        )
        assert [type(one) for one in said] == [type(None), StoreError, type(None)]
        assert capture.failure == ""
        await capture.close()

    asyncio.run(run())
    assert kept(root) == ["a", "b"]


def test_a_caller_that_left_takes_nothing_from_the_others(root: Path) -> None:
    async def run() -> None:
        capture = Capture(Journal(root).writer("one"))
        waiting = [asyncio.ensure_future(capture.write(entry(id))) for id in "abc"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.gather(waiting[0], waiting[2])
        await capture.close()

    asyncio.run(run())
    assert kept(root) == ["a", "b", "c"]


def test_closing_makes_durable_what_still_waits_and_gives_the_folder_back(root: Path) -> None:
    async def run() -> None:
        capture = Capture(Journal(root).writer("one"))
        waiting = [asyncio.ensure_future(capture.write(entry(id))) for id in "abc"]
        await asyncio.sleep(0)
        await capture.close()
        assert all(one.done() and one.exception() is None for one in waiting)

    asyncio.run(run())
    assert kept(root) == ["a", "b", "c"]
    assert not Journal(root).is_written("one")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_calls_that_share_a_commit_hear_of_it_after_its_sync(root: Path, tmp_path: Path) -> None:
    command = [*strace(tmp_path / "trace"), sys.executable, "-c", CALLERS, str(root)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found = calls(tmp_path / "trace")

    def told(call: Call) -> list[str]:
        at = call.text.find('"id')
        return [call.text[at + 1 : at + 6]] if call.path.startswith("pipe:") and at >= 0 else []

    assert sorted(id for call in found if call.name == "write" for id in told(call)) == sorted(
        ran.stdout.split()
    )
    assert len(ran.stdout.split()) == 48
    assert sum(call.name == "fdatasync" for call in found) < 48
    assert early(found, told) == []
