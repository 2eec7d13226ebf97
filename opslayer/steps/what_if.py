"""What the champion would say of inputs that nobody asked about; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opslayer.capability import Capability
from opslayer.errors import NotFound
from opslayer.guards.shape import Shape
from opslayer.steps.answer import output
from opslayer.steps.champion import champion
from opslayer.steps.predict import score
from opslayer.stores import Stores


@dataclass(frozen=True, slots=True)
class Supposed:
    """An answer, and what gave it."""

    version: int
    """Of the model."""
    value: Any
    probabilities: Mapping[str, float]
    """By class; empty for numbers, and where the model gives none."""


def what_if(capability: Capability, row: Mapping[str, Any], stores: Stores) -> Supposed:
    """The champion's answer to one row.

    Raises ShapeError with all that the contract refuses, NotFound where no model serves, else as
    `opslayer.steps.predict.score`.
    """
    import pandas as pd

    given = Shape.of(capability).read(row)
    version = champion(capability, stores)
    if version is None:
        raise NotFound(
            f"no model serves {capability.name} yet: `opslayer run train_model {capability.name}`"
        )
    features = pd.DataFrame(
        {
            name: pd.Series([given[name]], dtype="float64" if column.type.numeric else object)
            for name, column in capability.inputs.items()
        }
    )
    said = output(score(capability, version, features, stores), 0)
    return Supposed(version.version, said["value"], said.get("probabilities", {}))
