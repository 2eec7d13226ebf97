"""CSV as it stands: every cell is text, every row is judged alone, nothing is guessed but the
delimiter.

Not pandas.read_csv: it cuts a text at NUL, turns 007 into 7, the country NA into missing and
1e400 into infinity, and moves columns where a row is longer than the header.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.errors import FileRefused
from opslayer.sources import chunk as chunks
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout

DELIMITERS = (",", ";", "\t")
RECORD = 4 * 2**20
"""Characters of one row: an opening quote without a closing one must not swallow the file."""
HEAD = 64 * 2**10
BLOCK = 2**20
NO_UTF8 = "broken encoding: no UTF-8"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Header:
    """The first row, and what separates its cells."""

    delimiter: str
    names: tuple[str, ...]


def check(path: Path, capability: Capability, layout: Layout) -> None:
    """Read the whole file once. Raises FileRefused where it is no CSV of this source: empty,
    binary, broken gzip (anywhere in it), or a header with missing or repeated columns.
    """
    with _opened(path) as stream:
        head = stream.read(HEAD)
        _check_text(head)
        while stream.read(BLOCK):
            pass
    header = _header(path, capability, layout)
    problems = [f"column {name} is missing" for name in layout.absent(capability, header.names)]
    twice = sorted({name for name in header.names if header.names.count(name) > 1})
    problems += [f"column {name or '(no name)'} occurs twice" for name in twice]
    if problems:
        there = shortened(", ".join(header.names))
        raise FileRefused(
            f"{'; '.join(problems)}. Its header, cut at {header.delimiter!r}: {there}"
        )


def read(path: Path, file: str, capability: Capability, layout: Layout) -> Iterator[Chunk]:
    """The rows in chunks, after `check`. `file` is the name that faults carry."""
    header = _header(path, capability, layout)
    wanted = {
        name: header.names.index(name) for name in layout.wanted(capability) if name in header.names
    }
    with _opened(path) as stream:
        records = _Records(stream, header.delimiter)
        next(records)
        while portion := list(islice(records, chunks.ROWS)):
            yield _chunk(portion, wanted, file)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        try:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileRefused(f"broken gzip: {error}") from error


def _check_text(head: bytes) -> None:
    if not head.strip():
        raise FileRefused("the file is empty: not even a header")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FileRefused("UTF-16: save it as UTF-8")
    first = head.split(b"\n", 1)[0]
    if b"\0" in first:
        raise FileRefused("binary, no CSV text")
    if b"\r" in first.rstrip(b"\r") and b"\n" not in head:
        raise FileRefused("its lines end with CR alone: save it with LF or CRLF")
    try:
        first.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(first) < HEAD:
            raise FileRefused(f"its header is not UTF-8: {error}") from error


def _header(path: Path, capability: Capability, layout: Layout) -> Header:
    """The header, cut at the delimiter that finds most of the wanted columns, then most cells."""
    headers = [Header(delimiter, _names(path, delimiter)) for delimiter in DELIMITERS]
    wanted = set(layout.wanted(capability))
    return max(headers, key=lambda one: (len(wanted & set(one.names)), len(one.names)))


def _names(path: Path, delimiter: str) -> tuple[str, ...]:
    with _opened(path) as stream:
        first = next(_Records(stream, delimiter), None)
    return tuple(name.strip() for name in first.fields) if first else ()


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    fields: list[str]
    reason: str = ""
    raw: str = ""


class _Records:
    """Rows with the line each starts on.

    A row that fails and spans several lines has an unbalanced quote: its first line alone is bad,
    and reading goes on at its second.
    """

    def __init__(self, stream: IO[bytes], delimiter: str) -> None:
        self._lines = _Lines(stream)
        self._delimiter = delimiter
        self._reader = self._new_reader()
        self.width = 0

    def _new_reader(self) -> Iterator[list[str]]:
        csv.field_size_limit(RECORD)
        return csv.reader(self._lines, delimiter=self._delimiter, strict=True)

    def __iter__(self) -> Iterator[_Record]:
        return self

    def __next__(self) -> _Record:
        lines = self._lines
        while True:
            lines.taken.clear()
            try:
                fields = next(self._reader)
            except csv.Error as error:
                self._reader = self._new_reader()
                return self._bad(str(error))
            if not fields:
                continue
            self.width = self.width or len(fields)
            if len(fields) != self.width:
                return self._bad(f"{len(fields)} cells, where the header has {self.width}")
            return _Record(lines.number - len(lines.taken) + 1, fields)

    def _bad(self, reason: str) -> _Record:
        taken = list(self._lines.taken)
        if len(taken) > 1:
            self._lines.give_back(taken[1:])
            reason = f"a quote opens and does not close on the line, or {reason}"
        return _Record(self._lines.number, [], reason, taken[0])


class _Lines:
    """Physical lines as text; bytes that are no UTF-8 become lone surrogates, one for each."""

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
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def _chunk(portion: list[_Record], wanted: dict[str, int], file: str) -> Chunk:
    faults = [_fault(file, record, record.reason) for record in portion if record.reason]
    whole = [record for record in portion if not record.reason]
    broken: dict[int, str] = {}
    for name, index in wanted.items():
        broken.update(dict.fromkeys(_broken([record.fields[index] for record in whole]), name))
    faults += [_fault(file, whole[at], NO_UTF8, name) for at, name in broken.items()]
    good = [record for at, record in enumerate(whole) if at not in broken]
    columns = {
        name: pa.array([record.fields[index] for record in good], pa.string())
        for name, index in wanted.items()
    }
    return Chunk(file, [record.line for record in good], columns, faults)


def _broken(cells: list[str]) -> list[int]:
    """Which cells hold bytes that are no UTF-8."""
    if _plain("".join(cells)):
        return []
    return [index for index, cell in enumerate(cells) if not _plain(cell)]


def _plain(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(file: str, record: _Record, reason: str, column: str = "") -> Fault:
    raw = record.raw or ",".join(record.fields)
    text = f"{column}: {reason}" if column else reason
    return Fault(file, record.line, column, text, shortened(raw.rstrip("\r\n")))
