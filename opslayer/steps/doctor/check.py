"""What a check looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from opslayer.capability import Capability
from opslayer.configuration import Reading, files, read
from opslayer.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from opslayer.stores import Stores


PATIENCE = 5
"""Seconds to wait for a database server."""


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
    def schema(self) -> str | None:
        """The database's revision, None before there is one; SQLAlchemy's error if it is away."""
        from sqlalchemy import make_url, text

        from opslayer.stores.ledger.migrate import version

        url = make_url(self.settings.database)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            return None
        with self.engine() as engine:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM (SELECT 1) AS one"))
            return version(engine)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """The database without our stores, which would make or upgrade its schema."""
        from sqlalchemy import create_engine

        from opslayer.stores.ledger.database import connect_args

        url = self.settings.database
        made = create_engine(url, connect_args=connect_args(url, PATIENCE))
        try:
            yield made
        finally:
            made.dispose()

    @cached_property
    def stores(self) -> Stores:
        """The stores; only where `schema` is this code's, for they make what is not there."""
        from opslayer.stores import Stores

        return Stores.at(self.settings)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about an installation."""

    code: str
    fine: str
    """What is said where nothing is found."""
    look: Callable[[Installation], Iterator[Finding]]
    needs: tuple[str, ...] = ()
    """The checks without which this one is not made: their codes. They must have found nothing."""
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
