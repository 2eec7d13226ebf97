"""Promote, rollback and ingest, killed by strace at every system call that changes a file.

Promise P3: after each kill the stores say what they said before or what they say afterwards, never
something between, and doing it again always works and ends where an undisturbed run ends.

strace counts a call per thread. The main thread, which writes the databases, is killed at each of
its calls. Delta writes its files from threads that come and go, so there each append is taken by
itself: the call that any of its threads is the first to make for the N-th time.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from benchmarks import harmed
from benchmarks.bars import Bar, finish, say
from benchmarks.kills import FRESH
from benchmarks.promotion_race import RACED, START, register, stores_at
from opslayer.capability import Capability
from opslayer.records import Feedback, FeedbackKind, Interaction
from opslayer.steps.ingest import ingest
from opslayer.steps.labels import labels
from opslayer.steps.promote import Promotion, Rollback, promote, rollback
from opslayer.stores import Stores
from opslayer.stores.lake import Lake

CALLS = (
    *("write", "writev", "pwrite64", "pwritev", "ftruncate", "fallocate", "copy_file_range"),
    *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "symlink"),
    *("unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "openat", "open", "creat"),
)
MOST = 150
"""Points tried per operation and stage; beyond that, every K-th one."""
ANY_TRACER = (0x59616D61, -1)
"""prctl PR_SET_PTRACER, PR_SET_PTRACER_ANY (linux/prctl.h)."""
LINE = re.compile(r"^(\d+) +(\w+)\((.*)")

State = dict[str, Any]


class Operation(NamedTuple):
    """What is killed."""

    prepare: Callable[[str], None]
    run: Callable[[str], None]
    look: Callable[[str], State]
    """Everything that the stores say, as plain values without the home's path."""
    between: Callable[[State, State, State], bool]
    """Whether a state is neither the first (before) nor the second (after)."""


class Point(NamedTuple):
    """Where the process dies: before any thread's `number`-th call, counted from a stage on."""

    stage: int
    """0: from the start; K: from the K-th append to the lake."""
    call: str
    number: int


@dataclass
class Tally:
    """What came of one operation's kills."""

    points: int = 0
    kills: int = 0
    between: int = 0
    failed: int = 0
    differs: int = 0
    states: Counter[str] = field(default_factory=Counter)


# ------------------------------------------------------------------------- the three operations


def two_versions(home: str) -> None:
    """Two registered versions, the first of them serving."""
    register(home, 2)
    _promote(home, 1)


def two_releases(home: str) -> None:
    """The same with the second one serving, so that there is a way back."""
    two_versions(home)
    promote_second(home)


def promote_second(home: str) -> None:
    """Promote version 2."""
    _promote(home, 2)


def _promote(home: str, version: int) -> None:
    decision = Promotion(version - 1, "loop", "asked", f"cause {version}", (), START)
    promote(RACED, version, stores_at(home), decision)


def go_back(home: str) -> None:
    """Go back to what served before."""
    rollback(RACED, stores_at(home), Rollback("ops", "it did harm", START))


def releases(home: str) -> State:
    """The releases with their verdicts, and MLflow's champion."""
    stores = stores_at(home)
    history = [
        release.model_dump(mode="json") for release in stores.ledger.releases.all(RACED.name)
    ]
    verdicts = [one.model_dump(mode="json") for one in stores.ledger.verdicts.list(RACED.name)]
    return {"ledger": [history, verdicts], "champion": stores.models.champion(RACED.name)}


def half_released(found: State, before: State, after: State) -> bool:
    """The ledger decides, and MLflow's alias may follow later, but never go ahead."""
    if found["ledger"] == after["ledger"]:
        return found["champion"] not in (before["champion"], after["champion"])
    return bool(found != before)


def feeds(home: str) -> None:
    """Two files, with a bad row, and an interaction log, with what was said of an answer."""
    folder = Path(home)
    folder.mkdir(parents=True)
    for name, days in (("a", (1, 2, 3)), ("b", (4, 5))):
        lines = [f"2024-01-0{day} 12:00,{day},red,{10 * day}" for day in days]
        bad = "2024-01-09 12:00,large,red,1"
        (folder / f"{name}.csv").write_text("\n".join(["at,size,colour,price", *lines, bad, ""]))
    said = START + timedelta(days=6)
    asked = [
        Interaction(
            id=f"i{number}",
            capability=harmed.NAME,
            event_time=said,
            input={"size": number, "colour": "blue"},
            output={"value": 2.0},
            variant="model-1",
            release=1,
        )
        for number in range(2)
    ]
    answered = Feedback(
        id="f1",
        capability=harmed.NAME,
        interaction_id="i1",
        kind=FeedbackKind.TRUE_VALUE,
        value=3.0,
        event_time=said,
        known_time=said,
    )
    stores_at(home).events.append([*asked, answered], "gateway")


