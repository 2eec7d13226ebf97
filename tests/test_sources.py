"""What sources are worth, estimated without the truth, held against simulated sources."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lake_content import LATER, START, add_rows, add_tags, capability, outcome, row

from opslayer.judgement.sources import estimate, weighted
from opslayer.steps.labels import labels
from opslayer.steps.worth import worth
from opslayer.stores import Stores

TOLERANCE = 0.05
"""Of one estimate from 3,000 rows, some 2.5 of its measured standard deviations (0.02 at most)."""
BIAS = 0.015
"""Of the mean of 8 such estimates."""


def simulated(
    accuracies: dict[str, float],
    classes: int,
    rows: int = 3_000,
    spoken: float = 0.7,
    seed: int = 0,
) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Independent sources of known accuracy, each of which speaks of a share of the rows."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(classes, size=rows)
    parts = []
    for name, accuracy in accuracies.items():
        wrong = (truth + draw.integers(1, classes, size=rows)) % classes
        said = np.where(draw.random(rows) < accuracy, truth, wrong)
        mine = np.flatnonzero(draw.random(rows) < spoken)
        ids = [f"r{one}" for one in mine]
        values = [f"c{one}" for one in said[mine]]
        spoke = pd.DataFrame({"row_id": ids, "value": values})
        parts.append(spoke.assign(source="rule", by=name, confidence=0.7))
    return pd.concat(parts, ignore_index=True), truth


@pytest.mark.parametrize("classes", [2, 3, 20])
def test_accuracies_of_simulated_sources_are_found_without_the_truth(classes: int) -> None:
    planted = {"best": 0.92, "good": 0.8, "fair": 0.7, "poor": 0.6}
    found = []
    for seed in range(8):
        tags, _ = simulated(planted, classes, seed=seed)
        found.append({one.by: one.estimated for one in estimate(tags).accuracies})
        assert found[-1] == pytest.approx(planted, abs=TOLERANCE)
    mean = {name: np.mean([one[name] for one in found]) for name in planted}
    assert mean == pytest.approx(planted, abs=BIAS)


def test_a_source_that_is_mostly_wrong_is_found_out_by_the_others() -> None:
    planted = {"a": 0.85, "b": 0.8, "c": 0.75, "liar": 0.2}
    tags, _ = simulated(planted, 3)
    found = {one.by: one.estimated for one in estimate(tags).accuracies}
    assert found == pytest.approx(planted, abs=TOLERANCE)


def test_true_values_settle_what_two_sources_alone_could_not() -> None:
    planted = {"a": 0.9, "b": 0.55}
    tags, truth = simulated(planted, 3)
    known = pd.DataFrame(
        {"row_id": [f"r{at}" for at in range(1_500)], "value": [f"c{one}" for one in truth[:1_500]],
         "source": "outcome", "by": "feed", "confidence": 1.0}
    )  # fmt: skip
    found = {one.by: one.estimated for one in estimate(pd.concat([tags, known])).accuracies}
    assert found == pytest.approx(planted, abs=TOLERANCE)


def test_labels_by_estimated_accuracies_are_right_more_often_than_by_stated_ones() -> None:
    from opslayer.judgement.labels import resolve

    tags, truth = simulated({"best": 0.95, "x": 0.55, "y": 0.55, "z": 0.55}, 2, spoken=1.0)
    full = tags.assign(
        id=[str(at) for at in range(len(tags))],
        event_time=pd.Timestamp(START), known_time=pd.Timestamp(START), supersedes=None,
    )  # fmt: skip

    def right(given: pd.DataFrame) -> float:
        found = resolve(given, LATER).labels
        said = {one.row_id: one.value for one in found.itertuples()}
        return float(np.mean([said.get(f"r{at}") == f"c{one}" for at, one in enumerate(truth)]))

    assert right(weighted(full, estimate(tags).accuracies)) > 0.94
    assert right(full) < 0.8


def test_disagreements_are_counted_by_pair_and_the_most_split_rows_come_first() -> None:
    said = {"r1": "aab", "r2": "aaa", "r3": "abb", "r4": "ab."}
    tags = pd.DataFrame(
        [
            {"row_id": id, "value": value, "source": "rule", "by": by, "confidence": 0.7}
            for id, values in said.items()
            for by, value in zip("xyz", values, strict=True)
            if value != "."
        ]
    )
    found = estimate(tags)
    pairs = {
        (one.one, one.other): (one.rows, one.differ) for one in found.disagreements.itertuples()
    }
    assert pairs == {
        ("rule:x", "rule:y"): (4, 2), ("rule:x", "rule:z"): (3, 2), ("rule:y", "rule:z"): (3, 1)
    }  # fmt: skip
    assert set(found.contested) == {"r1", "r3", "r4"}


def test_nothing_said_estimates_nothing() -> None:
    empty = pd.DataFrame(columns=["row_id", "value", "source", "by", "confidence"])
    assert estimate(empty).accuracies == []


def test_a_capabilitys_labels_follow_its_sources_estimated_accuracies(stores: Stores) -> None:
    spec = capability(labels={"accuracies": "estimated"})
    tags, truth = simulated({"best": 0.95, "p": 0.65, "q": 0.65, "r": 0.65}, 2, 1_000, 1.0)
    add_rows(stores, spec, [row(f"r{at}", START, size=1.0) for at in range(1_000)])
    made = [
        outcome(one.row_id, one.value, START, START, id=f"{one.by}/{one.row_id}", source="model",
                by=one.by, confidence=0.7)
        for one in tags.itertuples()
    ]  # fmt: skip
    add_tags(stores, spec, made)
    other = f"c{1 - truth[7]}"
    add_tags(stores, spec, [outcome("r7", other, START, START + timedelta(days=1))])
    found = {one.row_id: one.value for one in labels(spec, stores, LATER).itertuples()}
    assert found["r7"] == other
    right = np.mean([found.get(f"r{at}") == f"c{one}" for at, one in enumerate(truth)])
    assert right > 0.9
    told = worth(spec, stores, LATER)
    assert {one.by for one in told.accuracies} == {"best", "p", "q", "r"}
