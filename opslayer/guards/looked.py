"""What a guard says of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol


class Action(StrEnum):
    """What became of a text."""

    PASSED = "passed"
    MASKED = "masked"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Looked:
    """One guard's verdict about one text."""

    guard: str
    """The guard's code: `pii`, `injection`, `content`."""
    action: Action
    text: str
    """What may go on: the text itself, or with masks in it; empty where it is blocked."""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How many of what was found, by kind; never what was found."""
    score: float | None = None
    """How sure the guard is, 0 to 1, where it can say."""
    originals: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Each mask and what it stands for: held in memory for one request, kept nowhere."""

    def line(self, side: str) -> str:
        """For the log: `pii:input:masked:email=2`. `side` is `input` or `output`."""
        found = ",".join(f"{kind}={count}" for kind, count in sorted(self.counts.items()))
        return f"{self.guard}:{side}:{self.action}" + (f":{found}" if found else "")


class TextGuard(Protocol):
    """A small object that looks at a text.

    It has to be done within 50 ms for 64 KiB of whatever text, since it runs in the event loop.
    """

    @property
    def code(self) -> str:
        """Its short name."""

    @property
    def sentence(self) -> str:
        """What it guards against, for a person."""

    def look(self, text: str) -> Looked:
        """Its verdict; raises GuardUnavailable where it can't look."""


class Blocked(Exception):
    """A guard blocks a text, which goes nowhere; `looked` is its verdict."""

    def __init__(self, looked: Looked) -> None:
        super().__init__(f"guard {looked.guard}")
        self.looked = looked


class GuardUnavailable(Exception):
    """A guard can't look, and why: the capability's file says what becomes of the text."""
