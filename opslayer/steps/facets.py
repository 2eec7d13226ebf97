"""What a call was like apart from its target, tagged by itself: language, failure, guards.

Each tagger has a version, which stands in what its tags are `by`: `language@1`. A new version
reads the log from its start, and what the old one said stays. Facets are no labels: no training
sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from math import exp
from typing import Any

import pyarrow as pa

from opslayer.capability import Capability, ColumnType
from opslayer.records import Interaction, Status, TagSource, digest_of
from opslayer.stores import Stores
from opslayer.stores.events import Event
from opslayer.stores.lake import schema

PAGE = 2_000
"""Entries of the log that are read, and written, at once."""
MOST = 50_000
"""Entries that one run reads at most; the next one goes on from there."""
SHORTEST = 12
"""Characters below which a text tells no language."""
LONGEST = 2_000
"""Characters of a text that are looked at."""
SURE = 0.5
"""Probability from which on a language is told."""

Found = Iterator[tuple[str, float]]
"""Values, and how surely."""


def tag_calls(capability: Capability, stores: Stores, now: datetime) -> int:
    """Tag the calls that the log has gained since the last run, at most `MOST` entries of it;
    returns how many facets are new. A run that was killed is done again, and doubles nothing.

    Raises StoreError where the log is away.
    """
    reader = "+".join(TAGGERS)
    place, made, read = stores.ledger.positions.get(capability.name, reader), 0, 0
    while read < MOST:
        batch = stores.events.read(capability.name, place, PAGE)
        if not batch.events:
            break
        made += _append(capability, stores, list(_facets(capability, batch.events, now)))
        place, read = batch.positions, read + len(batch.events)
        stores.ledger.positions.put(capability.name, reader, place)
    return made


def _facets(
    capability: Capability, entries: Sequence[Event], now: datetime
) -> Iterator[dict[str, Any]]:
    for call in _calls(entries):
        for by, (source, tagger) in TAGGERS.items():
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
                    "known_time": now,
                }


def _calls(entries: Iterable[Event]) -> Iterator[Interaction]:
    for entry in entries:
        if entry.kind == "interaction" and isinstance(record := entry.known(), Interaction):
            yield record


def _append(capability: Capability, stores: Stores, found: Sequence[dict[str, Any]]) -> int:
    """Append what is not there yet: a run may have died after its append."""
    if not found:
        return 0
    stated = ", ".join(f"'{one['id']}'" for one in found)  # hex digits
    sql = f"SELECT id FROM facets WHERE id IN ({stated})"  # noqa: S608 - nothing but digests
    there = set(stores.lake.query(capability, sql, ("facets",))["id"].to_pylist())
    fresh = {one["id"]: one for one in found if one["id"] not in there}
    table = pa.Table.from_pylist(list(fresh.values()), schema(capability, "facets"))
    stores.lake.append(capability, "facets", table)
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
    text = _text(capability, call)[:LONGEST]
    if len(text) < SHORTEST:
        return
    scores = _identifier()(text)
    best, top = scores[0]
    # Scores are log-probabilities up to a constant.
    chance = 1 / sum(exp(max(-700.0, float(score) - float(top))) for _, score in scores)
    if chance >= SURE and best != "zxx":  # no linguistic content
        yield best, min(chance, 0.999)


@cache
def _identifier() -> Callable[[str], Sequence[tuple[str, float]]]:
    from py3langid import rank

    ranked: Callable[[str], Sequence[tuple[str, float]]] = rank
    return ranked


def _text(capability: Capability, call: Interaction) -> str:
    """What the caller wrote last: of a chat, the newest message of the user; else the texts."""
    messages = call.input.get("messages")
    if isinstance(messages, list):
        said = [one.get("content") for one in messages if one.get("role") == "user"]
        return said[-1] if said and isinstance(said[-1], str) else ""
    names = [*capability.columns_of(ColumnType.TEXT), "prompt"]
    texts = [call.input.get(name) for name in names]
    return " ".join(text for text in texts if isinstance(text, str))


Tagger = Callable[[Capability, Interaction], Found]
TAGGERS: dict[str, tuple[TagSource, Tagger]] = {
    "failure@1": (TagSource.RULE, _failure),
    "guard@1": (TagSource.RULE, _guard),
    "language@1": (TagSource.MODEL, _language),
}
"""By name and version. Raise a version whenever a tagger would say something else."""