def _here(home: str) -> tuple[Capability, Stores]:
    declared = YAML(typ="safe").load(harmed.CAPABILITY.replace("FOLDER/feed.csv", f"{home}/*.csv"))
    return Capability.model_validate(declared), stores_at(home)


def take_in(home: str) -> None:
    """Ingest everything."""
    ingest(*_here(home), START + timedelta(days=30))


def taken(home: str) -> State:
    """Every row of every table with the batches, and the labels that come of them."""
    capability, stores = _here(home)
    state: State = {}
    for table in ("rows", "answers", "tags", "quarantine"):
        found = stores.lake.query(capability, f"SELECT * FROM {table}", [table]).to_pylist()
        state[table] = sorted(json.dumps(row, default=str, sort_keys=True) for row in found)
    known = labels(capability, stores, START + timedelta(days=30))
    state["labels"] = sorted(json.dumps(row, default=str) for row in known.to_dict("records"))
    names = [*(source.name for source in capability.sources), "interactions"]
    batches = [batch for name in names for batch in stores.ledger.batches.of(capability.name, name)]
    state["batches"] = [repr(batch) for batch in batches]
    return json.loads(json.dumps(state).replace(home, "HOME"))  # type: ignore[no-any-return]


def half_taken(found: State, _: State, after: State) -> bool:
    """Whether a portion's rows are there in part, or without all that was said of them.

    What was said of rows that are not there yet waits unseen.
    """
    portion = {row["row_id"]: row["file"] for row in map(json.loads, after["rows"])}
    there = {json.loads(row)["file"] for row in found["rows"]}

    def shown(rows: list[str]) -> Counter[str]:
        every = [(row, json.loads(row)) for row in rows]
        return Counter(
            row
            for row, it in every
            if (it["file"] if "file" in it else portion[it["row_id"]]) in there
        )

    for table in TABLES:
        if Counter(found[table]) - Counter(after[table]) or shown(found[table]) != shown(
            after[table]
        ):
            return True
    return bool(Counter(found["labels"]) != shown(after["labels"]))


TABLES = ("rows", "answers", "tags", "quarantine")

OPERATIONS = {
    "promote": Operation(two_versions, promote_second, releases, half_released),
    "rollback": Operation(two_releases, go_back, releases, half_released),
    "ingest": Operation(feeds, take_in, taken, half_taken),
}


# ----------------------------------------------------------------------------------- the killing


