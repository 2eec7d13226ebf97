"""What became of calls: read from the log as it grows, for what judges variants on live traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opslayer.capability import Capability, Kind
from opslayer.records import (
    Exposure,
    Feedback,
    FeedbackKind,
    Interaction,
    Shadow,
    Status,
    VerdictKind,
    verdict_id,
)
from opslayer.stores import Stores
from opslayer.stores.events import Events

PAGE = 5_000
"""Entries of the log that are held at once."""
EARLY = 10_000
"""Calls that are awaited because something was said of them, at most."""


@dataclass(slots=True)
class Call:
    """One answered call, and what was said about it since."""

    unit: str
    """The subject's hash; the call's id where none was named."""
    named: bool
    at: datetime
    release: int
    assigned: str
    arms: dict[str, str]
    left: bool
    """Whether the caller went away before the answer was whole: then nobody knows the rest."""
    failed: bool | None
    """Whether the variant that was the caller's gave no answer that could be used."""
    guarded: bool | None
    """Whether a guard found something in an answer."""
    latency_ms: float | None
    """Of an answer by the variant that was the caller's."""
    cost: float
    value: Any = None
    """What a predictor answered."""
    thumb: bool | None = None
    clicked: bool = False
    truth: Any = None
    """The target, as an outcome or a correction told it."""
    shadow: Shadow | None = None

    @property
    def judged(self) -> bool:
        """Whether both an answer and the truth are known."""
        return self.value is not None and self.truth is not None


@dataclass(slots=True)
class Heard:
    """Calls of one capability from a place in the log on, by interaction."""

    capability: Capability
    positions: dict[str, int]
    """Per writer, the number of the last entry read."""
    calls: dict[str, Call] = field(default_factory=dict)
    exposed: dict[str, dict[str, str]] = field(default_factory=dict)
    """By experiment, each subject that was told its arm apart from answers, and that arm."""
    _early: dict[str, list[Feedback | Shadow]] = field(default_factory=dict)
    """What was said of calls whose own entry comes later: another writer's."""

    def listen(self, events: Events) -> None:
        """Read what is new."""
        for batch in events.pages(self.capability.name, self.positions, PAGE):
            for event in batch.events:
                self._take(event.known())
            self.positions = batch.positions

    def of(self, releases: set[int]) -> Iterator[Call]:
        """The calls of some releases, oldest first."""
        found = (call for call in self.calls.values() if call.release in releases)
        yield from sorted(found, key=lambda call: call.at)

    def _take(self, record: object) -> None:
        if isinstance(record, Interaction):
            if record.assigned and not record.ruled:
                self.calls[record.id] = call = _call(record)
                for said in self._early.pop(record.id, ()):
                    _hear(call, said)
        elif isinstance(record, Feedback | Shadow):
            about = record.interaction_id if isinstance(record, Feedback) else record.id
            if (there := self.calls.get(about)) is not None:
                _hear(there, record)
            else:
                self._early.setdefault(about, []).append(record)
                if len(self._early) > EARLY:  # of calls from before, nothing will ever come
                    del self._early[next(iter(self._early))]
        elif isinstance(record, Exposure):
            for experiment, arm in record.arms.items():
                self.exposed.setdefault(experiment, {}).setdefault(record.subject, arm)


def ear(capability: Capability, stores: Stores, begun: int) -> Heard:
    """An ear at the place in the log that the verdict of a release remembers."""
    id = verdict_id(capability.name, VerdictKind.PROMOTION, f"release {begun}")
    verdict = stores.ledger.verdicts.get(id)
    positions = verdict.numbers.get("positions", {}) if verdict else {}
    return Heard(capability, {writer: int(number) for writer, number in positions.items()})


def _call(record: Interaction) -> Call:
    left = record.status is Status.ABANDONED or (
        bool(record.attempts) and record.attempts[-1].outcome == "cancelled"
    )
    broken = record.status in (Status.FAILED, Status.INCOMPLETE)
    failed = record.fallback is not None or broken or record.variant != record.assigned
    return Call(
        unit=record.subject or record.id,
        named=record.subject is not None,
        at=record.event_time,
        release=record.release,
        assigned=record.assigned,
        arms=record.arms,
        left=left,
        failed=None if left else failed,
        guarded=None if left else any(":output:" in line for line in record.guards),
        latency_ms=None if left or failed else record.latency_ms,
        cost=record.cost,
        value=None if failed else record.output.get("value"),
    )


def _hear(call: Call, said: Feedback | Shadow) -> None:
    if isinstance(said, Shadow):
        call.shadow = said
    elif said.kind is FeedbackKind.THUMB:
        call.thumb = said.value == "up"
    elif said.kind is FeedbackKind.CLICK:
        call.clicked = True
    elif said.kind is FeedbackKind.TRUE_VALUE or call.truth is None:
        call.truth = said.value  # an outcome outranks a correction, whichever came first


def wrong(call: Call, kind: Kind) -> float:
    """The error of a judged call: 0 or 1 for a class, the distance for a number."""
    if kind is Kind.REGRESSION:
        return abs(float(call.value) - float(call.truth))
    return float(str(call.value) != str(call.truth))
