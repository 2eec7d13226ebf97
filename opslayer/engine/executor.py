"""What every engine promises, and how each tells which piece an error is about."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from opslayer.engine.lent import Lent
from opslayer.errors import ConfigError, OpslayerError

if TYPE_CHECKING:
    import pyarrow as pa

Piece = TypeVar("Piece")
Found = TypeVar("Found")


class Executor(Protocol):
    """Runs one function for many pieces. An address, not an open client: it travels."""

    @property
    def elsewhere(self) -> bool:
        """Whether pieces run in other processes, so that what they read has to lie in a store."""

    def lend(self, rows: pa.Table) -> AbstractContextManager[Lent]:
        """Let pieces read rows that no store holds, for as long as the block lasts."""

    def map(
        self,
        function: Callable[[Piece], Found],
        pieces: Iterable[Piece],
        name: Callable[[Piece], str] = str,
    ) -> Generator[Found, None, None]:
        """What the function says of each piece, in the pieces' order.

        Pieces are taken, and results held, only a few at a time; a caller who stops early stops
        the rest. `function` is one of a module's (or a `partial` of one) and may run twice for a
        piece whose process died: it changes nothing, or only what is there once whoever does it.
        Raises what the function raised of the first piece that failed, which `name` names, and
        StoreError where the engine is away.
        """


def told(error: Exception, piece: str) -> NoReturn:
    """Raise an error again that says of which piece it is."""
    if isinstance(error, OpslayerError) and not isinstance(error, ConfigError):
        raise type(error)(f"{piece}: {error}") from error
    error.add_note(f"while working on {piece}")
    raise error
