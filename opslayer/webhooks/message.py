"""What is said: a verdict as a CloudEvent in structured JSON mode."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from opslayer.capability import HookEvent
from opslayer.records import Verdict, digest_of

LONGEST_REASON = 2_000
"""Characters."""
MOST_NUMBERS = 100


@dataclass(frozen=True, slots=True)
class Message:
    """An event's id, by which a receiver knows it again, and the body that is sent."""

    id: str
    body: bytes


def message_of(event: HookEvent, verdict: Verdict) -> Message:
    """A verdict as an event: equal bytes for an equal verdict, whoever sends it and when.

    The id follows from the verdict and its moment, so that two installations that judge the same
    thing are told apart. See CloudEvents 1.0, JSON format.
    """
    id = digest_of("event", verdict.id, verdict.at.isoformat())
    said = {
        "specversion": "1.0",
        "id": id,
        "source": f"/opslayer/capabilities/{verdict.capability}",
        "type": f"opslayer.{event.value}",
        "subject": verdict.about,
        "time": verdict.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": _data(event, verdict),
    }
    return Message(id, json.dumps(said, ensure_ascii=True, allow_nan=False).encode())


def _data(event: HookEvent, verdict: Verdict) -> dict[str, Any]:
    return {
        "event": event.value,
        "capability": verdict.capability,
        "about": verdict.about,
        "outcome": verdict.outcome,
        "reason": verdict.reason[:LONGEST_REASON],
        "error_rate": verdict.error_rate,
        "cause": verdict.cause,
        "verdict": verdict.id,
        "numbers": _numbers(verdict),
    }


def _numbers(verdict: Verdict) -> dict[str, int | float]:
    """Plain numbers alone: texts and tables may hold values of rows, which stay where they are."""
    found = {
        name: value
        for name, value in verdict.numbers.items()
        if isinstance(value, int | float) and isfinite(value)
    }
    return dict(list(found.items())[:MOST_NUMBERS])
