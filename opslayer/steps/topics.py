"""Learning what callers write about from a capability's own log, and forgetting it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from heapq import nsmallest

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.records import Interaction, Topics, digest_of
from opslayer.stores import Stores
from opslayer.stores.events import Event
from opslayer.stores.lake import literal
from opslayer.taggers.topics import Said, learn, words_of

FIRST = 300
"""Calls from which on topics are learnt."""
MOST = 20_000
"""Texts that are learnt from, at most: of more, a share that their ids choose."""
PAGE = 2_000
"""Entries of the log that are read at once."""
KEPT = 5
"""Different people that must have used a word, for it to stay after erasures."""
LONGEST = 2_000
"""Characters of a text that are looked at."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)


def learned(capability: Capability, stores: Stores, now: datetime) -> Topics | None:
    """The topics of what callers write, learnt anew where the log has doubled since the last time,
    or where an erasure has taken them away. None before there are `FIRST` calls, or where callers
    write nothing.

    Raises StoreError where the log is away.
    """
    if not _has_text(capability):
        return None
    newest = stores.ledger.topics.newest(capability.name)
    calls = stores.traffic.calls(capability.name, EVER)
    due = FIRST if newest is None or newest.forgotten else 2 * newest.calls
    if calls < due:
        return newest
    found = learn(_texts(capability, stores))
    return stores.ledger.topics.add(
        Topics(
            capability=capability.name,
            number=1 if newest is None else newest.number + 1,
            at=now,
            calls=calls,
            topics=found.topics,
            rarity=found.rarity,
            people=found.people,
        )
    )


def forget(capability: Capability, stores: Stores, gone: Sequence[Event]) -> int:
    """Count one person less for each word of their calls, and forget whole versions of topics, with
    all their tags, that have a word which too few others used; returns how many.

    Done twice, it counts the person twice, and so forgets too much rather than too little.
    """
    calls = [one for one in calls_of(gone) if one.capability == capability.name]
    words = set().union(*(words_of(asked_text(capability, one)) for one in calls))
    forgotten = 0
    for one in stores.ledger.topics.all(capability.name):
        people = {word: count - (word in words) for word, count in one.people.items()}
        if any(count < KEPT for count in people.values()):
            stores.lake.remove(capability, "facets", [f'"by" = {literal(one.by)}'])
            left = Topics(
                capability=one.capability, number=one.number, at=one.at, calls=one.calls,
                forgotten=True,
            )  # fmt: skip
            forgotten += 1
        else:
            left = one.model_copy(update={"people": people})
        stores.ledger.topics.replace(left)
    return forgotten


def calls_of(entries: Iterable[Event]) -> Iterator[Interaction]:
    """The calls among entries of the log, as far as this code can read them."""
    for entry in entries:
        if entry.kind == "interaction" and isinstance(record := entry.known(), Interaction):
            yield record


def asked_text(capability: Capability, call: Interaction) -> str:
    """What the caller wrote last, its beginning: of a chat, the newest message of the user; else
    the texts."""
    messages = call.input.get("messages")
    if isinstance(messages, list):
        said = [one.get("content") for one in messages if one.get("role") == "user"]
        return said[-1][:LONGEST] if said and isinstance(said[-1], str) else ""
    names = [*capability.columns_of(ColumnType.TEXT), "prompt"]
    texts = [call.input.get(name) for name in names]
    return " ".join(text for text in texts if isinstance(text, str))[:LONGEST]


def _has_text(capability: Capability) -> bool:
    written = bool(capability.columns_of(ColumnType.TEXT))
    return written or capability.kind in (Kind.CHAT, Kind.IMAGE)


def _texts(capability: Capability, stores: Stores) -> list[Said]:
    """What was written, and by whom, in the order of the calls' ids; of a call that names nobody,
    the call stands for the person."""
    some = nsmallest(MOST, _keyed(capability, stores))
    return [Said(who, text) for _, id, who, text in sorted(some, key=lambda one: one[1])]


def _keyed(capability: Capability, stores: Stores) -> Iterator[tuple[str, str, str, str]]:
    for batch in stores.events.pages(capability.name, {}, PAGE):
        for call in calls_of(batch.events):
            if text := asked_text(capability, call):
                yield digest_of("topics", call.id), call.id, call.subject or call.id, text
