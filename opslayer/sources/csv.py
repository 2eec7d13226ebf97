"""CSV as it stands: every cell is text, every row is judged alone, nothing is guessed but the
delimiter.

Not pandas.read_csv: it cuts a text at NUL, turns 007 into 7, the country NA into missing and
1e400 into infinity, and moves columns where a row is longer than the header.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.errors import FileRefused
from opslayer.sources import chunk as chunks
from opslayer.sources import lines
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout
from opslayer.sources.lines import BLOCK, NO_UTF8, Lines, opened, plain

DELIMITERS = (",", ";", "\t")
HEAD = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Header:
    """The first row, and what separates its cells."""

    delimiter: str
    names: tuple[str, ...]


def check(path: Path, capability: Capability, layout: Layout) -> None:
    """Read the whole file once. Raises FileRefused where it is no CSV of this source: empty,
    binary, broken gzip (anywhere in it), or a header with missing or repeated columns.
    """

    def missing(names: Sequence[str]) -> list[str]:
        return [f"column {name} is missing" for name in layout.absent(capability, names)]

    check_header(path, layout.wanted(capability), missing)


def check_header(
    path: Path, wanted: Sequence[str], problems_of: Callable[[Sequence[str]], list[str]]
) -> None:
    """`check` for any columns: `problems_of` says what is wrong with the header's names."""
    with opened(path) as stream:
        head = stream.read(HEAD)
        _check_text(head)
        while stream.read(BLOCK):
            pass
    header = _header(path, wanted)
    problems = problems_of(header.names)
    twice = sorted({name for name in header.names if header.names.count(name) > 1})
    problems += [f"column {name or '(no name)'} occurs twice" for name in twice]
    if problems:
        there = shortened(", ".join(header.names))
        raise FileRefused(
            f"{'; '.join(problems)}. Its header, cut at {header.delimiter!r}: {there}"
        )


def read(path: Path, file: str, capability: Capability, layout: Layout) -> Iterator[Chunk]:
    """The rows in chunks, after `check`. `file` is the name that faults carry."""
    return read_columns(path, file, layout.wanted(capability))


def read_columns(path: Path, file: str, wanted: Sequence[str]) -> Iterator[Chunk]:
    """`read` for any columns, after `check_header`."""
    header = _header(path, wanted)
    places = {name: header.names.index(name) for name in wanted if name in header.names}
    with opened(path) as stream:
        records = _Records(stream, header.delimiter)
        next(records)
        while portion := list(islice(records, chunks.ROWS)):
            yield _chunk(portion, places, file)


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


def _header(path: Path, columns: Sequence[str]) -> Header:
    """The header, cut at the delimiter that finds most of the wanted columns, then most cells."""
    headers = [Header(delimiter, _names(path, delimiter)) for delimiter in DELIMITERS]
    wanted = set(columns)
    return max(headers, key=lambda one: (len(wanted & set(one.names)), len(one.names)))


def _names(path: Path, delimiter: str) -> tuple[str, ...]:
    with opened(path) as stream:
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
        self._lines = Lines(stream)
        self._delimiter = delimiter
        self._reader = self._new_reader()
        self.width = 0

    def _new_reader(self) -> Iterator[list[str]]:
        csv.field_size_limit(lines.RECORD)
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
    if plain("".join(cells)):
        return []
    return [index for index, cell in enumerate(cells) if not plain(cell)]


def _fault(file: str, record: _Record, reason: str, column: str = "") -> Fault:
    raw = record.raw or ",".join(record.fields)
    text = f"{column}: {reason}" if column else reason
    return Fault(file, record.line, column, text, shortened(raw.rstrip("\r\n")))
