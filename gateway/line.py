"""Calls' guards, one after another.

What guards do with a long text takes the event loop milliseconds, and everybody else waits as long.
Several calls' texts in one turn of the loop would add up; so a turn looks at short texts as they
come, but at no more than it has time for, and the rest stand in line for the next turns. Between
them the loop answers those who can be answered, and refuses whom there is no room for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

T = TypeVar("T")

SLICE = 0.002
"""Seconds of guards' work in one turn of the loop, after which the next call waits."""


@dataclass(slots=True)
class Line:
    """Who waits for a turn. To be used in one event loop."""

    clock: Callable[[], float] = perf_counter
    """Seconds, by which work is measured."""
    _spent: float = 0.0
    """Seconds of work in this turn of the loop."""
    _waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = field(default_factory=deque)
    _awaited: bool = False
    """Whether the next turn of the loop is awaited."""

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """Do a call's work once those before it had their turn; what it returns or raises."""
        if not self._waiting and self._spent < SLICE:
            return self._timed(work)
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        return await done

    def _timed(self, work: Callable[[], T]) -> T:
        began = self.clock()
        try:
            return work()
        finally:
            self._spent += self.clock() - began
            self._await()

    def _await(self) -> None:
        if not self._awaited:
            self._awaited = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """A new turn of the loop: do as much as there is time for."""
        self._awaited, self._spent = False, 0.0
        while self._waiting and self._spent < SLICE:
            work, done = self._waiting.popleft()
            if done.done():  # its caller has gone
                continue
            try:
                done.set_result(self._timed(work))
            except Exception as error:
                done.set_exception(error)
