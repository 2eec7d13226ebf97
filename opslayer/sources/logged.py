"""Calls of the log as ingest needs them, read several times as fast as `Event.record` reads them.

What this reader takes it reads to the same values; whatever it does not take, and every other kind
of entry, is left to the record's own class, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from msgspec import Meta, Struct

from opslayer.records import Interaction, Status
from opslayer.stores.events import Event, Said
from opslayer.stores.lake import MOMENT

UTC_TEXT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$"
"""How records write a time; msgspec would round what is finer, and Pydantic cuts it."""


class Tried(Struct, forbid_unknown_fields=True):
    """As `opslayer.records.Attempt`."""

    variant: str
    outcome: str
    upstream: str | None = None
    latency_ms: float = 0.0
    cost: float = 0.0


class Used(Struct, forbid_unknown_fields=True):
    """As `opslayer.records.Usage`."""

    input: int = 0
    output: int = 0
    estimated: bool = False


class Call(Struct, forbid_unknown_fields=True, kw_only=True):
    """As `opslayer.records.Interaction`, field by field: a test holds them to each other."""

    id: str
    capability: str
    input: dict[str, Any]
    output: dict[str, Any]
    variant: str
    release: int
    at: Annotated[str, Meta(pattern=UTC_TEXT)] = msgspec.field(name="event_time")
    subject: str | None = None
    assigned: str = ""
    arms: dict[str, str] = {}
    ruled: bool = False
    guards: tuple[str, ...] = ()
    latency_ms: float = 0.0
    cost: float = 0.0
    tenant: str = ""
    status: Status = Status.ANSWERED
    fallback: str | None = None
    attempts: tuple[Tried, ...] = ()
    usage: Used = msgspec.field(default_factory=Used)
    stream: bool = False

    @property
    def event_time(self) -> datetime:
        """When it was asked, in UTC."""
        return datetime.fromisoformat(self.at)


_CALL = msgspec.json.Decoder(Call)


def read(entry: Event) -> Said | Call:
    """An entry's record; raises as `Event.record` does."""
    if entry.kind == "interaction":
        try:
            return _CALL.decode(entry.text)
        except ValueError:
            pass  # the record's class says why, or takes it
    return entry.record()


def times(records: Sequence[Interaction | Call]) -> pa.Array:
    """When each was asked. Raises ArrowInvalid for a day that no calendar has."""
    quick = [one.at for one in records if isinstance(one, Call)]
    if len(quick) == len(records):
        return pa.array(quick, pa.string()).cast(MOMENT)
    return pa.array([one.event_time for one in records], MOMENT)
