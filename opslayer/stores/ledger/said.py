"""What is known of a record on its way into the log, beside its text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from opslayer.stores.ledger.database import moment_text


class Named(Protocol):
    """A record on its way into the log."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def capability(self) -> str: ...


One = TypeVar("One", bound=Named)
Fields = Mapping[str, Any]
"""What a record's JSON says; empty where that can't be read."""


def said_time(said: Fields) -> str | None:
    """The time of which a record's JSON speaks, as the tables keep it; None where it names none."""
    try:
        return moment_text(datetime.fromisoformat(said["event_time"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
