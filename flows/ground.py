"""What every flow stands on: the capability by its name, and the stores of this machine."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import NamedTuple

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.stores import Stores


class Ground(NamedTuple):
    """One capability and where its data lies."""

    capability: Capability
    stores: Stores


def ground(capability: str) -> Ground:
    """Read the capability's file and the machine's settings; raises ConfigError or NotFound."""
    settings = Settings()
    return Ground(load_capability(capability, settings.configs), Stores.at(settings))


def moment(as_of: datetime | None) -> datetime:
    """The moment a flow takes for now: the clock's, or the one it was told; no zone means UTC."""
    if as_of is None:
        return datetime.now(UTC)
    return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)


class Plainly(logging.Filter):
    """Drops the traceback of what Opslayer refused on purpose: its text says all there is."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], OpslayerError):
            record.msg, record.args = str(record.exc_info[1]), ()
            record.exc_info, record.exc_text = None, None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(Plainly())
