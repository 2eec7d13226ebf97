"""A leak, a skew, rows that exam and training share: each is named, and stops a promotion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import drifting
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.capability import Capability, Kind
from opslayer.errors import ValidationFailed
from opslayer.judgement.checks import Result
from opslayer.judgement.columns import Column
from opslayer.judgement.copies import shared_rows
from opslayer.judgement.skew import same_answers, same_inputs
from opslayer.records import Interaction, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.observe import Observed
from opslayer.steps.past import END, whole
from opslayer.steps.predict import score
from opslayer.steps.validate import validate
from opslayer.stores import Stores

Rows = tuple[pd.DataFrame, pd.Series]


def some_rows(count: int, levels: int, seed: int) -> Rows:
    """Rows of two columns of few or many levels, so that many or few are equal by nature."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.integers(levels, size=count) for name in ("a", "b")})
    return frame, pd.Series(rng.integers(2, size=count))


@settings(max_examples=200, deadline=None)
@given(levels=st.integers(1, 10_000), learnt=st.integers(0, 3_000), seed=st.integers(0, 10**6))
def test_rows_that_are_equal_by_nature_are_no_fault(levels: int, learnt: int, seed: int) -> None:
    frame, target = some_rows(learnt + 500, levels, seed)
    sides = [(frame[part], target[part]) for part in (slice(learnt), slice(learnt, None))]
    assert shared_rows(sides[0], sides[1]).result is not Result.FAILED


@pytest.mark.parametrize("levels", [300, 10_000])
def test_a_tenth_of_the_exam_taken_from_the_training_set_is_found(levels: int) -> None:
    learnt, exam = some_rows(3_000, levels, 1), some_rows(600, levels, 2)
    copied = [
        pd.concat([theirs[:540], ours[100:160]], ignore_index=True)
        for theirs, ours in zip(exam, learnt, strict=True)
    ]
    assert shared_rows(learnt, (copied[0], copied[1])).result is Result.FAILED


@pytest.mark.parametrize("wrong", [0, 5, 60])
def test_answers_that_come_out_otherwise_are_a_skew(wrong: int) -> None:
    said = np.random.default_rng(3).normal(10, 3, size=1_000)
    again = said.copy()
    again[:wrong] += 1
    expected = Result.FAILED if wrong > 10 else Result.PASSED
    assert same_answers(said, again, Kind.REGRESSION).result is expected
    names = np.where(said > 10, "yes", "no")
    other = np.where(np.arange(1_000) < wrong, "neither", names)
    assert same_answers(names, other, Kind.CLASSIFICATION).result is expected


