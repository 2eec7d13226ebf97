"""Taking records out of the journal's files, also out of one that is being written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from pathlib import Path
from zlib import crc32

from opslayer.errors import StoreError
from opslayer.stores.events import Events
from opslayer.stores.journal.address import Journal
from opslayer.stores.journal.entry import HEAD, MARK, Entry, entries_in
from opslayer.stores.journal.lock import exclusive
from opslayer.stores.journal.segment import DAMAGED, LOCK, Segment, segments_in

Gone = Callable[[Entry], bool]
"""Whether nothing of a record is to be left."""


def blank(journal: Journal, subject: str, ids: Set[str]) -> int:
    """Overwrite what was carried into the log already of a subject and of interactions.

    A record keeps its length, and holds nothing: no drain carries it again. A file that was kept
    aside as damaged goes as a whole if it holds any of it: what could be read of it is in the log.
    Returns the records and files. Raises StoreError.
    """

    def told(aside: Path) -> bool:
        data = aside.read_bytes()
        return any(one.encode() in data for one in (subject, *ids))

    return _clean(journal, lambda _: lambda entry: _is_about(entry, subject, ids), told)


def blank_absent(journal: Journal, events: Events, since: datetime | None) -> int:
    """As `blank`, of what was carried into the log and is not there any more.

    Of what was kept aside as damaged, a file goes where it is from before a moment, too. Raises
    StoreError.
    """

    def absent(path: Path) -> Gone:
        carried = Segment(path).carried
        read = entries_in(path.read_bytes())
        missing = _absent(events, [entry for entry, behind in read if behind <= carried])
        return lambda entry: (entry.kind, entry.id) in missing

    def holds_some(aside: Path) -> bool:
        read = entries_in(aside.read_bytes(), past_damage=True)
        old = since is not None and aside.stat().st_mtime < since.timestamp()
        return old or bool(_absent(events, [entry for entry, _ in read]))

    return _clean(journal, absent, holds_some)


def _absent(events: Events, entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """Kind and id of the records that say something, and that the log does not have."""
    saying = {(entry.kind, entry.id) for entry in entries if entry.text.strip()}
    kinds = {kind for kind, _ in saying}
    there = {
        (kind, id)
        for kind in kinds
        for id in events.known(kind, [i for k, i in saying if k == kind])
    }
    return saying - there


def _clean(journal: Journal, chosen: Callable[[Path], Gone], aside: Callable[[Path], bool]) -> int:
    """Blank what is chosen in each segment, and drop the damaged files that go."""
    if not journal.root.is_dir():
        return 0
    try:
        with exclusive(journal.root / LOCK):
            folders = [journal.root / name for name in journal.writers()]
            segments = [one.path for folder in folders for one in segments_in(folder)]
            removed = sum(overwrite(path, path.read_bytes(), chosen(path)) for path in segments)
            damaged = [path for folder in folders for path in folder.glob(f"*{DAMAGED}")]
            return removed + sum(_drop(path) for path in damaged if aside(path))
    except OSError as error:
        raise StoreError(
            f"the journal {journal.root} can't be cleaned: {error.strerror}"
        ) from error


def overwrite(path: Path, data: bytes, gone: Gone, began: int = 0) -> int:
    """Overwrite those records of a segment that are to go; returns how many.

    `data` is what the file holds from the place `began` on. Raises OSError.
    """
    place, found = 0, 0
    handle = os.open(path, os.O_WRONLY)
    try:
        for entry, behind in entries_in(data):
            if gone(entry):
                os.pwrite(handle, _empty(data[place:behind], entry), began + place)
                found += 1
            place = behind
        os.fsync(handle)
    finally:
        os.close(handle)
    return found


def _drop(path: Path) -> int:
    path.unlink()
    return 1


def _is_about(entry: Entry, subject: str, ids: Set[str]) -> bool:
    said = any(f'"interaction_id":"{id}"' in entry.text for id in ids) if _says(entry) else False
    return entry.id in ids or said or f'"subject":"{subject}"' in entry.text


def _says(entry: Entry) -> bool:
    return entry.kind == "feedback"


def _empty(frame: bytes, entry: Entry) -> bytes:
    """A whole frame of the same length that names nothing and whose text is spaces."""
    head = "\n".join((entry.kind, entry.capability, "")).encode() + b"\n"
    payload = head.ljust(len(frame) - HEAD.size)
    return HEAD.pack(MARK, len(payload), crc32(payload)) + payload
