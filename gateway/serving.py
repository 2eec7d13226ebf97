"""What serves each capability at this moment, and how the next release takes its place.

A `Serving` never changes: a call takes one and keeps it to its end, so that no answer is half of
one release and half of another. The board looks for news every moment, in a thread; what it can't
look up stays as it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.builder import Builder, News
from gateway.call import HttpError
from gateway.route import Plan
from opslayer.capability import Capability
from opslayer.configuration.nearest import nearest
from opslayer.errors import OpslayerError
from opslayer.guards.panel import Panel

EVERY = 0.4
"""Seconds between two looks for a new release, a changed file, a trained guard: what was decided
serves within a second."""

log = logging.getLogger("opslayer.gateway")


@dataclass(frozen=True, slots=True)
class Serving:
    """One capability with everything that answers for it."""

    capability: Capability
    plan: Plan
    panel: Panel
    reason: str = ""
    """Why it is not ready; empty where it is."""

    @property
    def ready(self) -> bool:
        """Whether its newest release is loaded, or something stands in that always answers."""
        return not self.reason


@dataclass(slots=True)
class Board:
    """Every capability's `Serving`, by name."""

    builder: Builder
    looked: Callable[[], None] = lambda: None
    """Told of each look."""
    faults: dict[str, str] = field(default_factory=dict)
    """What could not be looked up or built at the last look, by its place."""
    _now: dict[str, Serving] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    def get(self, name: str) -> Serving:
        """What serves a capability; raises HttpError 404 with the nearest name."""
        found = self._now.get(name)
        if found is None:
            there = ", ".join(self._now) or "none yet"
            raise HttpError(
                404,
                "model_not_found",
                f"there is no capability {name[:64]!r}{nearest(name[:64], self._now)}; "
                f"there are {there}",
            )
        return found

    def __iter__(self) -> Iterator[Serving]:
        return iter(self._now.values())

    @property
    def names(self) -> Mapping[str, Serving]:
        """The capabilities by name."""
        return self._now

    async def start(self) -> None:
        """Load what serves now, and follow the news from then on."""
        await self.look()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Look for news once, and let what changed take its place."""
        news: News = await asyncio.to_thread(self.builder.look, dict(self._now))
        for serving in news.servings:
            # One assignment: calls that are under way keep what they took.
            self._now[serving.capability.name] = serving
        for name in news.gone:
            self._now.pop(name, None)
        for place, said in news.faults.items():
            if self.faults.get(place) != said:
                log.warning("%s: %s", place, said)
        self.faults = dict(news.faults)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.looked()
            try:
                await self.look()
            except OpslayerError as error:
                self.faults = {"board": str(error)}
