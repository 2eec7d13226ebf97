"""What people said of a prompt's answers: what to improve, and what to hold candidates against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opslayer.capability import Capability
from opslayer.errors import NotEnoughData, Refused
from opslayer.records import Feedback, FeedbackKind, Interaction, Status, Variant
from opslayer.steps.converse import Messages
from opslayer.stores import Stores

MOST = 500
"""Newest rated answers that are looked at."""


@dataclass(frozen=True, slots=True)
class Rated:
    """One answer that somebody rated."""

    id: str
    at: datetime
    messages: Messages
    reply: str
    liked: bool
    reference: str | None
    """What should be said: the liked reply, or the correction."""


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to improve, and by what."""

    variant: Variant
    template: str
    rated: tuple[Rated, ...]

    @property
    def disliked(self) -> list[Rated]:
        """What people disliked, newest first."""
        return [one for one in self.rated if not one.liked]

    @property
    def examined(self) -> list[Rated]:
        """What candidates are held against."""
        return [one for one in self.rated if one.reference]


def gather(capability: Capability, stores: Stores) -> Case:
    """The serving pool's prompt, and the newest answers that were rated.

    Raises Refused where no pool with a prompt serves, NotEnoughData with the number that is missing
    where too few answers were disliked, or have a reference.
    """
    serving = stores.ledger.releases.serving(capability.name)
    variant = serving.champion if serving else None
    if variant is None or variant.prompt is None or variant.prompt_version is None:
        raise Refused(f"{capability.name} is served by no prompt: there is nothing to improve")
    template = stores.prompts.load(capability.name, variant.prompt, variant.prompt_version)
    case = Case(variant, template, tuple(_rated(capability, stores, variant)))
    rules = capability.improve
    if not case.disliked or len(case.examined) < rules.min_rated:
        raise NotEnoughData(
            f"{capability.name}: {len(case.disliked)} answers of {variant.name} were disliked, and "
            f"{len(case.examined)} have a reference (a thumb up, or a correction): at least 1 and "
            f"{rules.min_rated} are needed (improve.min_rated)"
        )
    return case


def _rated(capability: Capability, stores: Stores, variant: Variant) -> list[Rated]:
    answered: dict[str, Interaction] = {}
    said: dict[str, dict[FeedbackKind, Any]] = {}
    for batch in stores.events.pages(capability.name, {}):
        for record in (event.known() for event in batch.events):
            if isinstance(record, Feedback):
                said.setdefault(record.interaction_id, {})[record.kind] = record.value
            elif isinstance(record, Interaction) and record.variant == variant.name:
                answered[record.id] = record
    rated = [_one(answered[id], its) for id, its in said.items() if id in answered]
    newest = sorted((one for one in rated if one), key=lambda one: one.at, reverse=True)
    return newest[:MOST]


def _one(answer: Interaction, said: Mapping[FeedbackKind, Any]) -> Rated | None:
    thumb = said.get(FeedbackKind.THUMB)
    correction = said.get(FeedbackKind.CORRECTION) or said.get(FeedbackKind.TRUE_VALUE)
    reply, messages = answer.output.get("reply"), answer.input.get("messages")
    if answer.status is not Status.ANSWERED or not reply or not messages:
        return None
    if thumb is None and correction is None:
        return None
    liked = correction is None and thumb == "up"
    reference = str(correction) if correction is not None else (str(reply) if liked else None)
    return Rated(answer.id, answer.event_time, messages, str(reply), liked, reference)
