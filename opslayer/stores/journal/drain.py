"""Carrying the journal into the interaction log."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from opslayer.errors import StoreError
from opslayer.stores.events import Events
from opslayer.stores.journal.address import Journal
from opslayer.stores.journal.entry import Entry, entries_in
from opslayer.stores.journal.erase import overwrite
from opslayer.stores.journal.lock import exclusive
from opslayer.stores.journal.segment import LOCK, Segment, forget_strays, segments_in

PORTION = 2**20
"""Characters that one transaction carries into the log, or one record: where a disk is nearly
full, small steps still find room."""

log = logging.getLogger("opslayer.journal")


def drain(journal: Journal, events: Events) -> int:
    """Carry what the journal holds into the log; returns how many records were new there.

    One process at a time: where another is at it, waits until it is done, and then looks itself.
    What was durable in the journal when it was called is in the log when it returns. Raises
    StoreError where the log's database or the journal's disk is away; nothing is lost then.
    """
    if not journal.root.is_dir():
        return 0
    try:
        with exclusive(journal.root / LOCK):
            return sum(_drain(journal, name, events) for name in journal.writers())
    except OSError as error:
        raise StoreError(
            f"the journal {journal.root} can't be carried on: {error.strerror}"
        ) from error


def _drain(journal: Journal, writer: str, events: Events) -> int:
    new, folder = 0, journal.root / writer
    while segments := segments_in(folder):
        for segment in segments[:-1]:
            new += _finish(segment, writer, events)
        new += _carry(segments[-1], writer, events)
        if journal.is_written(writer):
            break
        # Nobody appends to it any more: whoever opens the folder now begins another segment.
        new += _finish(segments[-1], writer, events)
    forget_strays(folder)
    return new


def _carry(segment: Segment, writer: str, events: Events) -> int:
    """Carry the records that follow those carried before, of a segment that is being written."""
    began = segment.carried
    data = segment.read(began)
    found = list(entries_in(data))
    new, gone = _append([entry for entry, _ in found], writer, events)
    if gone:  # the call of somebody who was erased while it was answered
        overwrite(segment.path, data, lambda one: (one.kind, one.id) in gone, began)
    if found:
        segment.note(began + found[-1][1])
    return new


def _finish(segment: Segment, writer: str, events: Events) -> int:
    """Carry what is left of a segment that nobody writes any more, and take it away."""
    data = segment.read(segment.carried)
    whole = list(entries_in(data))
    behind = whole[-1][1] if whole else 0
    rest = list(entries_in(data, behind, past_damage=True))
    new, gone = _append([entry for entry, _ in (*whole, *rest)], writer, events)
    if rest and not gone:
        # What is not whole was not cut off: it was acknowledged once.
        log.warning("the journal was damaged on its disk; look at %s", segment.keep_aside())
    else:
        segment.remove()
    return new


def _append(
    entries: Sequence[Entry], writer: str, events: Events
) -> tuple[int, frozenset[tuple[str, str]]]:
    """How many were new, and kind and id of those that the log refuses."""
    said = [entry for entry in entries if not entry.text.isspace()]  # what was erased holds nothing
    appended = [events.append_entries(portion, writer) for portion in _portions(said)]
    refused = frozenset[tuple[str, str]]().union(*(one.refused for one in appended))
    return sum(one.new for one in appended), refused


def _portions(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        portion.append(entry)
        size += len(entry.text)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
