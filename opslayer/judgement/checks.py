"""One check of a data contract: what was claimed, what was seen, what was allowed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """How a check ended."""

    FAILED = "failed"
    """Nothing is trained."""
    WARNING = "warning"
    """Training goes on; a person should look."""
    NOT_JUDGED = "not judged"
    """It could not be looked at, because of a fault that another check names."""
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table a reviewer reads. Never holds a value of a text or category column."""

    code: str
    """Stable, for machines: `missing-share`, `label-copy`, …"""
    column: str | None
    """The input or target column; None for the whole table."""
    result: Result
    sentence: str
    observed: float | None = None
    allowed: str = ""
    """The bound on `observed`, in words: `at most 0.12`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        place = f" ({shown(self.column)})" if self.column else ""
        return f"{self.code}{place}: {self.sentence}"


def shown(name: str) -> str:
    """A name on one line of at most 60 characters, without control or direction marks."""
    kept = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return kept if len(kept) <= 60 else kept[:59] + "…"
