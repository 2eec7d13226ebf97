"""One record as it lies in a segment: a mark, its length, its CRC-32, and kind, capability, id and
JSON text. What stands behind the last whole record is a write that was cut off, and was never
acknowledged.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from opslayer.errors import StoreError

HEAD = struct.Struct("<4sII")
MARK = b"ops1"
LARGEST = 64 * 2**20
"""Bytes of one record, at most: a longer length is damage."""


class Entry(NamedTuple):
    """One record on its way into the log."""

    kind: str
    """`interaction`, `feedback`, `start`, `exposure` or `shadow`."""
    id: str
    capability: str
    text: str
    """The record as JSON."""

    def frame(self) -> bytes:
        """The record as it lies in a segment; raises StoreError where it could not be read back."""
        words = (self.kind, self.capability, self.id)
        payload = "\n".join((*words, self.text)).encode()
        if len(payload) > LARGEST:
            raise StoreError(
                f"{self.kind} {self.id[:64]} has {len(payload)} bytes, and the journal takes "
                f"{LARGEST} at most: ask for less in one call"
            )
        if "\n" in "".join(words):
            raise StoreError(f"{self.kind}: a line break in its id or capability: take it out")
        return HEAD.pack(MARK, len(payload), crc32(payload)) + payload


def entries_in(
    data: bytes, place: int = 0, *, past_damage: bool = False
) -> Iterator[tuple[Entry, int]]:
    """The whole records in a segment's bytes from a place on, each with the place behind it.

    It ends at the first that is not whole. `past_damage` goes on behind it: for segments that
    nobody writes any more, since in others what is not whole may be so in a moment. JSON text has
    no control characters, so nothing that a caller writes can be taken for a record.
    """
    while (place := _next(data, place, past_damage)) >= 0:
        found = _payload(data, place)
        if found is not None:
            kind, capability, id, text = found.decode().split("\n", 3)
            place += HEAD.size + len(found)
            yield Entry(kind, id, capability, text), place
        elif past_damage:
            place += 1
        else:
            return


def _next(data: bytes, place: int, past_damage: bool) -> int:
    """Where the next record begins, if there is one; -1 where there is none."""
    if past_damage:
        return data.find(MARK, place)
    return place if data.startswith(MARK, place) else -1


def _payload(data: bytes, place: int) -> bytes | None:
    """What a record at a place holds; None where it is not whole."""
    if place + HEAD.size > len(data):
        return None
    _, length, check = HEAD.unpack_from(data, place)
    end = place + HEAD.size + length
    if length > LARGEST or end > len(data):
        return None
    payload = data[place + HEAD.size : end]
    return payload if crc32(payload) == check else None