def side(rows: int, change: Callable[[np.ndarray], np.ndarray], seed: int) -> object:
    rng = np.random.default_rng(seed)
    warm = 15 + np.repeat(rng.normal(0, 6, size=rows // 24), 24) + rng.normal(size=rows)
    columns = {
        "warm": Column(change(warm), "number"),
        "sky": Column(rng.choice(["clear", "rain"], size=rows), "category"),
    }
    return columns, np.repeat(np.arange(rows // 24), 24)


def test_a_unit_that_differs_between_callers_and_sources_is_named() -> None:
    stored = side(1_200, lambda warm: warm, 1)
    found = {one.column: one for one in same_inputs(side(720, lambda w: w * 1.8 + 32, 2), stored)}
    assert found["warm"].result is Result.FAILED
    assert found["sky"].result is Result.PASSED


def test_callers_that_ask_about_warmer_days_are_only_remarked_on() -> None:
    stored = side(1_200, lambda warm: warm, 1)
    found = {one.column: one for one in same_inputs(side(720, lambda w: w + 8, 2), stored)}
    assert found["warm"].result is Result.WARNING


def test_two_halves_of_one_stream_never_stop_a_promotion() -> None:
    for seed in range(40):
        checks = same_inputs(side(480, lambda w: w, seed), side(960, lambda w: w, seed + 1000))
        assert Result.FAILED not in {one.result for one in checks}


# -------------------------------------------------------------------- through a whole training


class World:
    """An installation whose first model is trained on 40 days of a source."""

    def __init__(self, folder: Path, rows: pd.DataFrame) -> None:
        self.spec: Capability = drifting.capability(drifting.write(folder, rows))
        self.stores = Stores.at(Settings(home=folder / "home"))
        self.now = END

    def until(self, day: int) -> World:
        self.now = pd.Timestamp("2024-01-01", tz="UTC").to_pydatetime() + timedelta(days=day)
        return self

    def train(self) -> Verdict:
        drifting.train(self.spec, self.stores, self.now)
        return self.stores.ledger.verdicts.list(self.spec.name, VerdictKind.GATE, limit=1)[0]

    def answered(self, rows: Observed, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        """Log answers of the champion to rows, given to inputs that a change was made to."""
        serving = self.stores.ledger.versions.all(self.spec.name)[-1]
        values = score(self.spec, serving, change(rows.features), self.stores).values
        asked = rows.features.to_dict("records")
        logged = [
            Interaction(
                id=f"asked-{place}",
                capability=self.spec.name,
                event_time=rows.event_time[place].to_pydatetime() + timedelta(seconds=1),
                input=asked[place],
                output={"value": float(values[place])},
                variant=f"model-{serving.version}",
                release=1,
            )
            for place in range(len(asked))
        ]
        self.stores.events.append(logged, "test")


def calm(days: int = 60) -> pd.DataFrame:
    """The world before it turns over."""
    return drifting.rows(days=2 * days)[: days * 60]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, calm())
    assert made.until(40).train().outcome == "promote"
    return made.until(58)


def checks_of(verdict: Verdict) -> dict[str, str]:
    return {check["code"]: check["result"] for check in verdict.numbers["checks"]}


def test_a_clean_retraining_is_promoted_and_its_checks_are_kept(world: World) -> None:
    world.answered(whole(world.spec, world.stores, world.now), lambda rows: rows)
    verdict = world.train()
    assert verdict.outcome == "promote"
    assert checks_of(verdict) == {
        "shared-rows": "passed", "answer-skew": "passed", "input-skew": "passed",
    }  # fmt: skip


def test_a_feed_that_delivers_old_rows_anew_promotes_nothing(tmp_path: Path) -> None:
    rows = calm()
    values = [*drifting.COLUMNS, "level"]
    rows.loc[rows.index[-900:], values] = rows[values].iloc[100:1000].to_numpy()
    made = World(tmp_path, rows)
    made.until(40).train()
    verdict = made.until(60).train()
    assert verdict.outcome == "keep"
    assert "shared-rows" in verdict.reason
    assert made.stores.ledger.releases.newest(made.spec.name).number == 1


def test_answers_made_of_other_inputs_than_were_stored_promote_nothing(world: World) -> None:
    rows = whole(world.spec, world.stores, world.now)
    world.answered(rows, lambda asked: asked.assign(sensor_1=asked["sensor_1"] * 1.8 + 32))
    verdict = world.train()
    assert verdict.outcome == "keep"
    assert "answer-skew" in verdict.reason


def test_callers_with_another_unit_than_the_source_promote_nothing(world: World) -> None:
    rows = whole(world.spec, world.stores, world.now)
    rows.features["sensor_1"] = rows.features["sensor_1"] * 1.8 + 32
    world.answered(rows, lambda asked: asked)
    verdict = world.train()
    assert verdict.outcome == "keep"
    assert "input-skew (sensor_1)" in verdict.reason


def test_a_column_that_gives_the_label_away_is_not_trained_on(tmp_path: Path) -> None:
    rows = calm()
    rows["sensor_8"] = rows["level"] * 2 + 1
    made = World(tmp_path, rows).until(40)
    made.train()
    snapshot = made.stores.ledger.versions.all(made.spec.name)[0].snapshot
    learnt = made.stores.ledger.snapshots.get(made.spec.name, snapshot)
    with pytest.raises(ValidationFailed, match=r"label-copy \(sensor_8\)"):
        validate(made.spec, learnt, made.stores, made.now)
