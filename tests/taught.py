"""A small shop with labelled rows in its lake, ready to be trained on."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from lake_content import START, add_rows, add_tags, outcome, row
from once import once

from opslayer.capability import Capability
from opslayer.records import Cause, CauseKind, Recipe, Snapshot, Version
from opslayer.steps.snapshot import split, take
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores
from opslayer.stores.tracking import make_database

ESTIMATORS = {
    "classification": "sklearn.linear_model.LogisticRegression",
    "regression": "sklearn.linear_model.Ridge",
}


def shop(kind: str = "classification", **sections: Any) -> Capability:
    """A capability with a number, two categories and a text."""
    return Capability.model_validate(
        {
            "name": "shop",
            "kind": kind,
            "inputs": {
                "size": {"type": "number", "missing": True},
                "colour": {"type": "category", "choices": ["red", "blue"]},
                "city": {"type": "category", "missing": True},
                "note": {"type": "text", "missing": True},
            },
            "target": "answer",
            "training": {"estimator": ESTIMATORS[kind], "params": {"max_iter": 100}},
            "gate": {
                "metric": "accuracy" if kind == "classification" else "mae",
                "min_labels": 60,
                "slices": ["size", "city"],
            },
            **sections,
        }
    )


def teach(
    stores: Stores, spec: Capability, days: int, since: int = 0, turned: bool = False
) -> None:
    """24 labelled rows a day from day `since` on; turned, the answers mean the opposite."""
    draw = np.random.default_rng(since)
    rows, tags = [], []
    for hour in range(since * 24, (since + days) * 24):
        when, size = START + timedelta(hours=hour), float(draw.normal())
        colour, city = draw.choice(["red", "blue"]), draw.choice(["oslo", "rome", None])
        note = f"{colour} goods" if hour % 7 else None
        score = (-1 if turned else 1) * (size + (colour == "red"))
        answer = ("yes" if score > 0.5 else "no") if spec.kind == "classification" else score
        inputs = {"size": size, "colour": colour, "city": city, "note": note}
        rows.append(row(f"r{hour:06}", when, **inputs))
        tags.append(outcome(f"r{hour:06}", answer, when, when))
    add_rows(stores, spec, rows)
    add_tags(stores, spec, tags)


def order(
    stores: Stores, spec: Capability, day: int, recipe: Recipe = Recipe.ALL, about: str = "asked"
) -> tuple[Snapshot, TrainingOrder]:
    """What a training on the labels known at the start of a day takes."""
    as_of = START + timedelta(days=day)
    cause = Cause(capability=spec.name, kind=CauseKind.PERSON, about=about, at=as_of)
    cut = split(spec, stores, as_of, spec.gate.min_labels)
    exam = take(spec, stores, as_of, Recipe.EXAM, cut)
    snapshot = take(spec, stores, as_of, recipe, cut)
    return snapshot, TrainingOrder(cause=cause, recipe=recipe, exam=exam)


def trained(
    stores: Stores, spec: Capability, day: int, recipe: Recipe = Recipe.ALL, about: str = "asked"
) -> Version:
    """A version trained on the labels known at the start of a day."""
    snapshot, ordered = order(stores, spec, day, recipe, about)
    return train(spec, snapshot, stores, ordered)


def at(day: int) -> datetime:
    """The start of a day of the shop."""
    return START + timedelta(days=day)


def give_database(stores: Stores) -> Stores:
    """MLflow's empty database, made once and copied: making it takes seconds."""
    give_database_at(Path(stores.models.root).parent / "mlflow.db")
    return stores


def give_database_at(path: Path) -> None:
    """The same for any place."""
    shutil.copyfile(once("mlflow", _make_database) / "mlflow.db", path)


def _make_database(folder: Path) -> None:
    make_database(f"sqlite:///{folder / 'mlflow.db'}")
