"""What a check looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from opslayer.capability import Capability
from opslayer.configuration import Reading, files, read
from opslayer.settings import Settings

if TYPE_CHECKING:
    from opslayer.stores import Stores


class Health(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    """It works, and a person should look."""
    FAILURE = "failure"
    """Something that is needed does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check has found: what it is, how it stands, and the way out."""

    code: str
    status: Health
    message: str
    way_out: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True)
class Installation:
    """What is examined. `as_of` is the clock's time, for leases and clocks are judged by it."""

    settings: Settings
    as_of: datetime
    environment: Mapping[str, str] = field(default_factory=dict)
    """For `PREFECT_API_URL` and the `${NAME}` of a source's URL."""

    @cached_property
    def readings(self) -> list[Reading]:
        """Every capability file, read once."""
        return [read(path) for path in files(self.settings.configs)]

    @property
    def capabilities(self) -> list[Capability]:
        """The capabilities whose files are right."""
        return [reading.capability for reading in self.readings if reading.capability]

    @cached_property
    def stores(self) -> Stores:
        """The stores; a check that uses them needs "database" first."""
        from opslayer.stores import Stores

        return Stores.at(self.settings)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about an installation."""

    code: str
    fine: str
    """What is said where nothing is found."""
    look: Callable[[Installation], Iterator[Finding]]
    needs: str | None = None
    """The check without which this one is not made: its code. It must have found nothing."""
    way_out: str = "read the message: it names what could not be reached"
    """What to do where looking itself fails."""

    def examine(self, installation: Installation) -> list[Finding]:
        """What is found, or one finding that all is well; an error on the way is a failure."""
        from opslayer.errors import OpslayerError

        try:
            found = list(self.look(installation))
        except (OpslayerError, OSError) as error:
            found = [Finding(self.code, Health.FAILURE, str(error), self.way_out)]
        return found or [Finding(self.code, Health.OK, self.fine)]