def traced(name: str, home: str, stage: int, only: bool, orders: Connection) -> None:
    """Run an operation; at the stage, wait for the tracer. `only`: end where the stage ends."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(*ANY_TRACER, 0, 0, 0)

    def meet() -> None:
        orders.send("here")
        orders.recv()

    def append(*args: Any) -> bool:
        count[0] += 1
        if count[0] == stage:
            meet()
        done = original(*args)
        if only and count[0] == stage:
            os._exit(0)
        return done

    count, original = [0], Lake.append
    Lake.append = append  # type: ignore[method-assign, assignment]
    if stage == 0:
        meet()
    OPERATIONS[name].run(home)
    os._exit(0)


def trace(name: str, home: str, stage: int, options: list[str], only: bool = False) -> int | None:
    """Run an operation under strace from a stage on; its exit code, None if it got to no such."""
    ours, theirs = FRESH.Pipe()
    process = FRESH.Process(target=traced, args=(name, home, stage, only, theirs))
    process.start()
    theirs.close()
    try:
        ours.recv()
    except EOFError:
        process.join()
        return None
    assert process.pid is not None
    command = ["strace", "-f", "-p", str(process.pid), *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    heard = tracer.stderr.readline()
    if "attached" not in heard:
        process.kill()
        raise RuntimeError(f"strace could not be attached: {heard.strip()}")
    ours.send("go")
    process.join()
    tracer.communicate()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{name} ended with exit code {process.exitcode}")
    return process.exitcode


def points(name: str, template: str, aside: Path) -> Iterator[Point]:
    """Every call that changes a file of the home, as the tracer can name it."""
    for stage in range(1000):
        home, log = _copy(template, aside / "home"), aside / "log"
        options = ["-y", "-o", str(log), "-e", f"trace={_set(CALLS)}"]
        if trace(name, home, stage, options, only=stage > 0) is None:
            return
        found = sorted(_changes(log, home, main=stage == 0))
        stride = -(-len(found) // MOST)
        if stage == 0:
            say(f"{name}: {len(found)} calls of the main thread, every {stride}. one is tried")
        yield from (Point(stage, *one) for one in found[::stride])


def _changes(log: Path, home: str, main: bool) -> set[tuple[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    lines = [match for line in log.read_text().splitlines() if (match := LINE.match(line))]
    first = lines[0][1] if lines else ""
    found = set()
    for thread, call, rest in (match.groups() for match in lines):
        counts[thread, call] += 1
        opens = call in ("openat", "open") and "O_CREAT" not in rest and "O_TRUNC" not in rest
        if home in rest and not opens and (not main or thread == first):
            found.add((call, counts[thread, call]))
    return found


def _set(calls: tuple[str, ...]) -> str:
    return ",".join(f"?{call}" for call in calls)  # "?": not every architecture has each


def look_and_repeat(name: str, home: str, answer: Connection) -> None:
    """Say what the stores hold, do the operation again, and say what they hold then."""
    operation = OPERATIONS[name]
    answer.send(operation.look(home))
    operation.run(home)
    answer.send(operation.look(home))


def states(name: str, home: str) -> list[State]:
    """What `look_and_repeat` said, in a process of its own; fewer states if it failed."""
    ours, theirs = FRESH.Pipe(duplex=False)
    process = FRESH.Process(target=look_and_repeat, args=(name, home, theirs))
    process.start()
    theirs.close()
    said = []
    with suppress(EOFError):
        while True:
            said.append(ours.recv())
    process.join()
    return said


def _prepare(name: str, home: str) -> None:
    OPERATIONS[name].prepare(home)


def _copy(template: str, home: Path) -> str:
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home, copy_function=shutil.copy2)
    return str(home)


def sweep(name: str, root: Path) -> Tally:
    """Kill an operation at each point, look, do it again, look."""
    aside = root / name
    template = str(aside / "template")
    process = FRESH.Process(target=_prepare, args=(name, template))
    process.start()
    process.join()
    before, after = states(name, _copy(template, aside / "home"))
    tally, began = Tally(), time.monotonic()
    for point in points(name, template, aside):
        _try(name, point, _copy(template, aside / "home"), (before, after), tally)
        if tally.points % 25 == 0:
            say(
                f"{name}: {tally.points} points, {tally.kills} kills, "
                f"{time.monotonic() - began:.0f} s"
            )
    say(f"{name}: after {tally.kills} kills {dict(tally.states)}")
    return tally


def _try(name: str, point: Point, home: str, whole: tuple[State, State], tally: Tally) -> None:
    options = ["-e", f"trace={point.call}"]
    options += ["-e", f"inject={point.call}:signal=SIGKILL:when={point.number}", "-o", "/dev/null"]
    code = trace(name, home, point.stage, options)
    tally.points += 1
    tally.kills += code == -signal.SIGKILL
    before, after = whole
    said = states(name, home)
    if len(said) < 2:
        tally.failed += 1
        say(f"{name}: {point}: {'doing it again' if said else 'opening the stores'} failed")
        return
    found, repeated = said
    between = OPERATIONS[name].between(found, before, after)
    kind = "old" if found == before else "new" if found == after else "on the way"
    tally.states["between" if between else kind] += 1
    tally.between += between
    tally.differs += repeated != after
    if between or repeated != after:
        say(f"{name}: {point}: {'between' if between else 'ends otherwise'}")


def bars(name: str, tally: Tally) -> Iterator[Bar]:
    """The bars of P3 for one operation."""
    yield Bar(f"{name}_between", tally.between, "<= 0", of=tally.kills)
    yield Bar(f"{name}_rerun_failed", tally.failed, "<= 0", of=tally.kills)
    yield Bar(f"{name}_ends_otherwise", tally.differs, "<= 0", of=tally.kills)
    yield Bar(f"{name}_killed_share", tally.kills / max(1, tally.points), ">= 0.9")


def main() -> int:
    """Every operation at every point."""
    if shutil.which("strace") is None:
        say("strace is not on this machine, and without it nothing can be killed at a system call")
        return finish("atomic_writes", 0, [Bar("strace_found", 0, "== 1")])
    found, kills = [Bar("strace_found", 1, "== 1")], 0
    with tempfile.TemporaryDirectory() as root:
        for name in OPERATIONS:
            tally = sweep(name, Path(root))
            found += bars(name, tally)
            kills += tally.kills
    return finish("atomic_writes", kills, found)


if __name__ == "__main__":
    sys.exit(main())
