"""Predicting online: one thread, and concurrent rows in one call.

Two threads of one process predict at a third of one thread's rate, and a call for sixteen rows
takes about as long as one for a single row. So there is one thread: a row that finds it idle goes
at once, and those that come meanwhile go together in the next call. A model that has shown to be
quick is not even worth the thread: handing over takes about as long as it does, and the rows of one
turn of the event loop go together all the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Protocol
from weakref import WeakKeyDictionary

BATCH = 64
"""Rows in one call, at most."""
QUICK = 0.004
"""Seconds of a call for a batch, on average, up to which the event loop itself asks the model: its
other calls wait as long."""
TURNS = 8
"""Turns of the event loop that rows for a quick model wait for others, at most."""
TRIED = 5
"""Calls before a model counts as quick: the first one is always slow."""
ALPHA = 0.2
"""Weight of the newest call in the mean."""

Row = Mapping[str, Any]
Answer = dict[str, Any]


class Model(Protocol):
    """What answers rows."""

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        """An answer for each row, in their order."""


@dataclass(slots=True)
class Asked:
    """One row, its model, and who waits for it."""

    model: Model
    row: Row
    done: asyncio.Future[Answer]


@dataclass(slots=True)
class Pace:
    """How quickly a model answers."""

    calls: int = 0
    mean: float = 0.0

    @property
    def quick(self) -> bool:
        """Whether it may be asked in the event loop."""
        return self.calls >= TRIED and self.mean < QUICK

    def note(self, seconds: float) -> None:
        """One call took so long."""
        self.calls += 1
        self.mean += (ALPHA if self.calls > 2 else 1.0) * (seconds - self.mean)


@dataclass(slots=True)
class Batcher:
    """What predicts in a process. To be used in one event loop."""

    clock: Callable[[], float] = perf_counter
    """Seconds, by which a model's pace is taken."""
    _inbox: SimpleQueue[Asked | None] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None
    _turn: list[Asked] = field(default_factory=list)
    """Rows for quick models, of these turns of the event loop."""
    _paces: WeakKeyDictionary[Model, Pace] = field(default_factory=WeakKeyDictionary)

    async def predict(self, model: Model, row: Row) -> Answer:
        """What a model says of a row; raises what the model raises for that row alone."""
        loop = asyncio.get_running_loop()
        asked = Asked(model, row, loop.create_future())
        if self._pace(model).quick:
            if not self._turn:
                loop.call_soon(self._answer_turns)
            self._turn.append(asked)
        else:
            self._start(loop)
            self._inbox.put(asked)
        return await asked.done

    def _pace(self, model: Model) -> Pace:
        pace = self._paces.get(model)
        if pace is None:
            pace = self._paces[model] = Pace()
        return pace

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name="predict", daemon=True
            )
            self._thread.start()

    def _answer_turns(self, seen: int = 0, turns: int = 0) -> None:
        """Answer what gathered, once a turn of the loop has brought no more rows."""
        loop = asyncio.get_running_loop()
        if seen < len(self._turn) < BATCH and turns < TURNS:
            loop.call_soon(self._answer_turns, len(self._turn), turns + 1)
            return
        batch, self._turn = self._turn[:BATCH], self._turn[BATCH:]
        if self._turn:
            loop.call_soon(self._answer_turns, len(self._turn))
        _settle(*self._ask(batch))

    def _ask(self, batch: Sequence[Asked]) -> tuple[list[Asked], list[Answer | Exception]]:
        """Ask every model for its rows; the rows, and what was said of each."""
        asked: list[Asked] = []
        answers: list[Answer | Exception] = []
        for group in _by_model(batch):
            began = self.clock()
            answers += _ask(group)
            asked += group
            self._pace(group[0].model).note(self.clock() - began)
        return asked, answers

    async def close(self) -> None:
        """Answer what waits, and end the thread."""
        if self._thread is not None:
            self._inbox.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (batch := self._gather()) is not None:
            loop.call_soon_threadsafe(_settle, *self._ask(batch))

    def _gather(self) -> list[Asked] | None:
        first = self._inbox.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH:
            try:
                more = self._inbox.get_nowait()
            except Empty:
                break
            if more is None:
                self._inbox.put(None)
                break
            batch.append(more)
        return batch


def _by_model(batch: Sequence[Asked]) -> list[list[Asked]]:
    """The rows of each model together."""
    groups: dict[int, list[Asked]] = {}
    for one in batch:
        groups.setdefault(id(one.model), []).append(one)
    return list(groups.values())


def _ask(group: Sequence[Asked]) -> list[Answer | Exception]:
    try:
        return list(group[0].model.predict([one.row for one in group]))
    except Exception as error:  # a model may raise anything: one row must not fail its neighbours
        if len(group) == 1:
            return [error]
        return [answer for one in group for answer in _ask([one])]


def _settle(batch: Sequence[Asked], answers: Sequence[Answer | Exception]) -> None:
    for one, answer in zip(batch, answers, strict=True):
        if one.done.done():
            continue  # the caller has gone
        if isinstance(answer, Exception):
            one.done.set_exception(answer)
        else:
            one.done.set_result(answer)
