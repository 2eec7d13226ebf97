"""Ten million logged calls taken in, judged and lived again, on one worker and on two.

The log is written through its own door, as gateways' drains do; one call in ten gets a true value.
Each run has a copy of it and a Dask scheduler of its own on this machine, in a process of its own,
whose memory is what is stated. What is compared is all that the lake holds afterwards, row for row,
and every figure of the backtest. Beside each ingest the same rows are written by
`deltalake.write_deltalake` alone, in as many commits, with the tables' own properties, compression,
statistics and dictionaries: what no ingest can beat. `ROWS=200000` for a quick look.

The share of the bare rate is missed: Delta writes columns that are there already, ingest makes them
of JSON. At 1,350,000 calls in one process, on two processors that many others used, ingest took
13.1 microseconds of the processor a call and the bare write 1.1: 0.08 of it, 0.11 by the clock. To
fetch an entry from SQLite takes two of these, to decode it as much again: two workers with nothing
else to do would not come to half of the bare rate. Before the log was read by blocks ingest took
half as much again, and the bare write, with dictionaries of columns in which no value repeats, 1.9.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.bars import Bar, finish, say
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.engine import HERE, Executor
from opslayer.records import Cause, CauseKind, Feedback, FeedbackKind, Interaction, Recipe
from opslayer.settings import Settings
from opslayer.steps.backtest import backtest, own_past
from opslayer.steps.ingest import ingest
from opslayer.steps.monitor import monitor
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.report import report
from opslayer.steps.snapshot import split, take
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores
from opslayer.stores.journal import Entry
from opslayer.stores.lake import SINGLE, STATISTICS, schema
from opslayer.stores.tracking import make_database

if TYPE_CHECKING:
    from deltalake import WriterProperties

ROWS = int(os.environ.get("ROWS", "10000000"))
RATED = 10
"""One call in so many gets a true value."""
DAYS = 60
PORTION = 50_000
"""Entries in one commit of the log."""
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=DAYS + 1)
TABLES = ("rows", "answers", "tags", "quarantine")
MEMORY = 3_000.0
"""Megabytes that any process may take, however many rows there are."""
SEASONS = ("spring", "summer", "autumn", "winter")
FILE = """\
name: demand
kind: regression
inputs:
  temp: {type: number, min: -20, max: 50}
  wind: {type: number}
  season: {type: category, choices: [spring, summer, autumn, winter]}
target: users
training: {estimator: sklearn.ensemble.HistGradientBoostingRegressor, params: {max_iter: 60}}
gate: {metric: mae}
monitor: {window: 4d, report: always}
retrain: {policy: pays, cooldown: 1d, budget: {runs: 30, per: 30d}}
"""


def main() -> int:
    """Fill one log, then run everything on it in each way."""
    if sys.argv[1:]:
        print(json.dumps(PHASES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        phase("fill", log, 0)
        taken, found, lived = {}, {}, {}
        for workers in (0, 1, 2):
            home = Path(folder, f"home{workers}")
            shutil.copytree(log, home)
            taken[workers] = phase("ingest", home, workers)
            found[workers] = phase("content", home, workers)
            bare = phase("bare", home, workers)
            taken[workers]["share"] = bare["seconds"] / taken[workers]["seconds"]
            if workers < 2:
                lived[workers] = phase("backtest", home, workers)
            else:
                lived[2] = phase("backtest", home, 2)
                seen = phase("report", home, 2)
            shutil.rmtree(home)
    memory = [one["megabytes"] for one in [*taken.values(), *lived.values(), seen]]
    differ = sum(one["content"] != found[0]["content"] for one in found.values())
    differ += sum(one["lived"] != lived[0]["lived"] for one in lived.values())
    return finish(
        "scale",
        ROWS,
        [
            Bar("results that differ between one process, one worker and two", differ, "== 0"),
            Bar("rows that ingest lost or doubled", found[2]["rows"] - ROWS, "== 0"),
            Bar("share of the bare write's rate, two workers", taken[2]["share"], ">= 0.5"),
            Bar("ingest, times as fast on two workers as on one", _faster(taken), "> 1"),
            Bar("backtest, times as fast on two workers as on one", _faster(lived), "> 1"),
            Bar("windows with a drift report", seen["pages"], ">= 1"),
            Bar("megabytes of the largest process", max(memory), f"<= {MEMORY}"),
        ],
    )


def _faster(runs: dict[int, dict[str, Any]]) -> float:
    return float(runs[1]["seconds"] / runs[2]["seconds"])


def phase(name: str, home: Path, workers: int) -> dict[str, Any]:
    """Run a phase in a process of its own; what it says, with its time and memory."""
    command = [sys.executable, "-m", "benchmarks.scale", name, str(home), str(workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shown = {key: value for key, value in said.items() if key not in ("content", "lived")}
    say(f"{name}, {workers or 'no'} workers: {shown}")
    return said


def place(home: Path) -> tuple[Capability, Stores]:
    """The capability and the stores of a home."""
    folder = home / "configs" / "capabilities"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "demand.yaml").write_text(FILE)
    stores = Stores.at(Settings(home=home, configs=home / "configs"))
    return load_capability("demand", home / "configs"), stores


@contextmanager
def engine(stores: Stores, workers: int) -> Iterator[Executor]:
    """This process, or so many Dask workers of one thread each, loaded and ready."""
    if not workers:
        yield HERE
        return
    from distributed import LocalCluster

    from opslayer.engine.cluster import Cluster

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as local:
        executor = Cluster(local.scheduler_address, stores.lake_address)
        list(executor.map(warm, range(4 * workers)))
        yield executor


def warm(_: int) -> None:
    """Load what a piece needs, which a worker does once in its life."""
    import deltalake  # noqa: F401
    import sklearn.ensemble  # noqa: F401

    import opslayer.learners.tabular
    import opslayer.steps.prepare  # noqa: F401


def measured(began: float, **said: Any) -> dict[str, Any]:
    """A phase's seconds, and the memory of the largest process in it."""
    used = [resource.getrusage(who).ru_maxrss for who in (WHO, resource.RUSAGE_CHILDREN)]
    return {"seconds": time.perf_counter() - began, **said, "megabytes": max(used) / 1_000}


