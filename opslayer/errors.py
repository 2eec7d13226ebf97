"""Every error Opslayer raises on purpose. The command line prints their text and no traceback.

OpslayerError
├── ConfigError         a file in configs/ or a setting is wrong; carries every problem found
├── NotFound            no such capability, release, cause, model, snapshot
├── Refused             understood, and not done, for the reason given
│   ├── FileRefused         a source file is wholly wrong; nothing of it was kept
│   ├── ValidationFailed    the data broke its contract; nothing was trained
│   ├── NotEnoughData       too few labelled rows; says how many are missing
│   ├── StaleParent         a promotion started from a release that is no longer the newest
│   ├── CauseTaken          this cause has its run already, or another worker holds it
│   ├── NotNow              cool-down or budget; says when to ask again
│   └── UntrustedModel      a model file differs from what was registered, or would run code
└── StoreError          a store, or the engine, is away, full, or newer than this code
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place in one file, and the way out."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.message}"


class OpslayerError(Exception):
    """The root: catch this to catch all that Opslayer refuses."""


class ConfigError(OpslayerError):
    """A configuration that can't be used; `problems` holds everything wrong with it at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        # It travels between processes, which would make it anew of its text.
        return type(self), (self.problems,)


class NotFound(OpslayerError):
    """What was asked for does not exist; the text names what does."""


class Refused(OpslayerError):
    """Understood, and not done, for the reason given."""


class FileRefused(Refused):
    """A source file is wholly wrong; nothing of it was kept."""


class ValidationFailed(Refused):
    """The data broke the capability's contract; nothing was trained."""


class NotEnoughData(Refused):
    """Too few labelled rows; the text says how many are missing."""


class StaleParent(Refused):
    """A promotion started from a release that is no longer the newest."""


class CauseTaken(Refused):
    """This cause has its run already, or another worker holds it now."""


class NotNow(Refused):
    """The cool-down or the budget forbids it; the text says when to ask again."""


class UntrustedModel(Refused):
    """A model file differs from what was registered, or loading it would run code."""


class StoreError(OpslayerError):
    """A store, or the engine, is away; or a store is full, or written by a newer Opslayer."""
