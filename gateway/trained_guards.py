"""The guards that look by a model: their own capability's champion, as any other is served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslayer.capability import Capability, GuardName
from opslayer.guards.looked import TextGuard

if TYPE_CHECKING:
    from opslayer.learners.rows import RowModel


def make_guard(name: GuardName, model: RowModel, capability: Capability) -> TextGuard:
    """A guard with its model, whose capability has one text column and the class `harmless`."""
    from opslayer.guards import content, injection

    (column,) = capability.inputs

    def score(texts: Sequence[str]) -> list[float]:
        said = model.predict([{column: text} for text in texts])
        return [1.0 - one["probabilities"]["harmless"] for one in said]

    if name is GuardName.INJECTION:
        return injection.guard(score)
    return content.guard(score)
