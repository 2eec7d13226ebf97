"""Any scikit-learn estimator learns from any contract, and answers every row."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_info, threadpool_limits

from opslayer.capability import Capability, Kind, Training
from opslayer.errors import ConfigError, NotEnoughData, Refused
from opslayer.frame import Frame
from opslayer.learners.estimator import check_estimator_path, make_estimator
from opslayer.learners.tabular import build, fit, predict
from opslayer.learners.threads import limited
from opslayer.stores.trusted_types import TRUSTED


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small fits on many threads wait for each other more than they work."""
    with threadpool_limits(1):
        yield


MIXED = {
    "size": {"type": "number", "missing": True},
    "count": {"type": "integer"},
    "open": {"type": "boolean"},
    "weather": {"type": "category", "choices": ["clear", "rain", "snow"], "missing": True},
    "city": {"type": "category", "missing": True},
    "note": {"type": "text", "missing": True},
}


def capability(
    kind: str = "classification",
    estimator: str = "sklearn.ensemble.HistGradientBoostingClassifier",
    params: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    **training: Any,
) -> Capability:
    return Capability.model_validate(
        {
            "name": "shop",
            "kind": kind,
            "inputs": inputs or MIXED,
            "target": "answer",
            "training": {"estimator": estimator, "params": params or few(estimator), **training},
            "gate": {"metric": "accuracy" if kind == "classification" else "mae"},
        }
    )


def few(estimator: str) -> dict[str, Any]:
    """Parameters that keep a test quick."""
    return {"max_iter": 20} if "HistGradient" in estimator else {}


def rows(count: int, seed: int = 0, kind: str = "classification") -> Frame:
    draw = np.random.default_rng(seed)
    size = draw.normal(size=count)
    city = draw.choice(["oslo", "rome", "bern"], count).astype(object)
    weather = draw.choice(["clear", "rain"], count).astype(object)
    note = np.where(city == "oslo", "cold north", "warm south sea").astype(object)
    score = size + 2 * (city == "oslo") - (weather == "rain") + draw.normal(0, 0.1, count)
    for column in (size, city, weather, note):
        column[draw.random(count) < 0.1] = None
    features = pd.DataFrame(
        {
            "size": size,
            "count": draw.integers(0, 9, count).astype(float),
            "open": draw.integers(0, 2, count).astype(float),
            "weather": weather,
            "city": city,
            "note": note,
        }
    )
    names = np.where(score > 1, "2", np.where(score > 0, "1", "0"))
    target = pd.Series(names if kind == "classification" else score + 10)
    times = pd.Series(pd.date_range("2024-01-01", periods=count, freq="h", tz="UTC"))
    ids = pd.Series([f"r{n:05}" for n in range(count)])
    return Frame(ids, features, target, times, times)


def path_of(found: type) -> str:
    parts = found.__module__.split(".")
    private = next((n for n, part in enumerate(parts) if part.startswith("_")), len(parts))
    return ".".join([*parts[:private], found.__name__])


def usable(kind: str) -> list[str]:
    """Import paths of all scikit-learn estimators of a kind that need no further estimator."""
    paths = []
    for _, found in all_estimators("classifier" if kind == "classification" else "regressor"):
        path = path_of(found)
        if not check_estimator_path(Training(estimator=path), Kind(kind)):
            paths.append(path)
    return paths


TWO_TARGETS = ("MultiTask", "CCA", "PLSCanonical")
OWN_DATA = ("IsotonicRegression", "RadiusNeighbors", "SelfTraining", "CategoricalNB")
"""One input column, neighbours within 1, unlabelled rows, nothing but categories."""
PARAMS = {"QuadraticDiscriminantAnalysis": {"solver": "eigen", "shrinkage": 0.5}}


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_every_estimator_of_scikit_learn_learns_a_mixed_contract_and_survives_its_file(
    kind: str,
) -> None:
    train, exam = rows(100, 1, kind), rows(40, 2, kind)
    paths = [p for p in usable(kind) if not any(n in p for n in (*TWO_TARGETS, *OWN_DATA))]
    assert len(paths) > 30
    for path in paths:
        params = PARAMS.get(path.rpartition(".")[2])
        model = fit(capability(kind, path, params), train)
        said = predict(model, exam.features)
        data = skops.io.dumps(model)
        unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
        assert not unknown, f"{path}: {unknown}"
        again = predict(skops.io.loads(data, trusted=list(TRUSTED)), exam.features)
        assert len(said) == len(exam)
        assert (said.values == again.values).all(), path


