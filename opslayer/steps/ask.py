"""Somebody asks for a training: the cause is what they ask for, not that they asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opslayer.capability import Capability
from opslayer.errors import Refused
from opslayer.records import Cause, CauseKind, Recipe, digest_of
from opslayer.steps.snapshot import split, take
from opslayer.steps.succession import held_back
from opslayer.stores import Stores


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, for which training rows, and why."""

    by: str
    recipe: Recipe = Recipe.ALL
    kind: CauseKind = CauseKind.PERSON


def ask(capability: Capability, stores: Stores, as_of: datetime, asker: Asker) -> Cause:
    """The cause for training on what is known at `as_of` with the file's settings.

    Its id is made of the training rows and the settings alone, so the same ask is the same cause.
    Raises NotEnoughData, and Refused where the recipe holds the rows that judge.
    """
    if asker.recipe is Recipe.EXAM:
        raise Refused("recipe=exam holds the rows that judge a model: train on all or last")
    cut = split(capability, stores, as_of, held_back(capability, stores))
    rows = take(capability, stores, as_of, asker.recipe, cut)
    settings = digest_of(capability.settings, rows.digest)
    cause = Cause(
        capability=capability.name,
        kind=asker.kind,
        about=f"{rows.rows} rows to {cut:%Y-%m-%d %H:%M} ({settings})",
        at=as_of,
        by=asker.by,
        recipes=(asker.recipe,),
    )
    stores.ledger.causes.open(cause)
    return cause
