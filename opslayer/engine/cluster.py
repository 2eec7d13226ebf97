"""Pieces on the workers of a Dask scheduler.

Dask runs a piece again whose worker died, on another one. A piece that takes several workers with
it is given up: it is the piece.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from opslayer.engine.executor import Found, Piece, told
from opslayer.engine.lent import Lent, kept
from opslayer.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa
    from distributed import Client, Future

PATIENCE = 10.0
"""Seconds to wait for the scheduler, and for its first worker."""
LOOK = 30.0
"""Seconds after which we look whether there still are workers for a piece that is not done."""
AHEAD = 2
"""Pieces for each thread of the workers: one runs, one is there when it is done."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The address of a scheduler: `tcp://HOST:PORT`, or `tls://`."""

    url: str
    lake: str
    """Where rows are lent: a folder or an `s3://` prefix that every worker reaches."""

    @property
    def elsewhere(self) -> bool:
        """Always."""
        return True

    def lend(self, rows: pa.Table) -> AbstractContextManager[Lent]:
        """Rows laid into the lake."""
        return kept(self.lake, rows)

    def map(
        self,
        function: Callable[[Piece], Found],
        pieces: Iterable[Piece],
        name: Callable[[Piece], str] = str,
    ) -> Generator[Found, None, None]:
        """As `Executor.map`: at most `AHEAD` pieces for each thread are under way."""
        waiting = iter(pieces)
        first = next(waiting, None)
        if first is None:
            return
        with self._client() as client:
            room = AHEAD * self._threads(client)
            under_way = deque([(first, client.submit(function, first, pure=False))])
            while under_way:
                for piece in islice(waiting, max(0, room - len(under_way))):
                    under_way.append((piece, client.submit(function, piece, pure=False)))
                piece, future = under_way.popleft()
                found: Found = self._result(client, future, name(piece))
                future.release()
                yield found

    def examine(self) -> int:
        """How many threads the workers have together. Raises StoreError where there is no
        scheduler, or none works for it."""
        with self._client() as client:
            return self._threads(client)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        try:
            from distributed import Client
        except ImportError as error:
            raise StoreError(
                f"OPSLAYER_ENGINE_URL is {self.url}, and Dask is not installed: "
                f"pip install 'opslayer[scale]', or {WITHOUT}"
            ) from error
        try:
            client = Client(self.url, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:  # a time-out is an OSError
            raise self._away(f"does not answer ({error or type(error).__name__})") from error
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            client.close()
            raise self._away("has no worker") from error
        try:
            yield client
        finally:
            client.close()

    @staticmethod
    def _threads(client: Client) -> int:
        return max(1, sum(int(count) for count in client.nthreads().values()))

    def _result(self, client: Client, future: Future, piece: str) -> Any:
        from concurrent.futures import CancelledError

        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        while True:
            try:
                return future.result(timeout=LOOK)
            except KilledWorker as error:
                raise StoreError(
                    f"{piece}: worker after worker of the engine at {self.url} died over it: look "
                    "at their logs, mostly they had too little memory"
                ) from error
            except (CancelledError, CommClosedError) as error:
                raise self._away(f"went away ({error})") from error
            except TimeoutError as error:
                if future.status == "error":  # the function's own
                    told(error, piece)
                if not client.nthreads():
                    raise self._away("has lost its last worker") from error
            except Exception as error:
                told(error, piece)

    def _away(self, what: str) -> StoreError:
        return StoreError(
            f"the engine that OPSLAYER_ENGINE_URL names, {self.url}, {what}: start its scheduler "
            f"and workers, or {WITHOUT}"
        )


WITHOUT = "unset OPSLAYER_ENGINE_URL to work in this process alone"
