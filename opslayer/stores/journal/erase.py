"""Taking records out of the journal's files, also out of one that is being written."""

from __future__ import annotations

import os
from collections.abc import Callable, Set
from pathlib import Path
from zlib import crc32

from opslayer.errors import StoreError
from opslayer.stores.journal.address import Journal
from opslayer.stores.journal.entry import HEAD, MARK, Entry, entries_in
from opslayer.stores.journal.lock import exclusive
from opslayer.stores.journal.segment import DAMAGED, LOCK, segments_in


def blank(journal: Journal, subject: str, ids: Set[str]) -> int:
    """Overwrite what was carried into the log already of a subject and of interactions.

    A record keeps its length and its id, and holds nothing: where it is carried once more, the log
    knows that its id is gone. A file that was kept aside as damaged goes as a whole if it holds any
    of it: what could be read of it is in the log. Returns the records and files. Raises StoreError.
    """
    if not journal.root.is_dir():
        return 0
    try:
        with exclusive(journal.root / LOCK):
            folders = [journal.root / name for name in journal.writers()]
            segments = [one.path for folder in folders for one in segments_in(folder)]
            removed = sum(
                overwrite(path, path.read_bytes(), lambda one: _is_about(one, subject, ids))
                for path in segments
            )
            aside = [path for folder in folders for path in folder.glob(f"*{DAMAGED}")]
            return removed + sum(_drop(path, subject, ids) for path in aside)
    except OSError as error:
        raise StoreError(
            f"the journal {journal.root} can't be cleaned: {error.strerror}"
        ) from error


def overwrite(path: Path, data: bytes, gone: Callable[[Entry], bool], began: int = 0) -> int:
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


def _is_about(entry: Entry, subject: str, ids: Set[str]) -> bool:
    said = any(f'"interaction_id":"{id}"' in entry.text for id in ids) if _says(entry) else False
    return entry.id in ids or said or f'"subject":"{subject}"' in entry.text


def _says(entry: Entry) -> bool:
    return entry.kind == "feedback"


def _empty(frame: bytes, entry: Entry) -> bytes:
    """A whole frame of the same length whose text is spaces."""
    head = "\n".join((entry.kind, entry.capability, entry.id)).encode() + b"\n"
    payload = head.ljust(len(frame) - HEAD.size)
    return HEAD.pack(MARK, len(payload), crc32(payload)) + payload


def _drop(path: Path, subject: str, ids: Set[str]) -> int:
    data = path.read_bytes()
    if not any(one.encode() in data for one in (subject, *ids)):
        return 0
    path.unlink()
    return 1
