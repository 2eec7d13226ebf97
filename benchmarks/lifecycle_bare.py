"""The bare side of `lifecycle`: the same libraries called by hand, for the same results.

Written as an engineer would who knows them well: no more work than ours does through a library,
and no less. What ours adds of its own (exact ingestion, snapshots, ledger, gate, calibrated alarm,
policy, own pages) is left out, because that is what is being priced.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss
from sklearn.pipeline import Pipeline

from benchmarks.bars import say

WEEK, DAY = timedelta(days=7), timedelta(days=1)
LABELS = 500
"""Held back at least, in whole days."""
REFERENCE, SAMPLE, LEVELS = 10_000, 5_000, 20
"""Rows a window is compared with, rows of each side that are drawn, classes told apart."""
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "skops")
TYPES = [
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
FOLDER = Path(os.environ["OPSLAYER_HOME"])


@dataclass(frozen=True)
class Task:
    """A data set: its inputs, its target, and the model it is for."""

    name: str
    inputs: list[str]
    target: str
    model: Pipeline


def tasks() -> dict[str, Task]:
    """What our files declare, written as code."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    numbers = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    texts = ColumnTransformer([("text0", words, "text")], sparse_threshold=1.0)
    plain = ColumnTransformer([("numbers", "passthrough", numbers)], sparse_threshold=0.0)
    linear = LogisticRegression(C=20, max_iter=200, random_state=0)
    boosting = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    return {
        "banking77": Task(
            "banking77", ["text"], "category",
            Pipeline([("columns", texts), ("estimator", linear)]),
        ),
        "elec2": Task(
            "elec2", numbers, "class",
            Pipeline([("columns", plain), ("estimator", boosting)]),
        ),
    }  # fmt: skip


@dataclass(frozen=True)
class Split:
    """The rows to learn from and those held back."""

    learnt: pd.DataFrame
    exam: pd.DataFrame
    cut: pd.Timestamp


def live(folder: Path, orders: list[list[str]]) -> None:
    """Train, release and watch each data set."""
    warnings.simplefilter("ignore")
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER / 'mlflow.db'}")
    say("phase imports")
    found = {}
    for name, train_at, watch_at in orders:
        task = tasks()[name]
        rows = read(folder / f"{name}.csv", task)
        parts = split(rows[rows["at"] <= train_at])
        many = validate(task, parts.learnt)
        accuracy = train(task, parts)
        say(f"phase train {name}")
        quality = watch(task, parts, rows[rows["at"] <= watch_at])
        say(f"phase watch {name}")
        pages = list(FOLDER.glob(f"drift/{name}/*.html"))
        found[name] = {
            "rows": len(parts.learnt),
            "expectations": many,
            "exam": len(parts.exam),
            "accuracy": round(accuracy, 4),
            "windows": [round(value, 4) for value in quality],
            "pages": len(pages),
        }
    say(f"facts {json.dumps(found)}")


def read(path: Path, task: Task) -> pd.DataFrame:
    """The whole file; texts and classes as objects, the only texts whose type GX can check."""
    return pd.read_csv(path, parse_dates=["at"], dtype={"text": object, task.target: object})


def split(rows: pd.DataFrame) -> Split:
    """Hold back the newest whole days with enough labels."""
    days = rows["at"].dt.floor("D")
    counts = days.value_counts().sort_index(ascending=False).cumsum()
    cut = counts.index[int((counts >= LABELS).to_numpy().argmax())]
    return Split(rows[days < cut], rows[days >= cut], cut)


