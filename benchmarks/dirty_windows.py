"""P32: dirty windows are findings. Each goes through the data contract check and the drift report.

`python -m benchmarks.dirty_windows [ROWS]`: ROWS is the size of the window with a level of its own
in every row (default 1,000,000).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.bars import Bar, finish, say
from opslayer.capability import Capability
from opslayer.frame import Frame
from opslayer.records import Recipe, Snapshot
from opslayer.stores import Stores

ROWS = 600
TARGET = "label"

CAPABILITY = Capability.model_validate(
    {
        "name": "dirty",
        "kind": "classification",
        "inputs": {
            "amount": {"type": "number", "missing": True},
            "count": {"type": "integer"},
            "flag": {"type": "boolean"},
            "colour": {"type": "category", "choices": ["red", "green", "blue"], "missing": True},
            "shop": {"type": "category", "missing": True},
            "note": {"type": "text", "missing": True},
        },
        "target": TARGET,
        "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "gate": {"metric": "accuracy"},
    }
)


def clean(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Rows that keep the contract: inputs, and the target as `label`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(50, 10, rows),
            "count": rng.integers(0, 9, rows).astype(float),
            "flag": rng.integers(0, 2, rows).astype(float),
        }
    )
    for name, values in (
        ("colour", ["red", "green", "blue"]),
        ("shop", ["north", "south", "east", "west"]),
        ("note", ["late again", "all fine, thank you", "where is it"]),
        (TARGET, ["yes", "no"]),
    ):
        frame[name] = pd.Series(rng.choice(values, rows), dtype=object)
    return frame


def framed(rows: pd.DataFrame) -> Frame:
    """The same rows as a training set, one a minute."""
    moments = pd.Series(pd.date_range("2024-01-01", periods=len(rows), freq="min", tz="UTC"))
    ids = pd.Series([f"row-{number}" for number in range(len(rows))], dtype=object)
    plain = rows.reset_index(drop=True)
    return Frame(ids, plain[list(CAPABILITY.columns)], plain[TARGET], moments, moments)


@dataclass(frozen=True)
class Dirty:
    """A kind of dirt, and the codes under which it must be named."""

    name: str
    make: Callable[[pd.DataFrame], pd.DataFrame]
    column: str | None
    """Where it is; None: everywhere."""
    check: str
    finding: str


def _set(column: str, value: Callable[[pd.DataFrame], object]) -> Callable[..., pd.DataFrame]:
    return lambda rows: rows.assign(**{column: value(rows)})


def _objects(rows: pd.DataFrame, column: str, *odd: object) -> pd.Series:
    """A column with every seventh value replaced by odd ones in turn."""
    values = rows[column].astype(object).tolist()
    for place in range(0, len(values), 7):
        values[place] = odd[place // 7 % len(odd)]
    return pd.Series(values, index=rows.index, dtype=object)


def _missing(rows: pd.DataFrame) -> pd.DataFrame:
    gone = {
        name: np.nan
        if rows[name].dtype.kind == "f"
        else pd.Series([None] * len(rows), dtype=object)
        for name in rows.columns
    }
    return rows.assign(**gone)


def _infinite(rows: pd.DataFrame) -> object:
    return rows["amount"].where(np.arange(len(rows)) % 5 > 0, np.inf)


def _unique(rows: pd.DataFrame) -> object:
    return pd.Series([f"shop {number}" for number in range(len(rows))], dtype=object)


WINDOWS = (
    Dirty("empty", lambda rows: rows.iloc[:0], None, "rows", "no-rows"),
    Dirty("one row", lambda rows: rows.iloc[:1], None, "rows", "few-rows"),
    Dirty("all missing", _missing, "amount", "all-missing", "all-missing"),
    Dirty("all missing texts", _missing, "shop", "all-missing", "all-missing"),
    Dirty("infinite", _set("amount", _infinite), "amount", "infinite", "infinite"),
    Dirty("one class", _set(TARGET, lambda _: "yes"), TARGET, "one-class", "one-class"),
    Dirty("texts among numbers",
          _set("amount", lambda rows: _objects(rows, "amount", "12,5", "n/a", True)),
          "amount", "type", "mixed-types"),
    Dirty("numbers among levels",
          _set("shop", lambda rows: _objects(rows, "shop", 7, 7.5, b"7")),
          "shop", "type", "mixed-types"),
    Dirty("lists among texts",
          _set("note", lambda rows: _objects(rows, "note", ["a"], {"b": 1}, {2})),
          "note", "type", "mixed-types"),
    Dirty("integers of 400 digits",
          _set("amount", lambda rows: _objects(rows, "amount", 10**400)),
          "amount", "type", "mixed-types"),
    Dirty("dates among numbers",
          _set("amount", lambda rows: _objects(rows, "amount", pd.Timestamp(0))),
          "amount", "type", "mixed-types"),
    Dirty("mixed labels",
          _set(TARGET, lambda rows: _objects(rows, TARGET, 1, 2.5)),
          TARGET, "target-type", "mixed-types"),
    Dirty("a level per row", _set("shop", _unique), "shop", "too-many-levels", "too-many-levels"),
    Dirty("label copy as level", _set("shop", lambda rows: rows[TARGET]),
          "shop", "label-copy", "label-copy"),
    Dirty("label copy as number", _set("amount", lambda rows: (rows[TARGET] == "yes") * 3.0),
          "amount", "label-copy", "label-copy"),
)  # fmt: skip
"""Of "all missing" two columns are looked at, a number and a category."""


@dataclass(frozen=True)
class Seen:
    """What became of one dirty window."""

    crash: str = ""
    named: bool = False
    seconds: float = 0.0


def through_check(dirty: Dirty, rows: pd.DataFrame) -> Seen:
    """The data contract check, against a clean reference, and its page."""
    from opslayer.judgement.contract import check
    from opslayer.reports import validation_page

    checks = check(CAPABILITY, framed(rows), framed(clean(seed=1)))
    result = {
        "capability": "dirty", "snapshot": "0" * 64, "rows": len(rows), "since": "2024-01-01",
        "until": "2024-01-02",
        "as_of": "2024-01-02", "reference": None, "outcome": "failed", "reason": dirty.name,
        "checks": [item.as_dict() for item in checks],
    }  # fmt: skip
    html = validation_page.draw(result)
    named = any(
        item.code == dirty.check and item.column == dirty.column and item.result != "passed"
        for item in checks
    )
    return Seen(named=named and dirty.check in html)


def through_report(dirty: Dirty, rows: pd.DataFrame) -> Seen:
    """The drift report with Evidently's part, against a clean reference, written to disk."""
    from opslayer.reports.drift_report import Facts, draw
    from opslayer.stores.reports import Reports

    facts = Facts(dirty.name, dirty.name, "clean rows")
    report = draw(clean(seed=1), rows, CAPABILITY, facts)
    with tempfile.TemporaryDirectory() as folder:
        html = report.keep(Reports(Path(folder))).read_text()
    wanted = (dirty.column, dirty.finding)
    named = any((finding.column, finding.code) == wanted for finding in report.findings)
    failed = any(finding.code == "evidently" for finding in report.findings)
    return Seen(named=named and not failed and dirty.finding in html)


