"""What Opslayer costs beside the same library calls written bare, over a life of two capabilities.

Ingest, validate, train, evaluate, register, release and watch on banking77 and elec2: by our flows
with everything left at its default (`lifecycle_ours`), and by hand (`lifecycle_bare`). Both sides
must come to the same rows, the same accuracy and the same number of windows and pages, or the
comparison is refused. Each is a fresh process, timed from outside, imports included; Prefect's
start-up, which a process pays once, is counted apart.

`python -m benchmarks.lifecycle [ROUNDS]` (default 3). The data lie in OPSLAYER_DATA_DIR, or in
`../shared/data`.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bars import Bar, finish, say
from benchmarks.data import DATA

HERE = Path(__file__).parents[1]
SIDES = ("ours", "bare")
START_UP = "start-up of Prefect"
"""The phase that is not counted."""
HELPS = 5
"""Alternating runs of `opslayer --help` and `import prefect`."""
SEED = 77
EQUAL = {
    # Opslayer switches telemetry off; its threads and their timeouts must not count against bare.
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Opslayer fits with one thread less than there are cores. On two busy cores a fit with two
    # takes up to four times as long: no merit of ours to be counted, so both take one.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What both sides are given, so that the libraries do the same in both."""


@dataclass(frozen=True)
class Case:
    """One data set with its clock: when it is trained on, and when it is watched."""

    name: str
    start: datetime
    step: timedelta
    train_at: datetime
    watch_at: datetime
    """Late enough to judge the windows after the exam's cut, too early for a second training."""
    contract: str


CASES = (
    Case(
        "banking77",
        datetime(2024, 1, 1),
        timedelta(hours=1),
        datetime(2025, 2, 10),
        datetime(2025, 2, 17, 1),
        """
kind: classification
inputs:
  text: {type: text}
target: category
training: {estimator: sklearn.linear_model.LogisticRegression, params: {C: 20, max_iter: 200}}
""",
    ),
    Case(
        "elec2",
        datetime(1996, 5, 7),
        timedelta(minutes=30),
        datetime(1998, 11, 23),
        datetime(1998, 11, 30, 1),
        """
kind: classification
inputs:
  period: {type: number, min: 0, max: 1}
  nswprice: {type: number, min: 0, max: 1}
  nswdemand: {type: number, min: 0, max: 1}
  vicprice: {type: number, min: 0, max: 1}
  vicdemand: {type: number, min: 0, max: 1}
  transfer: {type: number, min: 0, max: 1}
target: class
training: {estimator: sklearn.ensemble.HistGradientBoostingClassifier, params: {max_iter: 60}}
""",
    ),
)
REST = """
sources: [{{name: history, path: {path}, event_time: at}}]
gate: {{metric: accuracy}}
"""


@dataclass
class Life:
    """One side's run: seconds by phase in order, and what it came to."""

    phases: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    cpu: float = 0.0
    """Processor seconds of the process and its children, Prefect's server among them."""

    @property
    def counted(self) -> float:
        """Seconds from the start of the process to its end, without Prefect's start-up."""
        return sum(self.phases.values()) - self.phases.get(START_UP, 0.0)


def prepare(folder: Path) -> None:
    """Write each data set as CSV with a time column, and its capability's file."""
    (folder / "capabilities").mkdir()
    for case, rows in zip(CASES, (_banking77(), _elec2()), strict=True):
        path = folder / f"{case.name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            head, *body = rows
            writer.writerow(["at", *head])
            for place, row in enumerate(body):
                writer.writerow([f"{case.start + place * case.step:%Y-%m-%d %H:%M}", *row])
        text = f"name: {case.name}{case.contract}{REST.format(path=path).lstrip()}"
        (folder / "capabilities" / f"{case.name}.yaml").write_text(text)


def _banking77() -> list[list[str]]:
    head, *body = _read("banking77/train.csv.gz")
    random.Random(SEED).shuffle(body)  # the file is sorted by class
    return [head, *body]


