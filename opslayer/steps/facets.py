"""What a call was like apart from its target, tagged by itself: failure, guards, language,
sentiment, topic.

Each tagger has a version, which stands in what its tags are `by`: `language@1`. A new version
reads the log from its start, and what the old one said stays. Topics are learnt from the log, and
have a new version each time. Facets are no labels: no training sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.engine import HERE, Executor
from opslayer.records import Interaction, Status, TagSource, Topics, digest_of
from opslayer.steps.topics import asked_text, calls_of, learned
from opslayer.stores import Stores
from opslayer.stores.events import Event, Events, Stretch
from opslayer.stores.lake import schema
from opslayer.taggers.language import language
from opslayer.taggers.sentiment import sentiment
from opslayer.taggers.topics import Teller

PAGE = 2_000
"""Entries of the log that are read, and written, at once."""
MOST = 50_000
"""Entries that one run reads at most; the next one goes on from there."""
Found = Iterator[tuple[str, float]]
"""Values, and how surely."""
Tagger = Callable[[Capability, Interaction], Found]
Taggers = Mapping[str, tuple[TagSource, Tagger]]
"""By name and version."""


@dataclass(frozen=True, slots=True)
class Told:
    """What reads the pages of a log: all of it travels to whoever does."""

    capability: Capability
    events: Events
    now: datetime
    topics: Topics | None = None
    """By what topics are told; None for every other tagger."""

    @property
    def taggers(self) -> Taggers:
        """By name and version."""
        if self.topics is None:
            return TAGGERS
        return {self.topics.by: (TagSource.MODEL, _topic(self.topics))}

    def page(self, page: Stretch) -> list[dict[str, Any]]:
        """The facets of one page's calls."""
        entries = self.events.stretch(self.capability.name, page)
        return list(_facets(self.capability, entries, self.now, self.taggers))


def tag_calls(
    capability: Capability, stores: Stores, now: datetime, executor: Executor = HERE
) -> int:
    """Tag the calls that the log has gained since the last run, at most `MOST` entries of it, and
    as many by topics, which are learnt anew where they are due; returns how many facets are new. A
    run that was killed is done again, and doubles nothing.

    Pages are read and tagged by `executor`, and appended here, in their order. Raises StoreError
    where the log, or the engine, is away.
    """
    told = Told(capability, stores.events, now)
    made = _tag(told, stores, executor)
    topics = learned(capability, stores, now)
    if topics is not None and topics.topics:
        made += _tag(replace(told, topics=topics), stores, executor)
    return made


def _tag(told: Told, stores: Stores, executor: Executor) -> int:
    name, reader = told.capability.name, "+".join(told.taggers)
    place, made = stores.ledger.positions.get(name, reader), 0
    pages = list(islice(stores.events.stretches(name, place, PAGE), MOST // PAGE))
    for page, found in zip(pages, executor.map(told.page, pages), strict=True):
        made += _append(told.capability, stores, found)
        stores.ledger.positions.put(name, reader, page.positions)
    return made


def _facets(
    capability: Capability, entries: Iterable[Event], now: datetime, taggers: Taggers
) -> Iterator[dict[str, Any]]:
    for call in calls_of(entries):
        for by, (source, tagger) in taggers.items():
            name = by.partition("@")[0]
            for value, confidence in tagger(capability, call):
                yield {
                    "id": digest_of(call.id, by, value),
                    "row_id": call.id,
                    "name": name,
                    "value": value,
                    "source": source.value,
                    "by": by,
                    "confidence": confidence,
                    "event_time": call.event_time,
                    # A past `now` replays what is known by then; nothing is known before it was.
                    "known_time": max(now, call.event_time),
                }


def _append(capability: Capability, stores: Stores, found: Sequence[dict[str, Any]]) -> int:
    """Append what is not there yet: a run may have died after its append. Of calls that were erased
    since they were read, nothing stays: an erasure names them before it removes anything, so that
    either it or we see the other's."""
    if not found:
        return 0
    stated = ", ".join(f"'{one['id']}'" for one in found)  # hex digits
    sql = f"SELECT id FROM facets WHERE id IN ({stated})"  # noqa: S608 - nothing but digests
    there = set(stores.lake.query(capability, sql, ("facets",))["id"].to_pylist())
    fresh = {one["id"]: one for one in found if one["id"] not in there}
    table = pa.Table.from_pylist(list(fresh.values()), schema(capability, "facets"))
    stores.lake.append(capability, "facets", table)
    if gone := stores.ledger.erasures.among(sorted({one["row_id"] for one in found})):
        stores.lake.remove(capability, "facets", ids=gone)
    return len(fresh)


def _failure(_: Capability, call: Interaction) -> Found:
    """Each kind of failure among its attempts, and how it ended where that was badly."""
    kinds = dict.fromkeys(one.outcome for one in call.attempts if one.outcome != "ok")
    if call.fallback:
        kinds.setdefault(call.fallback)
    if call.status is not Status.ANSWERED:
        kinds.setdefault(call.status.value)
    yield from ((kind, 1.0) for kind in kinds)


def _guard(_: Capability, call: Interaction) -> Found:
    """The guards that found something, where, and what they did: `pii:input:masked`."""
    lines = dict.fromkeys(":".join(line.split(":")[:3]) for line in call.guards)
    yield from ((line, 1.0) for line in lines)


def _language(capability: Capability, call: Interaction) -> Found:
    """The ISO 639 code of what the caller wrote, where there is enough of it and it is clear."""
    return _one(language(asked_text(capability, call)))


def _sentiment(capability: Capability, call: Interaction) -> Found:
    """How what the caller wrote sounds, where it is English and clear."""
    return _one(sentiment(asked_text(capability, call)))


def _one(told: tuple[str, float] | None) -> Found:
    if told is not None:
        yield told


def _topic(topics: Topics) -> Tagger:
    teller = Teller.of(topics.topics, topics.rarity)

    def topic(capability: Capability, call: Interaction) -> Found:
        """What most of the caller's text is about."""
        return _one(teller.tell(asked_text(capability, call)))

    return topic


TAGGERS: Taggers = {
    "failure@1": (TagSource.RULE, _failure),
    "guard@1": (TagSource.RULE, _guard),
    "language@1": (TagSource.MODEL, _language),
    "sentiment@1": (TagSource.MODEL, _sentiment),
}
"""Raise a version whenever a tagger would say something else."""
