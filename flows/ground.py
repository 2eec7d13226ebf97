"""What every flow stands on: the capability by its name, this machine's stores and engine."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import NamedTuple

from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.engine import HERE, Executor, executor_at
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.stores import Stores


class Ground(NamedTuple):
    """One capability, where its data lies, and what works on it."""

    capability: Capability
    stores: Stores
    executor: Executor = HERE


def ground(capability: str) -> Ground:
    """Read the capability's file and the machine's settings; raises ConfigError or NotFound."""
    settings = Settings()
    declared = load_capability(capability, settings.configs)
    return Ground(declared, Stores.at(settings), executor_at(settings))


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