def through_step(dirty: Dirty, rows: pd.DataFrame) -> Seen:
    """The whole step on real stores, for what the lake can hold."""
    from opslayer.errors import ValidationFailed
    from opslayer.settings import Settings
    from opslayer.steps.validate import validate

    with tempfile.TemporaryDirectory() as folder:
        stores = Stores.at(Settings(home=Path(folder)))
        snapshot = stored(stores, rows)
        try:
            verdict = validate(CAPABILITY, snapshot, stores, NOW)
        except ValidationFailed:
            verdict = stores.ledger.verdicts.list(CAPABILITY.name)[0]
    wanted = (dirty.check, dirty.column)
    found = [
        check
        for check in verdict.numbers["checks"]
        if (check["code"], check["column"]) == wanted and check["result"] != "passed"
    ]
    return Seen(named=bool(found))


NOW = datetime(2024, 6, 1, tzinfo=UTC)


def stored(stores: Stores, rows: pd.DataFrame, until: datetime = NOW) -> Snapshot:
    """Put rows and their labels into the lake and take a snapshot of those before `until`."""
    from opslayer.steps.snapshot import take
    from opslayer.stores.lake import INPUT, schema

    frame = framed(rows)
    moments, ids = frame.event_time, frame.row_ids
    common = {"row_id": ids, "event_time": moments, "known_time": moments, "source": "test"}
    inputs = {INPUT + name: frame.features[name] for name in CAPABILITY.columns}
    told = {"id": ids, "value": frame.target, "source": "outcome", "by": "test", "confidence": 1.0}
    for table, columns in (
        ("rows", {**common, "file": "test.csv", "line": range(len(rows)), **inputs}),
        ("tags", {**common, **told, "supersedes": None}),
    ):
        fields = schema(CAPABILITY, table)
        data = pd.DataFrame({name: columns[name] for name in fields.names})
        stores.lake.append(CAPABILITY, table, pa.Table.from_pandas(data, fields))
    return take(CAPABILITY, stores, NOW, Recipe.ALL, until)


def storable(rows: pd.DataFrame) -> bool:
    """Whether the lake can hold such rows and a snapshot can be taken: one type in each column."""
    typed = all(
        pd.api.types.infer_dtype(rows[name], skipna=True) in ("string", "floating", "empty")
        for name in rows.columns
    )
    return bool(typed and len(rows) and rows[TARGET].notna().all())


def through(dirty: Dirty, rows: int = ROWS) -> Iterator[tuple[str, Seen]]:
    """Each way by name, and what became of the window on it. A crash is caught and told."""
    window = dirty.make(clean(rows))
    ways: list[Way] = [through_check, through_report]
    for way in [*ways, through_step] if storable(window) else ways:
        start = time.perf_counter()
        try:
            seen = way(dirty, window)
        except Exception as error:  # what this benchmark counts
            seen = Seen(crash=f"{type(error).__name__}: {error}")
        yield way.__name__, replace(seen, seconds=time.perf_counter() - start)


Way = Callable[[Dirty, pd.DataFrame], Seen]


def main(most: int = 1_000_000) -> int:
    """Run all, print one line each and the bars; 1 if a bar is missed."""
    many = next(dirty for dirty in WINDOWS if dirty.name == "a level per row")
    passes = [(dirty, ROWS) for dirty in WINDOWS] + [(many, most // 10), (many, most)]
    every: list[Seen] = []
    for dirty, rows in passes:
        for way, seen in through(dirty, rows):
            state = seen.crash or ("named" if seen.named else "NOT NAMED")
            say(f"{dirty.name:25} {rows:>9,} rows  {way:15} {seen.seconds:6.2f} s  {state}")
            every.append(seen)
    crashes = sum(bool(seen.crash) for seen in every)
    unnamed = sum(not seen.named and not seen.crash for seen in every)
    bars = [
        Bar("crashes", crashes, "<= 0", len(every)),
        Bar("dirty windows not named", unnamed, "<= 0", len(every)),
    ]
    return finish("dirty_windows", len(every), bars)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
