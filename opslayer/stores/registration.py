"""What is written down about a training when its model is registered."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from opslayer.capability import Capability, ColumnType, Input, Kind
from opslayer.records import Recipe, Snapshot

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from mlflow.entities import DatasetInput, Metric
    from mlflow.models import ModelSignature
    from sklearn.pipeline import Pipeline

CAUSE, RECIPE, SNAPSHOT, CODE = (
    "opslayer.cause",
    "opslayer.recipe",
    "opslayer.snapshot",
    "opslayer.code",
)
LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy")
"""What a model needs, beside what its file is written with."""


@dataclass(frozen=True)
class Registration:
    """A fitted model on its way into the registry, with all that should be known about it."""

    capability: Capability
    model: Pipeline
    cause: str
    snapshot: Snapshot
    exam: Snapshot
    as_of: datetime
    rows_at: str
    """Where the snapshots' rows lie: the address of the lake's table."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """By file name without its suffix."""

    @property
    def recipe(self) -> Recipe:
        """Which labelled rows it learnt from."""
        return self.snapshot.recipe

    @property
    def tags(self) -> dict[str, str]:
        """By which the run and the model version are found again."""
        return {
            CAUSE: self.cause,
            RECIPE: self.recipe.value,
            SNAPSHOT: self.snapshot.digest,
            CODE: code_version(),
        }


def params(registration: Registration) -> dict[str, str]:
    """What the training was made from."""
    training = registration.capability.training
    assert training is not None
    own = {f"params.{k}": json.dumps(value, default=str) for k, value in training.params.items()}
    return own | {
        "estimator": training.estimator,
        "recipe": registration.recipe.value,
        "seed": str(training.seed),
        "serialization": training.serialization,
        "rows": str(registration.snapshot.rows),
        "cut": registration.snapshot.until.isoformat(),
        "as_of": registration.as_of.isoformat(),
        "cause": registration.cause,
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """The git commit this code runs from (`-dirty` with local changes), else its version."""
    folder = Path(__file__).parents[2]
    git = shutil.which("git")
    if git and (folder / ".git").exists():
        command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
        said = subprocess.run(  # noqa: S603 - fixed words, no shell
            [*command, "--exclude=*"], capture_output=True, text=True, check=False
        )
        if said.returncode == 0:
            return said.stdout.strip()
    try:
        return f"opslayer {version('opslayer')}"
    except PackageNotFoundError:
        return "unknown"


def requirements(capability: Capability) -> list[str]:
    """Pinned packages with which the model can be loaded elsewhere."""
    assert capability.training is not None
    names = (*LIBRARIES, capability.training.serialization)
    return [f"{name}=={version(name)}" for name in names]


def signature(capability: Capability) -> ModelSignature:
    """The contract's inputs and the answer, in MLflow's words."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    inputs = [
        ColSpec("double" if column.type.numeric else "string", name, required=not column.missing)
        for name, column in capability.inputs.items()
    ]
    answer = "string" if capability.task is Kind.CLASSIFICATION else "double"
    return ModelSignature(Schema(inputs), Schema([ColSpec(answer)]))


def example(capability: Capability) -> pd.DataFrame:
    """One row made up from the contract alone: a real one could be somebody's."""
    import pandas as pd

    row = {name: _example(column) for name, column in capability.inputs.items()}
    return pd.DataFrame([row])


def _example(column: Input) -> float | str:
    if column.type is ColumnType.TEXT:
        return "an example"
    if column.type is ColumnType.CATEGORY:
        return column.choices[0] if column.choices else "example"
    if column.type is ColumnType.BOOLEAN:
        return 0.0
    low = column.min if column.min is not None else min(0.0, column.max or 0.0)
    high = column.max if column.max is not None else max(0.0, low)
    middle = (low + high) / 2
    return float(round(middle)) if column.type is ColumnType.INTEGER else middle


def datasets(registration: Registration) -> list[DatasetInput]:
    """The training snapshot and its exam as MLflow data sets: addresses and digests, no rows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

    schema = {"mlflow_colspec": signature(registration.capability).inputs.to_dict()}
    return [
        DatasetInput(
            Dataset(
                name=f"{snapshot.capability} {snapshot.recipe.value}",
                digest=snapshot.digest[:MAX_DATASET_DIGEST_SIZE],
                source_type="delta_table",
                source=json.dumps({"path": registration.rows_at}),
                schema=json.dumps(schema),
                profile=json.dumps({"num_rows": snapshot.rows, "snapshot": snapshot.digest}),
            ),
            [InputTag("mlflow.data.context", context), InputTag(SNAPSHOT, snapshot.digest)],
        )
        for snapshot, context in (
            (registration.snapshot, "training"),
            (registration.exam, "evaluation"),
        )
    ]


def metrics(registration: Registration, **owner: str) -> list[Metric]:
    """The training's metrics, at the moment it is counted from."""
    from mlflow.entities import Metric

    at = int(registration.as_of.timestamp() * 1000)
    figures = sorted(registration.metrics.items())
    return [Metric(name, value, at, 0, **owner) for name, value in figures]
