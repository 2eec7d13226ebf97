"""The lines of a text file, packed or plain, with nothing about them guessed or repaired."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from opslayer.errors import FileRefused

RECORD = 4 * 2**20
"""Characters of one row: an opening quote without a closing one must not swallow the file."""
BLOCK = 2**20
NO_UTF8 = "broken encoding: no UTF-8"
GZIP = b"\x1f\x8b"
FREE, RATIO = 2**30, 200
"""Bytes that any packed file may unpack to, and times its own size from there on: rows pack to a
tenth or a twentieth, and what is made to fill a machine to a thousandth."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where they are gzip; raises FileRefused where that is broken."""
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        try:
            yield cast(IO[bytes], Unpacked(raw, path.stat().st_size)) if packed else raw
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileRefused(f"broken gzip: {error}") from error


class Unpacked(gzip.GzipFile):
    """A packed file as it is read; raises FileRefused where it unpacks to out of all proportion."""

    def __init__(self, raw: IO[bytes], size: int) -> None:
        super().__init__(fileobj=raw)
        self._most = max(FREE, RATIO * size)

    def read(self, size: int | None = -1) -> bytes:
        """As any file's."""
        return self._bounded(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        """As any file's."""
        return self._bounded(super().readline(size))

    def _bounded(self, content: bytes) -> bytes:
        if self.tell() > self._most:
            raise FileRefused(
                f"it unpacks to more than {self._most:,} bytes, {RATIO} times what it has: if that "
                "is right, unpack it first"
            )
        return content


class Lines:
    """Physical lines as text; bytes that are no UTF-8 become lone surrogates, one for each.

    Raises csv.Error where those `taken` since their owner last cleared them are longer than a
    record may be.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._back: deque[str] = deque()
        self._size = 0
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._read()
        self._size = len(line) + (self._size if self.taken else 0)
        self.number += 1
        self.taken.append(line)
        if self._size > RECORD:
            raise csv.Error(f"longer than {RECORD} characters")
        return line

    def _read(self) -> str:
        line = self._stream.readline(RECORD + 1)
        if not line:
            raise StopIteration
        if len(line) > RECORD and not line.endswith(b"\n"):
            while (rest := self._stream.readline(BLOCK)) and not rest.endswith(b"\n"):
                pass
        encoding = "utf-8" if self.number else "utf-8-sig"
        return line.decode(encoding, "surrogateescape")

    def give_back(self, lines: Sequence[str]) -> None:
        """Read some of the lines taken again, later."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def plain(text: str) -> bool:
    """Whether a text is Unicode: whether no byte of it was broken."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
