"""Row by row, a model says what it says of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from opslayer.capability import Capability
from opslayer.frame import Frame
from opslayer.learners.rows import RowModel
from opslayer.learners.tabular import fit, predict
from opslayer.steps.answer import output

CLASSIFIERS = [
    "sklearn.linear_model.LogisticRegression",
    "sklearn.ensemble.HistGradientBoostingClassifier",
    "sklearn.ensemble.RandomForestClassifier",
    "sklearn.naive_bayes.MultinomialNB",
    "sklearn.neighbors.KNeighborsClassifier",
    "sklearn.svm.LinearSVC",
    "sklearn.tree.DecisionTreeClassifier",
]
REGRESSORS = [
    "sklearn.linear_model.Ridge",
    "sklearn.ensemble.HistGradientBoostingRegressor",
    "sklearn.ensemble.ExtraTreesRegressor",
]
INPUTS: dict[str, dict[str, Any]] = {
    "size": {"type": "number", "missing": True},
    "count": {"type": "integer"},
    "open": {"type": "boolean"},
    "colour": {"type": "category", "choices": ["red", "blue"]},
    "city": {"type": "category", "missing": True},
    "note": {"type": "text", "missing": True},
}


def made(kind: str, estimator: str, without: tuple[str, ...] = ()) -> Capability:
    return Capability.model_validate(
        {
            "name": "shop",
            "kind": kind,
            "inputs": {name: spec for name, spec in INPUTS.items() if name not in without},
            "target": "answer",
            "training": {"estimator": estimator},
            "gate": {"metric": "accuracy" if kind == "classification" else "mae"},
        }
    )


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    return [
        {
            "size": None if draw.random() < 0.2 else float(draw.normal()),
            "count": int(draw.integers(0, 9)),
            "open": bool(draw.integers(0, 2)),
            "colour": str(draw.choice(["red", "blue"])),
            "city": draw.choice(["oslo", "rome", "bonn", "atlantis", None]),
            "note": draw.choice(["red goods", "blue goods are here", "", "Ünïcode words", None]),
        }
        for _ in range(count)
    ]


def table(capability: Capability, some: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame({name: [row[name] for row in some] for name in capability.inputs})
    for name, column in capability.inputs.items():
        frame[name] = frame[name].astype("float64" if column.type.numeric else object)
    return frame


def fitted(capability: Capability, kind: str) -> Any:
    some = rows(300, 1)
    features = table(capability, some)
    target = [row["count"] + (row["colour"] == "red") * 2 for row in some]
    labels = [
        ("many" if value > 5 else "few") if kind == "classification" else float(value)
        for value in target
    ]
    times = pd.Series([datetime(2026, 1, 1, tzinfo=UTC)] * len(some))
    frame = Frame(
        row_ids=pd.Series([str(i) for i in range(len(some))]),
        features=features,
        target=pd.Series(labels),
        event_time=times,
        known_time=times,
    )
    return fit(capability, frame)


@pytest.mark.parametrize("without", [(), ("note",), ("note", "city", "colour")])
@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        *(("classification", name) for name in CLASSIFIERS),
        *(("regression", name) for name in REGRESSORS),
    ],
)
def test_row_by_row_a_model_says_what_it_says_of_a_table(
    kind: str, estimator: str, without: tuple[str, ...]
) -> None:
    capability = made(kind, estimator, without)
    pipeline = fitted(capability, kind)
    asked = [{name: row[name] for name in capability.inputs} for row in rows(64, 2)]
    said = predict(pipeline, table(capability, asked))
    model = RowModel.of(pipeline)
    wanted = [output(said, place) for place in range(len(asked))]
    assert _close(model.predict(asked), wanted)
    assert _close([model.predict([row])[0] for row in asked[:8]], wanted[:8])


def _close(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    for one, two in zip(found, wanted, strict=True):
        if isinstance(two["value"], str):
            assert one["value"] == two["value"]
        else:
            assert one["value"] == pytest.approx(two["value"], rel=1e-9, abs=1e-9)
        assert ("probabilities" in one) == ("probabilities" in two)
        assert one.get("probabilities") == pytest.approx(two.get("probabilities"), abs=2e-6)
    return True


def test_reading_a_pipeline_row_by_row_leaves_it_as_it_was() -> None:
    capability = made("regression", "sklearn.linear_model.Ridge")
    pipeline = fitted(capability, "regression")
    asked = table(capability, rows(8, 3))
    before = predict(pipeline, asked).values
    RowModel.of(pipeline).predict(rows(8, 4))
    assert (predict(pipeline, asked).values == before).all()


def test_the_examples_answer_row_by_row(tmp_path: Path) -> None:
    from opslayer.configuration import load_capability

    capability = load_capability("support-chat", Path(__file__).parents[1] / "configs")
    texts = pd.Series(["my brake is broken", "I want my money back"] * 20)
    times = pd.Series([datetime(2026, 1, 1, tzinfo=UTC)] * 40)
    frame = Frame(
        row_ids=texts.index.astype(str).to_series(),
        features=pd.DataFrame({"text": texts}),
        target=pd.Series(["damage", "refund"] * 20),
        event_time=times,
        known_time=times,
    )
    model = RowModel.of(fit(capability, frame))
    (said,) = model.predict([{"text": "the brake came off"}])
    assert said["value"] == "damage"
    assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-5)
