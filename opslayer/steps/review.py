"""People look at rows: one after the other, each by one reviewer at a time, and say the target.

An answer is a correction in the interaction log, by the reviewer and known from now on: the next
ingest makes a tag of it as of any other feedback, the label follows from the tags, and training
from the labels. Nothing is ever changed back: an answer that is undone is followed by a newer
statement without a value, which takes it back whatever has learnt from it meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opslayer.capability import Capability, Kind
from opslayer.errors import Refused
from opslayer.judgement.agreement import Agreement, alpha, kappas
from opslayer.judgement.sample import Quality
from opslayer.records import Feedback, FeedbackKind, Value, digest_of
from opslayer.sources.interactions import EntryError, stated
from opslayer.steps import queue
from opslayer.steps.inputs import read_inputs
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, literal
from opslayer.stores.reviews import Claimant, Review

LONGEST = 64
"""Characters of a reviewer's name."""
TICK = timedelta(microseconds=1)
"""By how much a statement is newer than the one before it, at least."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row for a reviewer to look at."""

    row_id: str
    event_time: datetime
    inputs: Mapping[str, Value]
    predicted: Value
    """What the champion said of it; None where there was none."""
    choices: tuple[str, ...]
    """Classes, the likeliest first; none for a number."""
    reasons: tuple[str, ...]
    """Why it is here."""
    until: datetime
    """When it is offered to somebody else."""
    again: bool
    """Whether it is looked at by more than one reviewer."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who looks, and when. Raises Refused for a name that can't be kept."""

    name: str
    now: datetime

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > LONGEST or not self.name.isprintable():
            raise Refused(f"a reviewer's name has 1 to {LONGEST} characters that can be seen")


def take(capability: Capability, stores: Stores, who: Reviewer) -> Item | None:
    """The row that a reviewer is to look at, theirs for `review.claim`; None where nothing waits.

    Whoever holds one gets it again. No two reviewers hold the same row, unless it is due to be
    looked at twice; a claim that lapsed is offered to others. Raises as `queue.fill`.
    """
    queue.check(capability)
    built = stores.reviews.built(capability.name)
    stale = built is None or who.now - built >= capability.review.refresh
    if stale:
        queue.fill(capability, stores, who.now)
    claimant = Claimant(capability.name, who.name, who.now, who.now + capability.review.claim)
    held = stores.reviews.claim(claimant)
    if held is None and not stale:
        queue.fill(capability, stores, who.now)
        held = stores.reviews.claim(claimant)
    return _item(capability, stores, held) if held else None


def answer(
    capability: Capability, stores: Stores, who: Reviewer, row_id: str, value: Value
) -> Review:
    """Say what the target of the held row is. A class, or a finite number (text is read as one).

    Raises Refused for a value that the capability can't have, and where the row is not held: it
    was never claimed, or the claim lapsed and somebody else has it.
    """
    held = _held(capability, stores, who, row_id)
    said = _statement(capability, held, who, _value(capability, value))
    if not stores.reviews.answer(held, said):
        raise _lost(held)
    return held


def skip(capability: Capability, stores: Stores, who: Reviewer, row_id: str) -> None:
    """Leave the held row to others; this reviewer does not get it again. Raises Refused."""
    held = _held(capability, stores, who, row_id)
    if not stores.reviews.skip(held, who.now):
        raise _lost(held)


def undo(capability: Capability, stores: Stores, who: Reviewer) -> Item:
    """Take back what a reviewer answered last, and hold that row again.

    Raises Refused where there is nothing to take back.
    """
    last = stores.reviews.last(capability.name, who.name)
    if last is None:
        raise Refused(f"{who.name} has no answer in {capability.name} to take back")
    until = who.now + capability.review.claim
    if not stores.reviews.undo(last, _statement(capability, last, who, None), until):
        raise _lost(last)
    return _item(capability, stores, _held(capability, stores, who, last.row_id))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reviewing has come."""

    waiting: int
    """Rows of the queue that nobody has answered or holds."""
    answered: int
    skipped: int
    by_reviewer: Mapping[str, int]
    by_reason: Mapping[str, int]
    twice: int
    """Rows that more than one reviewer has answered."""
    agreement: Agreement
    """Krippendorff's alpha of all reviewers."""
    pairs: Mapping[tuple[str, str], Agreement]
    """Cohen's kappa of each two of them; none for numbers."""
    quality: Quality | None
    """Share of right answers, from the random share; None for numbers."""


def progress(capability: Capability, stores: Stores, now: datetime) -> Progress:
    """How much was looked at, how far reviewers agree, and how good the answers are."""
    from opslayer.steps.sampled import sampled_quality

    parts = stores.reviews.all(capability.name)
    answered = [one for one in parts if one.status == "answered"]
    rows: dict[str, dict[str, Any]] = {}
    for one in answered:
        rows.setdefault(one.row_id, {})[one.reviewer] = one.record["value"]
    seen, numeric = list(rows.values()), capability.task is Kind.REGRESSION
    return Progress(
        waiting=stores.reviews.waiting(capability.name, now),
        answered=len(answered),
        skipped=sum(one.status == "skipped" for one in parts),
        by_reviewer=Counter(one.reviewer for one in answered),
        by_reason=Counter(one.record["reasons"][0] for one in answered),
        twice=sum(len(row) > 1 for row in seen),
        agreement=alpha(seen, numeric),
        pairs={} if numeric else kappas(seen),
        quality=None if numeric else sampled_quality(capability, stores, now),
    )


def _item(capability: Capability, stores: Stores, held: Review) -> Item:
    where = f"row_id = {literal(held.row_id)}"
    found = read_inputs(capability, stores, capability.columns, where).to_pylist()
    if not found:
        raise Refused(f"row {held.row_id} is not in the lake any more: skip it")
    row, likely = found[0], held.record.get("likely", {})
    classes = capability.classes or ()
    assert held.until is not None
    return Item(
        row_id=held.row_id,
        event_time=row["event_time"],
        inputs={name: row[INPUT + name] for name in capability.columns},
        predicted=held.record.get("predicted"),
        choices=tuple(dict.fromkeys([*likely, *classes])),
        reasons=tuple(held.record["reasons"]),
        until=held.until,
        again=held.due > 1,
    )


def _held(capability: Capability, stores: Stores, who: Reviewer, row_id: str) -> Review:
    held = stores.reviews.part(capability.name, row_id, who.name)
    if held is None or held.status != "claimed" or held.seat is None:
        raise Refused(
            f"{who.name} does not hold row {row_id[:LONGEST]} (never claimed, answered already, or "
            "the claim lapsed and somebody else took it): ask for the next one"
        )
    return held


def _lost(held: Review) -> Refused:
    return Refused(f"row {held.row_id} is not {held.reviewer}'s any more: ask for the next one")


def _value(capability: Capability, value: Value) -> str | float:
    try:
        if capability.task is Kind.REGRESSION and isinstance(value, str):
            return stated(capability, float(value))
        return stated(capability, value)
    except (EntryError, ValueError) as error:
        raise Refused(f"{capability.target} can't be {value!r}: {error}") from error


def _statement(
    capability: Capability, held: Review, who: Reviewer, value: str | float | None
) -> Feedback:
    """What the log is told; newer than all that this reviewer said of the row before."""
    known = max(who.now, held.at + TICK) if held.said else who.now
    return Feedback(
        id=digest_of("review", capability.name, held.row_id, who.name, held.said + 1),
        capability=capability.name,
        interaction_id=held.row_id,
        kind=FeedbackKind.CORRECTION,
        value=value,
        event_time=known,
        known_time=known,
        by=who.name,
    )
