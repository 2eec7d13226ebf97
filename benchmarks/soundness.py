"""Are leaks, skews and shared rows named, and are clean replays left in peace?

Clean: random stretches of real data, divided in time into training set and exam, their days dealt
to callers and sources, their answers given by the model as the gateway asks it. Then the same with
one fault put in.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.bars import Bar, finish, say
from benchmarks.data import DATA
from opslayer.capability import Capability
from opslayer.frame import Frame
from opslayer.judgement import contract
from opslayer.judgement.checks import Check, Result
from opslayer.judgement.columns import Column
from opslayer.judgement.copies import shared_rows
from opslayer.judgement.skew import Side, same_answers, same_inputs
from opslayer.learners import tabular
from opslayer.learners.rows import RowModel

CLEAN, FAULTY = 100, 20
LEARNT, HELD_BACK = 3_000, 700
ASKED = 300
"""Answers that are given online and again."""


@dataclass(frozen=True)
class Data:
    """A real data set, its capability, and how many rows depend on each other."""

    capability: Capability
    table: pd.DataFrame
    per_block: int


@dataclass(frozen=True)
class Replay:
    """One stretch of it."""

    data: Data
    learnt: Frame
    exam: Frame
    online: pd.DataFrame
    """What the model is asked, as it arrives."""
    stored: pd.DataFrame
    """The same as it was logged."""
    sides: tuple[Side, Side]


def everything() -> list[Data]:
    """Numbers, calendar and text; two classes, 77, and a regression."""
    return [_elec2(), _bike(), _banking()]


def _capability(name: str, table: pd.DataFrame, target: str, kind: str) -> Capability:
    inputs = {
        column: {"type": "number" if table[column].dtype.kind in "fi" else "category"}
        for column in table.columns.drop(target)
    }
    what = "Regressor" if kind == "regression" else "Classifier"
    boosted = f"sklearn.ensemble.HistGradientBoosting{what}"
    return Capability.model_validate(
        {
            "name": name,
            "kind": kind,
            "inputs": inputs,
            "target": target,
            "training": {"estimator": boosted, "params": {"max_iter": 30}},
            "gate": {"metric": "mae" if kind == "regression" else "accuracy"},
        }
    )


def _elec2() -> Data:
    table = pd.read_csv(DATA / "elec2/elec.csv.gz")
    table["class"] = table["class"].map({0: "down", 1: "up"})
    return Data(_capability("elec2", table, "class", "classification"), table, 48)


def _bike() -> Data:
    table = pd.read_csv(DATA / "bike_sharing/hourly.csv.gz").drop(columns="date_time")
    return Data(_capability("bike", table, "users", "regression"), table, 24)


def _banking() -> Data:
    with gzip.open(DATA / "banking77/train.csv.gz", "rt") as file:
        table = pd.read_csv(file).sample(frac=1, random_state=0, ignore_index=True)
    spec = Capability.model_validate(
        {
            "name": "banking",
            "kind": "classification",
            "inputs": {"text": {"type": "text"}},
            "target": "category",
            "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
            "gate": {"metric": "accuracy"},
        }
    )
    return Data(spec, table, 1)


def replay(data: Data, rng: np.random.Generator) -> Replay:
    """A random stretch, nothing wrong with it."""
    begin = int(rng.integers(len(data.table) - LEARNT - HELD_BACK))
    rows = data.table.iloc[begin : begin + LEARNT + HELD_BACK].reset_index(drop=True)
    learnt, exam = _frame(data, rows[:LEARNT]), _frame(data, rows[LEARNT:])
    asked = exam.features[:ASKED]
    dealt = rng.random(LEARNT // data.per_block + 1) < 0.5
    called = dealt[np.arange(LEARNT) // data.per_block]
    sides = (_side(data, learnt, called), _side(data, learnt, ~called))
    return Replay(data, learnt, exam, asked, asked, sides)


def _frame(data: Data, rows: pd.DataFrame) -> Frame:
    times = pd.Series(pd.date_range("2024-01-01", periods=len(rows), freq="h", tz="UTC"))
    target = rows[data.capability.target].reset_index(drop=True)
    return Frame(
        row_ids=pd.Series([str(row) for row in rows.index]),
        features=rows[list(data.capability.columns)].reset_index(drop=True),
        target=target,
        event_time=times,
        known_time=times,
    )


def _side(data: Data, frame: Frame, mask: np.ndarray) -> Side:
    columns = {
        name: Column(
            frame.features[name].to_numpy()[mask],
            "number" if spec.type.numeric else spec.type.value,  # type: ignore[arg-type]
        )
        for name, spec in data.capability.inputs.items()
    }
    return columns, np.flatnonzero(mask) // data.per_block


def checks(one: Replay) -> Iterator[Check]:
    """All that is looked at before a candidate is judged, and before it is trained."""
    spec = one.data.capability
    yield from (c for c in contract.check(spec, one.learnt) if c.code.startswith("label-"))
    yield shared_rows(
        (one.learnt.features, one.learnt.target), (one.exam.features, one.exam.target)
    )
    yield from same_inputs(*one.sides)
    model = tabular.fit(spec, one.learnt)
    rows = one.online.to_dict("records")
    said = np.array([answer["value"] for answer in RowModel.of(model).predict(rows)])
    yield same_answers(said, tabular.predict(model, one.stored).values, spec.task)


def stopped(one: Replay) -> set[str]:
    """The codes of the checks that stop a promotion."""
    return {check.code for check in checks(one) if check.result is Result.FAILED}


def leaking(one: Replay, rng: np.random.Generator) -> Replay:
    """A column that is the label, but for one row in two hundred."""
    spec = one.data.capability
    name = spec.columns[0]
    told = one.learnt.target.sample(frac=1, random_state=1).to_numpy()
    wrong = rng.random(len(told)) < 0.005
    values = np.where(wrong, told, one.learnt.target.to_numpy())
    if spec.inputs[name].type.numeric:
        values = pd.factorize(values, sort=True)[0].astype(float)
    features = one.learnt.features.assign(**{name: values})
    return replace(one, learnt=replace(one.learnt, features=features))


def sharing(one: Replay, rng: np.random.Generator) -> Replay:
    """A tenth of the exam stands in the training set too."""
    taken = rng.choice(LEARNT, size=HELD_BACK // 10, replace=False)
    features, target = one.exam.features.copy(), one.exam.target.copy()
    features.iloc[: len(taken)] = one.learnt.features.iloc[taken].to_numpy()
    target.iloc[: len(taken)] = one.learnt.target.iloc[taken].to_numpy()
    return replace(one, exam=replace(one.exam, features=features, target=target))


def skewed_inputs(one: Replay, _: np.random.Generator) -> Replay:
    """Callers send one number in another unit, or categories in capitals with a prefix."""
    columns, blocks = one.sides[0]
    name = next(iter(columns))
    old = columns[name]
    values = old.values
    changed = values * 1.8 + 32 if old.kind == "number" else np.array([f"X-{v}" for v in values])
    return replace(
        one, sides=((dict(columns) | {name: Column(changed, old.kind)}, blocks), one.sides[1])
    )


def skewed_answers(one: Replay, _: np.random.Generator) -> Replay:
    """What is logged lacks a digit, or the end of a text."""
    stored = one.stored.copy()
    for name, spec in one.data.capability.inputs.items():
        if spec.type.numeric:
            stored[name] = (stored[name] / 10).round(0)
        elif spec.type.value == "text":
            stored[name] = stored[name].str[:10]
    return replace(one, stored=stored)


FAULTS = {
    "label-copy": leaking,
    "shared-rows": sharing,
    "input-skew": skewed_inputs,
    "answer-skew": skewed_answers,
}


def main() -> int:
    """Clean replays, then each fault; on every data set in turn."""
    there = everything()
    false = 0
    for number in range(CLEAN):
        found = stopped(replay(there[number % len(there)], np.random.default_rng(number)))
        false += bool(found)
        if found:
            say(f"clean replay {number} of {there[number % len(there)].capability.name}: {found}")
    bars = [Bar("clean replays stopped", false, "<= 0", of=CLEAN)]
    for code, put_in in FAULTS.items():
        # Bank customers' texts differ in every row: no distribution of whole texts has a unit.
        suited = there[:2] if code == "input-skew" else there
        named = 0
        for number in range(FAULTY):
            rng = np.random.default_rng([number, 1])
            named += code in stopped(put_in(replay(suited[number % len(suited)], rng), rng))
        say(f"{code}: named in {named} of {FAULTY}")
        bars.append(Bar(f"{code}: named and stopped, share", named / FAULTY, ">= 1"))
    return finish("soundness", CLEAN + FAULTY * len(FAULTS), bars)


if __name__ == "__main__":
    sys.exit(main())