def _elec2() -> list[list[str]]:
    return list(_read("elec2/elec.csv.gz"))


def _read(name: str) -> Iterator[list[str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def live(side: str, folder: Path, profile: str | None = None) -> Life:
    """Run one side in a fresh home; it prints each phase as it ends, and its facts last."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        module = ["-m", f"benchmarks.lifecycle_{side}"]
        if profile:
            module = ["-m", "cProfile", "-o", profile, *module]
        orders = [
            [case.name, case.train_at.isoformat(), case.watch_at.isoformat()] for case in CASES
        ]
        command = [sys.executable, *module, str(folder), json.dumps(orders)]
        started, before = time.perf_counter(), os.times()
        process = subprocess.Popen(
            command, cwd=HERE, env=_environment(folder, home), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        life = _listen(process.stdout, started)
        if process.wait():
            raise SystemExit(f"the side {side} ended with {process.returncode}")
    after = os.times()
    life.cpu = sum(after[2:4]) - sum(before[2:4])  # of children that have ended
    return life


def _environment(folder: Path, home: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPSLAYER_", "PREFECT_", "MLFLOW_"))
    }
    return kept | EQUAL | {"OPSLAYER_HOME": home, "OPSLAYER_CONFIGS": str(folder)}


def _listen(lines: Iterable[str], started: float) -> Life:
    """Stamp each phase here, so that interpreter and imports count too. Ends with the process."""
    life, last = Life(), started
    for line in lines:
        kind, _, rest = line.rstrip("\n").partition(" ")
        now = time.perf_counter()
        if kind == "phase":
            life.phases[rest] = now - last
            last = now
        elif kind == "facts":
            life.facts = json.loads(rest)
            last = now  # counting what came of it is the benchmark's own work
    life.phases["exit"] = time.perf_counter() - last
    return life


def helps() -> tuple[float, float]:
    """Median seconds of `opslayer --help` and of `import prefect`, alternating."""
    program = str(Path(sys.executable).with_name("opslayer"))
    commands = {"help": [program, "--help"], "prefect": [sys.executable, "-c", "import prefect"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(HELPS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, cwd=HERE, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - started)
    shown, imported = (
        median(values[1:]) for values in seconds.values()
    )  # the first warms the disk
    say(f"opslayer --help {shown:.2f} s, import prefect {imported:.2f} s")
    return shown, imported


def tell(side: str, life: Life) -> None:
    """One line per run: the phases in order."""
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in life.phases.items())
    say(f"{side}: {life.counted:5.1f} s counted, {life.cpu:.0f} s of processor ({phases})")


def agree(ours: Life, bare: Life) -> None:
    """Both sides must have done the same: rows, accuracy, windows, pages; no second training."""
    if ours.facts != bare.facts:
        raise SystemExit(f"the sides differ, ours {ours.facts}, bare {bare.facts}")


def main(rounds: int = 3) -> int:
    """Alternate the sides, compare medians; 1 if a bar is missed."""
    if not DATA.is_dir():
        raise SystemExit(f"no data sets at {DATA}: set OPSLAYER_DATA_DIR")
    lives: dict[str, list[Life]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for number in range(rounds):
            for side in SIDES[:: -1 if number % 2 else 1]:
                lives[side].append(live(side, folder))
                tell(side, lives[side][-1])
            agree(*(lives[side][-1] for side in SIDES))
    say(f"both sides: {json.dumps(lives['ours'][0].facts)}")
    ours, bare = (median(life.counted for life in lives[side]) for side in SIDES)
    start_up = median(life.phases[START_UP] for life in lives["ours"])
    say(f"ours {ours:.1f} s, bare {bare:.1f} s; {START_UP}, once a process: {start_up:.1f} s")
    shown, imported = helps()
    bars = [
        Bar("total / bare", round(ours / bare, 3), "<= 1.3"),
        Bar("help / import prefect", round(shown / imported, 3), "<= 0.25"),
    ]
    return finish("lifecycle", rounds, bars)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