LEARNERS = [
    ("classification", "sklearn.ensemble.HistGradientBoostingClassifier"),
    ("classification", "sklearn.linear_model.LogisticRegression"),
    ("classification", "sklearn.ensemble.RandomForestClassifier"),
    ("regression", "sklearn.ensemble.HistGradientBoostingRegressor"),
    ("regression", "sklearn.linear_model.Ridge"),
    ("regression", "sklearn.neural_network.MLPRegressor"),
]


@pytest.mark.parametrize(("kind", "path"), LEARNERS)
def test_the_same_rows_and_seed_fit_the_same_model(kind: str, path: str) -> None:
    train, exam = rows(300, 1, kind), rows(100, 2, kind).features
    first, second = (predict(fit(capability(kind, path), train), exam) for _ in range(2))
    assert (first.values == second.values).all()
    if kind == "classification":
        assert first.probabilities is not None
        assert (first.probabilities == second.probabilities).all()


@pytest.mark.parametrize(("kind", "path"), LEARNERS)
def test_a_fitted_model_beats_the_best_constant(kind: str, path: str) -> None:
    train, exam = rows(600, 1, kind), rows(300, 2, kind)
    said = predict(fit(capability(kind, path), train), exam.features).values
    if kind == "classification":
        usual = train.target.mode()[0]
        assert (said == exam.target).mean() > (exam.target == usual).mean() + 0.15
    else:
        middle = train.target.median()
        assert abs(said - exam.target).mean() < 0.7 * abs(exam.target - middle).mean()


ANY_ROW = {
    "size": st.one_of(st.none(), st.floats(-1e9, 1e9)),
    "count": st.integers(-5, 50).map(float),
    "open": st.none(),
    "weather": st.one_of(st.none(), st.text(max_size=5)),
    "city": st.one_of(st.none(), st.text(max_size=5)),
    "note": st.one_of(st.none(), st.text(max_size=20)),
}


@pytest.mark.parametrize(("kind", "path"), LEARNERS)
@settings(max_examples=25, deadline=None)
@given(row=st.fixed_dictionaries(ANY_ROW))
def test_unseen_categories_and_missing_values_are_answered(
    kind: str, path: str, row: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = predict(fitted(kind, path), pd.DataFrame([row]))
    assert len(said) == 1
    if kind == "classification":
        assert said.classes == ("0", "1", "2")
        assert said.values[0] in said.classes
        assert said.probabilities is not None
        assert said.probabilities.sum() == pytest.approx(1)
    else:
        assert np.isfinite(said.values).all()


@cache
def fitted(kind: str, path: str) -> Any:
    return fit(capability(kind, path), rows(120, 1, kind))


def test_answers_are_class_names_as_strings_or_float64() -> None:
    exam = rows(20, 2).features
    named = predict(fitted(*LEARNERS[0]), exam).values
    assert all(type(name) is str for name in named)
    assert predict(fitted(*LEARNERS[3]), exam).values.dtype == np.float64


def test_no_rows_get_no_answers() -> None:
    empty = rows(5).features.iloc[:0]
    assert len(predict(fitted(*LEARNERS[0]), empty)) == 0
    assert len(predict(fitted(*LEARNERS[3]), empty)) == 0


def test_the_order_of_columns_and_further_ones_change_no_answer() -> None:
    exam = rows(50, 2).features
    model = fitted(*LEARNERS[0])
    turned = exam[exam.columns[::-1]].assign(more=1)
    assert (predict(model, turned).values == predict(model, exam).values).all()


def test_columns_of_pandas_own_string_type_give_the_same_answers() -> None:
    exam = rows(50, 2).features
    other = exam.astype({"weather": "str", "city": "str", "note": "str"})
    for learner in (LEARNERS[0], LEARNERS[1]):
        model = fitted(*learner)
        assert (predict(model, other).values == predict(model, exam).values).all()


def test_missing_columns_and_text_in_numbers_are_refused_by_name_without_their_values() -> None:
    exam = rows(5).features
    with pytest.raises(Refused, match="lack the input columns size, city"):
        predict(fitted(*LEARNERS[0]), exam.drop(columns=["size", "city"]))
    spoilt = exam.assign(size=["1", "secret", "2", "3", "4"], count=[np.inf, 1, 2, 3, 4])
    with pytest.raises(Refused) as refusal:
        predict(fitted(*LEARNERS[0]), spoilt)
    assert "size: 1 of 5 rows hold no number" in str(refusal.value)
    assert "count: 1 of 5 rows are infinite" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["LogisticRegression", "HistGradientBoostingClassifier"])
