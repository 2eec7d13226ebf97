"""Answer many rows at once with what serves now, and log every answer: the batch half's gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from opslayer.capability import Capability, ColumnType
from opslayer.errors import NotFound
from opslayer.records import Interaction
from opslayer.steps.champion import champion
from opslayer.stores import Stores

if TYPE_CHECKING:
    import pandas as pd

    from opslayer.learners.prediction import Prediction


def answer(
    capability: Capability, asked: pd.DataFrame, stores: Stores, writer: str
) -> list[Interaction]:
    """Answer rows and log them durably under a writer's name.

    `asked` has a `row_id`, an `event_time` and every input column. A row id that was answered
    before keeps its first answer in the log. Raises NotFound before the first release.
    """
    release = stores.ledger.releases.serving(capability.name)
    version = champion(capability, stores)
    if release is None or version is None:
        raise NotFound(f"{capability.name} has no release: opslayer run train_model NAME")
    from opslayer.steps.predict import score

    said = score(capability, version, asked[list(capability.columns)], stores)
    inputs = _records(capability, asked)
    interactions = [
        Interaction(
            id=row_id,
            capability=capability.name,
            event_time=moment,
            input=given,
            output=output(said, row),
            variant=release.champion.name,
            release=release.number,
        )
        for row, (row_id, moment, given) in enumerate(
            zip(asked["row_id"], asked["event_time"], inputs, strict=True)
        )
    ]
    stores.events.append(interactions, writer)
    return interactions


def output(said: Prediction, row: int) -> dict[str, Any]:
    """One row's answer as logged: the value, and probabilities by class where there are some."""
    value = said.values[row]
    answered: dict[str, Any] = {"value": value.item() if isinstance(value, np.generic) else value}
    if said.probabilities is not None and said.classes is not None:
        shares = said.probabilities[row].round(6).tolist()
        answered["probabilities"] = dict(zip(said.classes, shares, strict=True))
    return answered


CASTS: dict[ColumnType, Callable[[Any], Any]] = {
    ColumnType.BOOLEAN: bool,
    ColumnType.INTEGER: int,
}


def _as_is(value: Any) -> Any:
    return value


def _records(capability: Capability, asked: pd.DataFrame) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for name, column in capability.inputs.items():
        cast = CASTS.get(column.type, _as_is)
        values = asked[name]
        columns[name] = [
            cast(value) if known else None
            for value, known in zip(values.tolist(), values.notna(), strict=True)
        ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
