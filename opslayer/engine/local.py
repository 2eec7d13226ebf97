"""Piece after piece in this process: what is used where no engine is named.

Not a pool of processes: each would load scikit-learn, Delta and pandas first, which takes longer
than most of what a small installation has to do, and none can be forked from a process with
threads. Where it pays, two workers of an engine on this machine are that pool.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslayer.engine.executor import Found, Piece, told
from opslayer.engine.lent import Held, Lent

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Local:
    """This process."""

    @property
    def elsewhere(self) -> bool:
        """Never."""
        return False

    def lend(self, rows: pa.Table) -> AbstractContextManager[Lent]:
        """The rows themselves."""
        return nullcontext(Held(rows))

    def map(
        self,
        function: Callable[[Piece], Found],
        pieces: Iterable[Piece],
        name: Callable[[Piece], str] = str,
    ) -> Generator[Found, None, None]:
        """As `Executor.map`, one piece at a time."""
        for piece in pieces:
            try:
                found = function(piece)
            except Exception as error:
                told(error, name(piece))
            yield found


HERE = Local()
