"""An ingest killed at each of its steps, every one of them, and run again."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

# One process imports everything once and forks a child for each run. The first run leaves a copy of
# its home before each call of a store, which is what a kill there would leave; some runs are killed
# for real, to see that it is. Each is then taken up at the place where the first run was.
DRIVER = """
    import json, os, shutil, signal, sys, traceback
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from feeds import HEADER, NOW, capability, everything, write
    from test_ingest import asked, line, said
    import opslayer.steps.ingest, boto3, deltalake, pandas, sqlite3, alembic.command
    from opslayer.capability import Source
    from opslayer.settings import Settings
    from opslayer.sources import chunk
    from opslayer.stores import Stores
    from opslayer.stores.lake import Lake
    from opslayer.stores.ledger.batches import Batches
    from opslayer.stores.ledger.verdicts import Verdicts

    root, change = Path(sys.argv[2]), sys.argv[3]
    chunk.ROWS = 4
    CALLS = [(Lake, "append"), (Lake, "compact"), (Verdicts, "record"),
             *((Batches, name) for name in ("add", "finish", "close", "interrupt"))]
    rows = [line(n, n) for n in range(6)]

    def child(work):
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1]
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def counting(reached):
        count = 0
        def wrap(owner, name):
            call = getattr(owner, name)
            def counted(*args, **kwargs):
                nonlocal count
                count += 1
                reached(count)
                return call(*args, **kwargs)
            setattr(owner, name, counted)
        for owner, name in CALLS:
            wrap(owner, name)

    def left(step):
        return root / f"left-{step}"

    def copy(step):
        shutil.copytree(home, left(step), copy_function=shutil.copy2)

    def kill_at(step):
        def reached(count):
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return reached

    def place(home):
        of = capability(home / "in")
        query = {"query": "SELECT * FROM trips", "url": f"sqlite:///{home}/app.db"}
        app = Source(name="app", event_time="at", cursor="changed", **query)
        sources = of.sources if changes else (*of.sources, app)
        return of.model_copy(update={"sources": sources}), Stores.at(Settings(home=home))

    def prepare(home):
        write(home / "in" / "a.csv", *rows[:3], line(9, temp="hot"), *rows[3:])
        write(home / "in" / "b.csv", *rows[4:], line(7, 7))
        stores = place(home)[1]
        if changes:
            stores.ledger.batches.newest("bikes")  # makes the schema
            return
        (home / "in" / "c.csv").write_bytes(b"no csv")
        with sqlite3.connect(home / "app.db", isolation_level=None) as table:
            table.execute("CREATE TABLE trips (at, temp, rain, town, users, changed)")
            for n, temp in ((20, 1), (21, 2), (22, 3), (23, "x")):
                row = (f"2024-03-{n}", temp, 0, "x", 1, n // 2)
                table.execute("INSERT INTO trips VALUES (?, ?, ?, ?, ?, ?)", row)
        stores.events.append([asked("i1"), asked("i2", temp="no")], "a")
        stores.events.append([said("f1", "true_value", 3), said("f2", "click", 1)], "b")

    def rewrite(home):
        write(home / "in" / "a.csv", line(0, 5), *rows[1:3], line(8, temp="hot"), line(11, 1))

    def run(home):
        of, stores = place(home)
        opslayer.steps.ingest.ingest(of, stores, NOW)

    def run_and_show(home, out):
        run(home)
        of, stores = place(home)
        again = opslayer.steps.ingest.ingest(of, stores, NOW)
        assert again.counts.read == again.counts.present, again  # the tie at the cursor
        found = everything(stores, of)
        text = json.dumps(found, default=str).replace(str(home), "HOME")
        out.write_text(text)

    def begin(reached):
        shutil.copytree(root / "prepared", home, copy_function=shutil.copy2)
        def first():
            counting(reached)
            run(home)
        return child(first)

    def end():
        out = root / "out.json"
        if changes:
            rewrite(home)
        assert child(lambda: run_and_show(home, out)) == 0
        shutil.rmtree(home)
        return json.loads(out.read_text())

    changes, home = change == "changed", root / "home"
    assert child(lambda: prepare(root / "prepared")) == 0
    assert begin(copy) == 0
    steps = len([*root.glob("left-*")])
    results = {"whole": end()}
    if changes:
        shutil.copytree(root / "prepared", home, copy_function=shutil.copy2)
        results["late"] = end()
    results["left"] = []
    for step in range(1, steps + 1):
        left(step).rename(home)
        results["left"].append(end())
    results["kills"] = {}
    for step in (1, steps // 3, 2 * steps // 3, steps):
        assert begin(kill_at(step)) == signal.SIGKILL
        results["kills"][step] = end()
    print(json.dumps(results))
"""


def outcomes(tmp_path: Path, change: str) -> dict[str, Any]:
    script = textwrap.dedent(DRIVER)
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path), change]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ends(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """What is there in the end, by where the first run ended."""
    left = [(f"left at step {step}", after) for step, after in enumerate(found["left"], 1)]
    return left + [(f"killed at step {step}", after) for step, after in found["kills"].items()]


def test_a_kill_at_any_step_changes_nothing_in_the_end(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "unchanged")
    whole = found["whole"]
    assert {name: len(rows) for name, rows in whole.items()} == {
        "rows": 11,
        "answers": 1,
        "tags": 11,
        "quarantine": 3,
    }
    assert len(found["left"]) >= 30
    for step, after in ends(found):
        assert after == whole, step


def test_a_file_rewritten_after_a_kill_is_taken_as_it_is_now(tmp_path: Path) -> None:
    """Rows of the version that was cut off are there whole, or not at all; nothing is doubled."""
    found = outcomes(tmp_path, "changed")
    both, late = found["whole"], found["late"]
    for name in SAYS:
        assert set(said(both, name)) >= set(said(late, name))
    assert set(said(both, "rows")) > set(said(late, "rows"))
    assert len(found["left"]) >= 15
    for step, after in ends(found):
        for name in SAYS:
            got = said(after, name)
            assert len(got) == len(set(got)), f"{name} doubled, {step}"
            assert set(said(late, name)) <= set(got) <= set(said(both, name)), f"{name}, {step}"
        tagged = {row for row, _ in said(after, "tags")}
        assert {row for (row,) in said(after, "rows")} <= tagged, step


SAYS = {
    "rows": ("row_id",),
    "answers": ("row_id",),
    "tags": ("row_id", "value"),
    "quarantine": ("reason", "raw"),
}


def said(found: dict[str, list[Any]], table: str) -> list[tuple[Any, ...]]:
    """What a table says, without where it stood: a rewritten file moves its lines."""
    rows = [dict(map(tuple, row)) for row in found[table]]
    return [tuple(row[name] for name in SAYS[table]) for row in rows]


def test_a_slow_writer_that_was_shut_out_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two tables of a batch, another ingest takes the rewritten file in its place."""
    from feeds import NOW, capability, content, write
    from test_ingest import line

    from opslayer.settings import Settings
    from opslayer.steps.ingest import ingest
    from opslayer.stores import Stores
    from opslayer.stores.lake import Lake

    stores = Stores.at(Settings(home=tmp_path / "home"))
    path = write(tmp_path / "feed.csv", line(1, 1), line(2, 2))
    append, calls = Lake.append, []

    def slow(self: Lake, of: Any, table: str, *rest: Any) -> bool:
        calls.append(table)
        if calls == ["tags", "rows"]:
            write(path, line(2, 2), line(3, 3))
            ingest(of, stores, NOW)
        return append(self, of, table, *rest)

    monkeypatch.setattr(Lake, "append", slow)
    assert ingest(capability(path), stores, NOW).counts.read == 0  # the other one took it all
    rows = content(stores, capability(path), "rows", ("in:town", "row_id"))
    assert [town for town, _ in rows] == ["town 2", "town 3"]
    tags = content(stores, capability(path), "tags", ("row_id",))
    assert len(tags) == len(set(tags)) == 3
    statuses = [batch.status for batch in stores.ledger.batches.of("bikes", "feed")]
    assert statuses == ["interrupted", "done"]
