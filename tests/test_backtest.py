"""`opslayer backtest`: one past, lived again under every policy, on what was known by then."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import drifting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import execute
from opslayer.capability import Budget, Policy, Retrain
from opslayer.judgement import backtest
from opslayer.judgement.backtest import Lived, Past

ROWS, HISTORY = 50, 100
FREE = timedelta(0)


class Spy:
    """A past whose models remember the rows they learnt from; each window is worse for a model the
    older it is, and nobody asks for losses of rows that are not known."""

    def __init__(self, windows: int, width: timedelta = FREE) -> None:
        self.fitted: list[slice] = []
        self.asked: list[tuple[slice, slice]] = []
        starts = tuple(HISTORY + ROWS * w for w in range(windows + 1))
        self.past = Past(starts, self._fit, self._losses, width)

    def _fit(self, rows: slice) -> slice:
        self.fitted.append(rows)
        return rows

    def _losses(self, model: slice, rows: slice) -> np.ndarray[Any, Any]:
        self.asked.append((model, rows))
        age = (rows.start - model.stop) / ROWS
        lost = np.zeros(ROWS)
        lost[: min(ROWS, int(2 * age) + 3)] = 1
        return lost


def rules(policy: str, every: int = 4, **more: Any) -> Retrain:
    return Retrain(policy=Policy(policy), every=every, **more)


@settings(max_examples=60, deadline=None)
@given(
    policy=st.sampled_from(["never", "always", "every-k", "on-drop", "pays"]),
    late=st.integers(1, 6),
    windows=st.integers(1, 30),
)
def test_no_model_learns_from_a_row_whose_label_was_not_known(
    policy: str, late: int, windows: int
) -> None:
    spy = Spy(windows)
    lived = backtest.live(spy.past, rules(policy), late)
    for window, version in enumerate(lived.served):
        model = spy.past.model(version)
        assert model.stop <= max(HISTORY, HISTORY + ROWS * (window - late + 1))
    assert len(lived.served) == windows


def test_a_training_that_would_find_no_new_label_is_not_made() -> None:
    late = backtest.live(Spy(10).past, rules("always"), late=4)
    assert late.trained == (4, 5, 6, 7, 8, 9)


def test_all_policies_together_train_each_model_once() -> None:
    spy = Spy(25)
    lived = backtest.compare(spy.past, backtest.candidates(rules("pays")))
    assert len(spy.fitted) == len({(rows.start, rows.stop) for rows in spy.fitted})
    assert {one.name for one in lived} == {
        "never", "always", "on-drop", "pays", "every-2", "every-4", "every-8",
    }  # fmt: skip


def test_the_recipe_last_learns_from_as_many_rows_as_the_first_model_did() -> None:
    spy = Spy(12)
    backtest.live(spy.past, rules("pays"))
    newest = [rows for rows in spy.fitted if rows.start > 0]
    assert newest
    assert {rows.stop - rows.start for rows in newest} == {HISTORY}


def test_the_budget_and_the_cool_down_bound_the_trainings() -> None:
    week = timedelta(days=7)
    budget = Budget(runs=2, per=timedelta(days=28))
    lived = backtest.live(Spy(20, week).past, rules("always", budget=budget))
    assert all(sum(then - 4 < one <= then for one in lived.trained) <= 2 for then in range(20))
    assert len(lived.trained) >= 8
    slow = backtest.live(Spy(20, week).past, rules("always", cooldown=timedelta(days=21)))
    assert min(np.diff(slow.trained)) == 3


def test_costs_are_errors_and_the_price_of_each_training() -> None:
    lived = backtest.live(Spy(8).past, rules("always", price=7))
    assert lived.cost == sum(lived.lost) + 7 * 7


@pytest.mark.parametrize(
    ("pays", "other", "picked"),
    [(100.0, 100.0, "pays"), (109.0, 100.0, "pays"), (112.0, 100.0, "never")],
)
def test_pays_is_picked_where_nothing_else_was_clearly_cheaper(
    pays: float, other: float, picked: str
) -> None:
    lived = [
        Lived(rules(name), (0,), (lost,), ()) for name, lost in (("pays", pays), ("never", other))
    ]
    assert backtest.pick(lived).name == picked


# --------------------------------------------------------------------------------- the command


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drifting.write(tmp_path_factory.mktemp("tank"), drifting.rows(days=60), drifting.LINE)


@pytest.fixture(autouse=True)
def _here(configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(configs))


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert execute(["backtest", drifting.NAME, *words, "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_every_policy_is_ranked_by_its_cost_with_the_gates_metric(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figure = tmp_path / "saved.png"
    rows = told(capsys, "--figure", str(figure))
    assert {row["policy"] for row in rows} == {"never", "always", "every-k", "on-drop", "pays"}
    assert [row["cost"] for row in rows] == sorted(row["cost"] for row in rows)
    by_name = {row["policy"]: row for row in rows}
    assert by_name["never"]["trainings"] == 0
    assert by_name["pays"]["value"] < by_name["never"]["value"]  # the sensors turn over: MAE
    assert {row["metric"] for row in rows} == {"mae"}
    assert [row["pick"] for row in rows].count(True) == 1
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_trainings_that_cost_more_than_all_errors_speak_for_never(
    capsys: pytest.CaptureFixture[str],
) -> None:
    picked = {
        price: next(row["policy"] for row in told(capsys, "--price", price) if row["pick"])
        for price in ("0.1", "100000")
    }
    assert picked["100000"] == "never"
    assert picked["0.1"] != "never"


def test_a_file_laid_out_as_the_source_is_lived_instead(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "other.csv"
    drifting.rows(days=40, seed=3).to_csv(file, index=False)
    longer, shorter = told(capsys), told(capsys, "--file", str(file))
    always = [next(row for row in rows if row["policy"] == "always") for rows in (longer, shorter)]
    assert always[0]["trainings"] > always[1]["trainings"] > 0


def test_a_past_that_is_too_short_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "short.csv"
    drifting.rows(days=3).to_csv(file, index=False)
    assert execute(["backtest", drifting.NAME, "--file", str(file)]) == 1
    said = capsys.readouterr().err
    assert "no whole window" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("words", [["--late", "0"], ["--price", "-1"], ["--price", "nan"]])
def test_terms_that_make_no_sense_are_wrong_use(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["backtest", drifting.NAME, *words]) == 2
    assert words[0] in capsys.readouterr().err
