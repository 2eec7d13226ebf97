"""Quality without labels: near the truth where the concept stands, and owned up to where not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import drifting
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from opslayer.judgement.estimate import LOOK_BACK, Answered, expected, judge
from opslayer.judgement.outcome import Outcome
from opslayer.records import VerdictKind
from opslayer.settings import Settings
from opslayer.steps.monitor import monitor
from opslayer.stores import Stores

ROWS = 336


def answers(rng: np.random.Generator, rows: int, harm: float = 0.0) -> Answered:
    """Answers as right as they are sure, less a share."""
    sureness = rng.uniform(0.5, 1, size=rows)
    return Answered(sureness, (rng.random(rows) < sureness - harm).astype(float))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_sureness_that_is_honest_is_taken_at_its_word(seed: int) -> None:
    rng = np.random.default_rng(seed)
    now = rng.uniform(0.5, 1, size=2_000)
    assert expected([answers(rng, 5_000)], now) == pytest.approx(now.mean(), abs=0.03)


def test_a_concept_that_stands_is_estimated_within_two_points_and_trusted() -> None:
    outcomes, off = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        past = [answers(rng, ROWS) for _ in range(LOOK_BACK)]
        now = answers(rng, 5_000)
        outcomes.append(judge(answers(rng, 1_000), past, now.sureness))
        off.append(abs(outcomes[-1].numbers["value"] - now.accuracy))
    assert np.mean(off) <= 0.02
    assert [one.outcome for one in outcomes].count("not_trusted") <= 3  # 2.5 errors: 1.2 %
    assert [one.outcome for one in outcomes].count("harm_expected") <= 8  # at 5 %


def test_windows_full_of_unsure_answers_let_harm_be_expected() -> None:
    rng = np.random.default_rng(5)
    past = [answers(rng, ROWS) for _ in range(LOOK_BACK)]
    found = judge(answers(rng, 1_000), past, rng.uniform(0.5, 0.6, size=ROWS))
    assert found.outcome == "harm_expected"
    assert found.numbers["value"] == pytest.approx(0.55, abs=0.04)


def test_a_concept_that_has_moved_is_owned_up_to() -> None:
    rng = np.random.default_rng(6)
    moved = [answers(rng, ROWS, harm=0.2) for _ in range(LOOK_BACK)]
    # What came out is learnt from as well, so the first windows after the move tell the most.
    found = judge(answers(rng, 4_000), moved, rng.uniform(0.5, 1, size=ROWS))
    assert found.outcome == "not_trusted"
    assert "not to be trusted" in found.reason


@pytest.mark.parametrize(("windows", "exam", "rows"), [(3, 1_000, 50), (4, 99, 50), (4, 1_000, 0)])
def test_too_little_to_know_is_said(windows: int, exam: int, rows: int) -> None:
    rng = np.random.default_rng(7)
    past = [answers(rng, ROWS) for _ in range(windows)]
    assert judge(answers(rng, exam), past, np.full(rows, 0.9)).outcome == "cannot_estimate"


def market(real_data: Path) -> Iterator[Outcome]:
    """Weeks of elec2 with one model of the first tenth, labels a week late."""
    table = pd.read_csv(real_data / "elec2/elec.csv.gz")
    values, truth = table.drop(columns="class").to_numpy(float), table["class"].to_numpy()
    learnt, begin = slice(0, 3_531), 4_531
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    model.fit(values[learnt], truth[learnt])
    sure = model.predict_proba(values)
    right = (sure.argmax(axis=1) == truth).astype(float)
    windows = [slice(row, row + ROWS) for row in range(begin, len(truth) - ROWS, ROWS)]
    past = [Answered(sure[one].max(axis=1), right[one]) for one in windows]
    exam = Answered(sure[3_531:begin].max(axis=1), right[3_531:begin])
    for place in range(LOOK_BACK + 1, len(windows)):
        yield judge(exam, past[max(0, place - 9) : place - 1], past[place].sureness)


def test_on_elec2_the_estimate_says_that_it_is_not_to_be_trusted(real_data: Path) -> None:
    outcomes = [one.outcome for one in market(real_data)]
    assert outcomes.count("not_trusted") / len(outcomes) >= 0.8


def test_a_window_with_late_labels_is_estimated_once_and_starts_nothing(tmp_path: Path) -> None:
    frame = drifting.rows(days=2 * 60)[: 60 * 60]
    frame["level"] = np.where(frame["level"] > 0, "high", "low")
    configs = drifting.write(tmp_path, frame, "estimator: sklearn.linear_model.LogisticRegression")
    file = configs / "capabilities" / f"{drifting.NAME}.yaml"
    text = file.read_text().replace("kind: regression", "kind: classification")
    text = text.replace("metric: mae", "metric: accuracy")
    file.write_text(text.replace("delay: 2d", "delay: 6d"))
    spec, stores = drifting.capability(configs), Stores.at(Settings(home=tmp_path / "home"))
    drifting.train(spec, stores, datetime(2024, 2, 1, tzinfo=UTC))
    now = datetime(2024, 2, 25, tzinfo=UTC)
    found = monitor(spec, stores, now) + monitor(spec, stores, now + timedelta(hours=1))
    estimates = {v.numbers["window"]: v for v in found if v.kind is VerdictKind.ESTIMATE}
    assert len(estimates) == len([v for v in found if v.kind is VerdictKind.ESTIMATE]) == 3
    newest = estimates[max(estimates)]
    assert newest.outcome in ("no_harm_expected", "not_trusted", "harm_expected")
    assert 0.5 < newest.numbers["value"] <= 1