def validate(task: Task, rows: pd.DataFrame) -> int:
    """As many expectations of the same classes as our contract check comes to; how many."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    suite = gx.ExpectationSuite(name=task.name, expectations=list(expectations(task)))
    result = batch.validate(suite, result_format="BASIC")
    if not result.success:
        raise SystemExit(f"{task.name} broke its contract")
    write(f"validation/{task.name}.json", json.dumps(result.to_json_dict()))
    return len(result.results)


def expectations(task: Task) -> Iterator[Any]:
    """A suite by hand: 8 for the text, 34 for six numbers."""
    from great_expectations import expectations as gx

    yield gx.ExpectTableRowCountToBeBetween(min_value=30)
    for name in [*task.inputs, task.target]:
        text = name in ("text", task.target)
        yield gx.ExpectColumnValuesToNotBeNull(column=name)
        types = ["str"] if text else ["float64", "float", "int64", "int"]
        yield gx.ExpectColumnValuesToBeInTypeList(column=name, type_list=types)
        yield gx.ExpectColumnUniqueValueCountToBeBetween(column=name, min_value=2)
        if name == "text":
            yield gx.ExpectColumnValueLengthsToBeBetween(column=name, max_value=10_000)
        elif not text:
            largest = sys.float_info.max
            yield gx.ExpectColumnValuesToBeBetween(
                column=name, min_value=-largest, max_value=largest
            )
            yield gx.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=1)


def train(task: Task, parts: Split) -> float:
    """Fit, measure, log, register, release; the accuracy on what was held back."""
    features, truth = parts.exam[task.inputs], parts.exam[task.target]
    model = task.model.fit(parts.learnt[task.inputs], parts.learnt[task.target])
    said, sure = model.predict(features), model.predict_proba(features)
    accuracy = float(accuracy_score(truth, said))
    mlflow.set_experiment(task.name)
    with mlflow.start_run():
        mlflow.log_params({**parameters(model), "rows": len(parts.learnt), "cut": parts.cut})
        mlflow.log_metrics(
            {
                "accuracy": accuracy,
                "f1": f1_score(truth, said, average="macro"),
                "log_loss": log_loss(truth, sure, labels=model.classes_),
            }
        )
        for rows, context in ((parts.learnt, "training"), (parts.exam, "evaluation")):
            named = mlflow.data.from_pandas(rows, targets=task.target, name=task.name)
            mlflow.log_input(named, context=context)
        for name, figure in figures(task, model, parts.exam, (said, sure)):
            mlflow.log_figure(figure, f"{name}.png", save_kwargs={"dpi": 90})
        mlflow.log_dict(against_constant(task, parts, accuracy), "comparison.json")
        register(task, model, features.head(1), said[:1])
    return accuracy


def parameters(model: Pipeline) -> dict[str, Any]:
    """What was set by hand, in words."""
    chosen = model["estimator"]
    names = ("C", "max_iter", "random_state")
    return {"estimator": type(chosen).__name__} | {
        name: value for name, value in chosen.get_params().items() if name in names
    }


def against_constant(task: Task, parts: Split, accuracy: float) -> dict[str, float]:
    """The model beside the commonest class."""
    commonest = parts.learnt[task.target].mode()[0]
    return {"candidate": accuracy, "constant": float((parts.exam[task.target] == commonest).mean())}


def register(task: Task, model: Pipeline, example: pd.DataFrame, said: Any) -> None:
    """Log the model with its signature, register it, and let the alias name it."""
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=TYPES,
        signature=mlflow.models.infer_signature(example, said),
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
        registered_model_name=task.name,
    )
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(task.name, "champion", logged.registered_model_version)


def figures(
    task: Task, model: Pipeline, exam: pd.DataFrame, answers: tuple[Any, Any]
) -> Iterator[tuple[str, Figure]]:
    """Confusion, calibration, and importance where there is more than one column."""
    truth, (said, sure) = exam[task.target], answers
    yield "confusion", confusion(truth, said)
    yield "calibration", calibration(truth, said, sure.max(axis=1))
    if len(task.inputs) > 1:
        found = permutation_importance(
            model, exam[task.inputs], truth, n_repeats=1, random_state=0, max_samples=1.0
        )
        figure, axes = canvas()
        axes.barh(task.inputs, found.importances_mean)
        yield "importance", figure


def canvas() -> tuple[Figure, Any]:
    """A figure without pyplot."""
    figure = Figure(figsize=(6, 5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def confusion(truth: pd.Series, said: Any) -> Figure:
    """The commonest classes, the rest as one."""
    top = list(truth.value_counts().head(LEVELS).index)
    names = [*sorted(top), "(others)"] if truth.nunique() > LEVELS else sorted(top)
    pooled = (
        truth.where(truth.isin(top), "(others)"),
        np.where(np.isin(said, top), said, names[-1]),
    )
    matrix = confusion_matrix(*pooled, labels=names, normalize="true")
    figure, axes = canvas()
    axes.imshow(matrix, vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    return figure


def calibration(truth: pd.Series, said: Any, sure: Any) -> Figure:
    """Share of right answers by ten steps of probability."""
    steps = np.minimum((sure * 10).astype(int), 9)
    drawn = pd.DataFrame({"sure": sure, "right": truth.to_numpy() == said}).groupby(steps).mean()
    figure, axes = canvas()
    axes.plot([0, 1], [0, 1], linewidth=1, color="black")
    axes.plot(drawn["sure"], drawn["right"], "o-")
    return figure


def watch(task: Task, parts: Split, rows: pd.DataFrame) -> list[float]:
    """Load what was released; for every whole week since the cut its quality and its page."""
    model = mlflow.sklearn.load_model(f"models:/{task.name}@champion")
    monday = parts.cut + timedelta(days=-parts.cut.weekday() % 7)
    quality = []
    while monday + WEEK <= rows["at"].max():
        window = rows[(rows["at"] >= monday) & (rows["at"] < monday + WEEK)]
        said = model.predict(window[task.inputs])
        quality.append(float(accuracy_score(window[task.target], said)))
        drift(task, parts.learnt.tail(REFERENCE), window, f"{monday:%Y-%m-%d}")
        monday += WEEK
    return quality


def drift(task: Task, reference: pd.DataFrame, window: pd.DataFrame, name: str) -> None:
    """Evidently's preset with the same methods, kept as HTML and JSON."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    top = list(reference[task.target].value_counts().head(LEVELS).index)
    before, now = (drawn(task, side, top) for side in (reference, window))
    numbers = [column for column in before if column != task.target]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[task.target])
    preset = DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon")
    run = Report([preset], include_tests=False).run(
        current_data=Dataset.from_pandas(now, data_definition=definition),
        reference_data=Dataset.from_pandas(before, data_definition=definition),
    )
    write(f"drift/{task.name}/{name}.html", run.get_html_str(as_iframe=False))
    write(f"drift/{task.name}/{name}.json", json.dumps(run.dict()))


def drawn(task: Task, rows: pd.DataFrame, top: list[str]) -> pd.DataFrame:
    """The columns to compare: of a text its words and characters, of classes the commonest."""
    rows = rows.sample(min(SAMPLE, len(rows)), random_state=0).sort_index()
    target = rows[task.target].where(rows[task.target].isin(top), "other")
    if task.inputs == ["text"]:
        words, letters = rows["text"].str.split().str.len(), rows["text"].str.len()
        return pd.DataFrame({"words": words, "characters": letters, task.target: target})
    return rows[task.inputs].assign(**{task.target: target})


def write(name: str, text: str) -> None:
    """Keep a file of this life."""
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    live(Path(sys.argv[1]), json.loads(sys.argv[2]))
