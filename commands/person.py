"""Who sits at this machine, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from opslayer.user import user

if TYPE_CHECKING:
    from commands.context import Context
    from opslayer.steps.promote import Promotion


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Person:
    """Who decides, and why."""

    reason: str
    """Why, in your own words; kept with the release."""

    by: Annotated[str | None, Parameter(show_default=False)] = None
    """Who decides; the user of this machine without it."""

    @property
    def name(self) -> str:
        """The name that the release will carry."""
        return user() if self.by is None else self.by


def decision_of(
    here: Context, capability: str, person: Person, parent: int | None = None
) -> Promotion:
    """A person's decision about what serves, made on a release; on the newest one without it."""
    from opslayer.steps.promote import Promotion

    newest = here.stores.ledger.releases.newest(capability)
    serving = newest.number if newest else 0
    return Promotion(
        parent=serving if parent is None else parent,
        by=person.name,
        reason=person.reason,
        cause=None,
        evidence=(),
        at=datetime.now(UTC),
    )
