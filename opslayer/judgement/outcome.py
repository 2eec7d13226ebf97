"""What a judgement returns: numbers in, an outcome out. A step turns it into a ledger's verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """One word, one sentence, and every number both rest on."""

    outcome: str
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)
    error_rate: float | None = None
    """The stated rate at which the outcome is wrong when nothing is."""