WHO = resource.RUSAGE_SELF


def fill(home: Path, _: int) -> dict[str, Any]:
    """Write the log."""
    began, (_, stores) = time.perf_counter(), place(home)
    for first in range(0, ROWS, PORTION):
        stores.events.append_entries(list(entries(first, min(PORTION, ROWS - first))), "benchmark")
    return measured(began)


def entries(first: int, count: int) -> Iterator[Entry]:
    """Some calls, and what was said of one in ten: from the middle on the weather means less."""
    draw = np.random.default_rng(first)
    temp, wind = draw.uniform(-10, 40, count).round(2), draw.uniform(0, 60, count).round(2)
    noise, ids = draw.normal(0, 5, count), draw.integers(0, 2**63, count)
    step = timedelta(days=DAYS) / ROWS
    template = _call(0, START, {"temp": 0.0, "wind": 0.0, "season": "spring"}, 0.0).model_dump(
        mode="json"
    )
    for at in range(count):
        number, id = first + at, f"{ids[at]:016x}{first + at:016x}"
        when = START + step * number
        season = SEASONS[number * 4 // ROWS % 4]
        weight = 3.0 if number < ROWS / 2 else 1.0
        users = 100 + weight * temp[at] - wind[at]
        said = {
            "id": id,
            "event_time": when.isoformat(),
            "input": {"temp": float(temp[at]), "wind": float(wind[at]), "season": season},
            "output": {"value": round(float(users), 3)},
        }
        yield Entry(
            "interaction", id, "demand", json.dumps({**template, **said}, separators=(",", ":"))
        )
        if number % RATED == 0:
            true = Feedback(
                id=f"f{id}", capability="demand", interaction_id=id,
                kind=FeedbackKind.TRUE_VALUE, value=round(float(users + noise[at]), 3),
                event_time=when, known_time=when,
            )  # fmt: skip
            yield Entry("feedback", true.id, "demand", true.model_dump_json())


def _call(number: int, at: datetime, asked: dict[str, Any], value: float) -> Interaction:
    return Interaction(
        id=str(number), capability="demand", event_time=at, input=asked,
        output={"value": value}, variant="model-1", release=1, latency_ms=3.0,
    )  # fmt: skip


def take_in(home: Path, workers: int) -> dict[str, Any]:
    """Ingest the whole log."""
    spec, stores = place(home)
    with engine(stores, workers) as executor:
        began, began_cpu = time.perf_counter(), time.process_time()
        taken = ingest(spec, stores, NOW, executor).counts
        seconds = time.perf_counter() - began
        used = time.process_time() - began_cpu  # here: not what workers use
    assert taken.balanced
    assert (taken.stored, taken.quarantined) == (ROWS, 0), taken
    said = {"seconds": seconds, "processor_seconds": used, "rows_a_second": ROWS / seconds}
    return measured(began) | said


def content(home: Path, _: int) -> dict[str, Any]:
    """A digest of all that lies in the lake, whatever its order."""
    began, (spec, stores) = time.perf_counter(), place(home)
    found, rows = {}, 0
    for table in TABLES:
        total = np.uint64(0)
        for part in streamed(spec, stores, table):
            frame = part.to_pandas()
            rows += len(frame) if table == "rows" else 0
            with np.errstate(over="ignore"):
                total += pd.util.hash_pandas_object(frame, index=False).to_numpy().sum()
        found[table] = str(total)
    return measured(began, content=found, rows=rows)


def streamed(spec: Capability, stores: Stores, table: str) -> Iterator[Any]:
    """A table, some rows at a time."""
    from opslayer.sources.present import Present

    yield from Present(spec, stores.lake).stream(table, schema(spec, table).names, "true")


def bare(home: Path, _: int) -> dict[str, Any]:
    """Write what the ingest wrote by nothing but Delta: from memory, as the ingest's tables are
    kept, in as many commits."""
    from deltalake import DeltaTable, write_deltalake

    spec, stores = place(home)
    seconds, used, written = 0.0, 0.0, 0
    for table in ("rows", "answers", "tags"):
        address = str(home / "bare" / table)
        kept = stores.lake.open(spec, table).metadata().configuration
        DeltaTable.create(address, schema(spec, table), configuration=kept)
        for rows in portions(spec, stores, table):
            began, began_cpu = time.perf_counter(), time.process_time()
            write_deltalake(address, rows, mode="append", writer_properties=as_kept(spec, table))
            seconds += time.perf_counter() - began
            used += time.process_time() - began_cpu
            written += len(rows)
    shutil.rmtree(home / "bare")
    said = {"seconds": seconds, "processor_seconds": used, "rows_a_second": ROWS / seconds}
    return measured(0.0, written=written) | said


def portions(spec: Capability, stores: Stores, table: str) -> Iterator[pa.Table]:
    """A table's rows in as many parts as it has commits with rows."""
    held: list[pa.Table] = []
    there = pa.table(stores.lake.open(spec, table).get_add_actions(flatten=True))
    size = -(-pc.sum(there["num_records"]).as_py() // len(there))
    for part in [*streamed(spec, stores, table), None]:
        held += [] if part is None else [part]
        if held and (part is None or sum(map(len, held)) >= size):
            every = pa.concat_tables(held).cast(schema(spec, table))
            yield pa.Table.from_batches(every.slice(0, size).combine_chunks().to_batches())
            held = [every.slice(size)] if len(every) > size else []
    if held:
        yield held[0].combine_chunks()


def as_kept(spec: Capability, table: str) -> WriterProperties:
    """How the lake writes a table: compressed alike, with the same statistics and dictionaries."""
    from deltalake import ColumnProperties, WriterProperties

    columns = {
        name: ColumnProperties(
            dictionary_enabled=name not in SINGLE,
            statistics_enabled="CHUNK" if name == STATISTICS[table] else "NONE",
        )
        for name in schema(spec, table).names
    }
    return WriterProperties(compression="SNAPPY", column_properties=columns)


def live(home: Path, workers: int) -> dict[str, Any]:
    """Backtest the log's labelled rows."""
    spec, stores = place(home)
    with engine(stores, workers) as executor:
        past = own_past(spec, stores, NOW)
        began = time.perf_counter()
        tested = backtest(spec, past, spec.retrain, None, executor)
        seconds = time.perf_counter() - began
    lived = [[asdict(one), value] for one, value in zip(tested.lived, tested.values, strict=True)]
    said = {"rows": tested.rows, "lived": json.loads(json.dumps(lived, default=str))}
    return measured(began, **said) | {"seconds": seconds}


def judge(home: Path, _: int) -> dict[str, Any]:
    """Train and release on the first half, then judge every window and draw its drift report."""
    spec, stores = place(home)
    make_database(stores.models.tracking_uri)
    then = START + timedelta(days=DAYS / 3)
    cause = Cause(capability=spec.name, kind=CauseKind.PERSON, about="benchmark", at=then)
    cut = split(spec, stores, then, 500)
    exam = take(spec, stores, then, Recipe.EXAM, cut)
    snapshot = take(spec, stores, then, Recipe.LAST, cut)
    version = train(spec, snapshot, stores, TrainingOrder(cause, Recipe.LAST, exam)).version
    promote(spec, version, stores, Promotion(0, "benchmark", "benchmark", None, (), then))
    began = time.perf_counter()
    verdicts = monitor(spec, stores, NOW)
    pages = report(spec, stores, verdicts)
    return measured(began, verdicts=len(verdicts), pages=len(pages))


PHASES = {
    "fill": fill,
    "ingest": take_in,
    "content": content,
    "bare": bare,
    "backtest": live,
    "report": judge,
}

if __name__ == "__main__":
    sys.exit(main())