def test_a_column_that_is_missing_in_every_row_is_no_obstacle(name: str) -> None:
    path = {path.rpartition(".")[2]: path for _, path in LEARNERS}[name]
    train = rows(100)
    train.features["size"] = np.nan
    train.features["city"] = None
    train.features["weather"] = None
    assert len(predict(fit(capability(estimator=path), train), train.features)) == 100


@pytest.mark.parametrize("name", ["LogisticRegression", "HistGradientBoostingClassifier"])
def test_a_category_with_thousands_of_values_is_learnt(name: str) -> None:
    path = {path.rpartition(".")[2]: path for _, path in LEARNERS}[name]
    train = rows(3000)
    train.features["city"] = [f"city {n % 2500}" for n in range(3000)]
    assert len(predict(fit(capability(estimator=path), train), train.features)) == 3000


@pytest.mark.parametrize(
    "inputs",
    [
        {"size": {"type": "number"}},
        {"note": {"type": "text"}},
        {"city": {"type": "category"}},
        {"weather": {"type": "category", "choices": ["clear", "rain"]}},
    ],
)
@pytest.mark.parametrize(("kind", "path"), LEARNERS)
def test_contracts_of_one_type_are_learnt(kind: str, path: str, inputs: dict[str, Any]) -> None:
    train = rows(80, 1, kind)
    model = fit(capability(kind, path, inputs=inputs), train)
    assert len(predict(model, train.features)) == 80


def test_declared_choices_are_known_before_any_row_shows_them() -> None:
    model = fitted("classification", "sklearn.linear_model.LogisticRegression")
    encoder = model["columns"].named_transformers_["categories-declared"]
    assert list(encoder.categories_[0]) == ["clear", "rain", "snow"]


def test_one_class_or_no_rows_are_not_enough() -> None:
    train = rows(20)
    train.target[:] = "1"
    with pytest.raises(NotEnoughData, match="one class"):
        fit(capability(), train)
    with pytest.raises(NotEnoughData, match="no labelled rows"):
        fit(capability(), rows(0))


def test_rows_that_an_estimator_cannot_learn_from_are_refused_with_its_reason() -> None:
    train = rows(30, kind="regression")
    shop = capability("regression", "sklearn.linear_model.GammaRegressor")
    with pytest.raises(
        Refused, match=r"GammaRegressor can't learn from these 30 rows: .*HalfGamma"
    ):
        fit(shop, replace(train, target=-train.target))


def test_the_seed_reaches_nested_estimators_unless_the_file_sets_it() -> None:
    nested = {
        "estimator": {"estimator": "sklearn.tree.DecisionTreeClassifier"},
        "n_estimators": 3,
    }
    made = make_estimator(
        capability(estimator="sklearn.ensemble.BaggingClassifier", params=nested, seed=7)
    )
    assert (made.random_state, made.estimator.random_state) == (7, 7)
    fixed = {"random_state": 3}
    made = make_estimator(capability(params=fixed, seed=7))
    assert made.random_state == 3


def test_calibrated_and_stacked_estimators_can_be_written() -> None:
    svm = {"estimator": "sklearn.svm.LinearSVC", "params": {"C": 0.5}}
    stack = {"estimators": [["a", svm], ["b", {"estimator": "sklearn.naive_bayes.BernoulliNB"}]]}
    train = rows(120)
    for path, params in (
        ("sklearn.calibration.CalibratedClassifierCV", {"estimator": svm}),
        ("sklearn.ensemble.StackingClassifier", stack),
        ("sklearn.model_selection.GridSearchCV", {"estimator": svm, "param_grid": {"C": [0.1, 1]}}),
    ):
        model = fit(capability(estimator=path, params=params), train)
        data = skops.io.dumps(model)
        again = skops.io.loads(data, trusted=list(TRUSTED))
        assert (
            predict(again, train.features).values == predict(model, train.features).values
        ).all()


