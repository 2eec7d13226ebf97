"""What a feed offers: portions of a source in a fixed order, and files that it refuses."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opslayer.sources.contract import Typed
from opslayer.stores.ledger.batches import Batch


@dataclass(frozen=True, slots=True)
class Part:
    """A portion of a source, bounded by `opslayer.sources.chunk.ROWS`."""

    begin: Mapping[str, Any]
    """Where it starts and all that pins its content: equal for an equal portion."""
    end: Mapping[str, Any]
    """Where the next one starts."""
    typed: Typed
    settled: bool = False
    """Whether nothing need be remembered of it unless it brings something new."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file, or a source, that was not taken, and why."""

    source: str
    file: str
    reason: str
    begin: Mapping[str, Any] | None = None
    """What pins the refused version, to be recorded so that it is not tried again. None where it
    is recorded already, or is to be tried again each time."""

    def __str__(self) -> str:
        return f"{self.source}: {self.file}: {self.reason}"


Parts = Generator[Part | Refusal, None, None]


class Piece(Protocol):
    """The address of a part of a source that can be read without what comes before it. It travels
    between processes; its text says what it is."""

    def parts(self) -> Parts:
        """What is in it, as the source's own `parts` would give it."""


class Feed(Protocol):
    """One source of a capability."""

    @property
    def name(self) -> str:
        """The source's name."""

    def check(self) -> None:
        """Raises ConfigError where the source can't be asked as it is configured."""

    def parts(self, history: Sequence[Batch]) -> Parts:
        """What is new, given every batch of the source so far, the oldest first.

        Where the last batch is begun, and the source still holds what that one read, the first
        part equals it.
        """

    def pieces(self, history: Sequence[Batch], elsewhere: bool) -> Iterator[Piece] | None:
        """All that is new, in pieces that can be read at once; None where it has none, or too
        little for that. `elsewhere`: whether other processes read them.
        """
