"""Row losses and metrics agree with scikit-learn, and survive answers that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from opslayer.capability import Kind, Metric
from opslayer.errors import Refused
from opslayer.judgement.losses import Answers, metric, row_losses, typical_deviation

names = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1)
reals = st.floats(-1e6, 1e6)
pairs = st.lists(st.tuples(reals, reals), min_size=1)


@given(names)
def test_accuracy_and_macro_f1_are_scikit_learns(rows: list[tuple[str, str]]) -> None:
    truth, said = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    answers = Answers(said)
    f1 = reference.f1_score(truth, said, average="macro", zero_division=0)
    assert metric(Metric.ACCURACY, truth, answers) == pytest.approx(np.mean(truth == said))
    assert metric(Metric.F1, truth, answers) == pytest.approx(f1)


@given(pairs)
def test_mae_and_rmse_are_scikit_learns(rows: list[tuple[float, float]]) -> None:
    truth, said = (np.array(column) for column in zip(*rows, strict=True))
    answers = Answers(said)
    mae = reference.mean_absolute_error(truth, said)
    rmse = reference.root_mean_squared_error(truth, said)
    assert metric(Metric.MAE, truth, answers) == pytest.approx(mae)
    assert metric(Metric.RMSE, truth, answers) == pytest.approx(rmse)


def test_log_loss_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], size=200)
    truth = rng.choice(["a", "b", "c"], size=200)
    answers = Answers(np.array(["a"] * 200), probabilities, ("a", "b", "c"))
    expected = reference.log_loss(truth, probabilities, labels=["a", "b", "c"])
    assert metric(Metric.LOG_LOSS, truth, answers) == pytest.approx(expected)


def test_a_class_the_model_never_saw_costs_much_and_not_for_ever() -> None:
    answers = Answers(np.array(["a"]), np.array([[0.4, 0.6]]), ("a", "b"))
    assert metric(Metric.LOG_LOSS, np.array(["new"]), answers) == pytest.approx(34.5, abs=0.1)


def test_log_loss_without_probabilities_is_refused_with_the_way_out() -> None:
    with pytest.raises(Refused, match="predict_proba, or use accuracy"):
        metric(Metric.LOG_LOSS, np.array(["a"]), Answers(np.array(["a"])))


@pytest.mark.parametrize("name", [Metric.ACCURACY, Metric.F1, Metric.MAE, Metric.RMSE])
def test_no_rows_have_no_metric(name: Metric) -> None:
    assert metric(name, np.array([]), Answers(np.array([]))) is None


def test_always_saying_the_median_costs_one_per_row() -> None:
    target = np.random.default_rng(1).gamma(2.0, 30.0, size=5_000)
    said = np.full(len(target), np.median(target))
    losses = row_losses(target, said, Kind.REGRESSION, typical_deviation(target))
    assert np.mean(losses) == pytest.approx(1.0)


@pytest.mark.parametrize("target", [[], [7.0, 7.0], [np.nan, np.inf], [np.nan, 3.0]])
def test_the_typical_deviation_can_always_divide(target: list[float]) -> None:
    assert typical_deviation(np.array(target)) == 1.0


def test_an_answer_that_is_no_number_is_the_worst_answer() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    losses = row_losses(truth, np.array([1.0, np.nan, np.inf, 9.0]), Kind.REGRESSION)
    assert losses.tolist() == [0.0, 5.0, 5.0, 5.0]


def test_a_class_is_its_name_whatever_the_array_holds() -> None:
    losses = row_losses(np.array(["1", "0"], dtype=object), np.array([1, 1]), Kind.CLASSIFICATION)
    assert losses.tolist() == [0.0, 1.0]