WRONG = [
    ({"estimator": "sklearn.ensemble.HistGradientBosting"}, "HistGradientBoostingRegressor"),
    (
        {"estimator": "sklearn.HistGradientBoostingRegressor"},
        "sklearn.ensemble.HistGradientBoosting",
    ),
    (
        {"estimator": "HistGradientBoostingRegressor"},
        "sklearn.ensemble.HistGradientBoostingRegressor",
    ),
    ({"estimator": "os.system"}, "not of scikit-learn"),
    ({"estimator": "sklearn.preprocessing.StandardScaler"}, "no estimator"),
    ({"estimator": "sklearn.utils._testing.os"}, "no estimator"),
    ({"estimator": "sklearn.linear_model.LogisticRegression"}, "is a classifier"),
    ({"estimator": "sklearn.linear_model.Ridge", "params": {"alhpa": 1}}, "did you mean alpha"),
    ({"estimator": "sklearn.linear_model.Ridge", "params": {"alpha": "much"}}, "Got 'much'"),
    ({"estimator": "sklearn.multioutput.MultiOutputRegressor"}, "params.estimator: .* needs it"),
    (
        {
            "estimator": "sklearn.ensemble.BaggingRegressor",
            "params": {"estimator": {"estimator": "sklearn.linear_model.Rigde"}},
        },
        r"training.params.estimator.estimator: .*Ridge",
    ),
]


@pytest.mark.parametrize(("training", "sentence"), WRONG)
def test_a_wrong_estimator_or_parameter_is_refused_with_its_place_and_the_nearest_right_name(
    training: dict[str, Any], sentence: str
) -> None:
    (problem,) = check_estimator_path(Training(**training), Kind.REGRESSION)
    assert re.match(r"training\.(estimator|params\.)", problem)
    assert re.search(sentence, problem)
    with pytest.raises(ConfigError, match=r"capabilities/shop\.yaml:1: training"):
        build(capability("regression", training["estimator"], training.get("params")))


def test_every_wrong_parameter_is_named_at_once() -> None:
    wrong = {"max_itre": 5, "learning_rate": -1, "max_bins": "all"}
    problems = check_estimator_path(
        Training(estimator="sklearn.ensemble.HistGradientBoostingRegressor", params=wrong)
    )
    assert len(problems) == 1  # names first: values are only read once all names are known
    del wrong["max_itre"]
    problems = check_estimator_path(
        Training(estimator="sklearn.ensemble.HistGradientBoostingRegressor", params=wrong)
    )
    assert [p.partition(":")[0] for p in problems] == [
        "training.params.learning_rate",
        "training.params.max_bins",
    ]


def test_another_package_is_imported_only_with_cloudpickle(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(
        "from sklearn.linear_model import Ridge\nclass Ours(Ridge): pass\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        assert check_estimator_path(Training(estimator="ours.Ours"))
        assert "ours" not in sys.modules
        assert not check_estimator_path(
            Training(estimator="ours.Ours", serialization="cloudpickle"), Kind.REGRESSION
        )
    finally:
        sys.path.remove(str(tmp_path))


def test_support_questions_are_told_apart_as_well_as_published(real_data: Path) -> None:
    parts = {n: pd.read_csv(real_data / f"banking77/{n}.csv.gz") for n in ("train", "test")}
    bank = capability(
        estimator="sklearn.linear_model.LogisticRegression",
        params={"C": 20, "tol": 1e-3},
        inputs={"text": {"type": "text"}},
    )
    train = parts["train"]
    times = pd.Series(pd.date_range("2024-01-01", periods=len(train), freq="min", tz="UTC"))
    ids = train.index.astype(str).to_series()
    model = fit(bank, Frame(ids, train[["text"]], train["category"], times, times))
    said = predict(model, parts["test"][["text"]])
    assert (said.values == parts["test"]["category"]).mean() >= 0.88


def test_openmp_and_blas_are_held_back_inside_the_block_and_free_again_after_it() -> None:
    def pools() -> dict[str, int]:
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    with threadpool_limits(2):
        before = pools()
        with limited(1):
            held = pools()
        after = pools()
    assert {pool["user_api"] for pool in threadpool_info()} == {"openmp", "blas"}
    assert set(held.values()) == {1}
    assert after == before
