"""A file of feedback, CSV or JSON Lines, also packed: what its lines say, and what is no line."""

from __future__ import annotations

import csv as csv_format
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from opslayer.configuration.nearest import nearest
from opslayer.errors import FileRefused, Problem
from opslayer.sources import csv
from opslayer.sources.chunk import Fault
from opslayer.sources.lines import BLOCK, NO_UTF8, Lines, opened, plain

NEEDED = ("interaction_id", "kind", "value")
COLUMNS = (*NEEDED, "event_time", "idempotency_key", "capability")
PORTION = 10_000
"""Lines that are held in memory, and written, at once."""


@dataclass(frozen=True, slots=True)
class Said:
    """One line's fields by name; one that is empty, or null, is absent."""

    line: int
    fields: dict[str, Any]
    """CSV: text. JSON: what JSON says."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Consecutive lines of a file."""

    said: Sequence[Said]
    problems: Sequence[Problem]
    """Lines that could not be cut into fields; they are not in `said`."""
    as_text: bool
    """Whether every field is text, as in CSV."""


def read(path: Path) -> Iterator[Portion]:
    """A file in portions of `PORTION` lines at most. An empty line is none.

    The file is read once as a whole before the first portion: raises FileRefused where it is
    empty, binary, broken gzip, no UTF-8, a JSON array, or has a header with missing, unknown or
    repeated columns.
    """
    try:
        first = _first(path)
        if first == b"[":
            raise FileRefused("a JSON array: write one object a line (JSON Lines)")
        portions = _json(path) if first == b"{" else _csv(path)
    except FileRefused as error:
        raise FileRefused(f"{path}: {error}") from error
    yield from portions


def _first(path: Path) -> bytes:
    with opened(path) as stream:
        first = stream.read(BLOCK).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        while stream.read(BLOCK):
            pass
    return first


def _csv(path: Path) -> Iterator[Portion]:
    csv.check_header(path, COLUMNS, _wrong_columns)
    return _cut_csv(path)


def _wrong_columns(names: Sequence[str]) -> list[str]:
    missing = [f"column {name} is missing" for name in NEEDED if name not in names]
    unknown = dict.fromkeys(name for name in names if name and name not in COLUMNS)
    return missing + [f"column {name}: {_unknown(name)}" for name in unknown]


def _unknown(name: str) -> str:
    """A misspelt column that is optional would change what is said, if it were passed over."""
    return f"not known, take it out; there are {', '.join(COLUMNS)}{nearest(name, COLUMNS)}"


def _cut_csv(path: Path) -> Iterator[Portion]:
    for chunk in csv.read_columns(path, str(path), COLUMNS):
        problems = [
            Problem(str(path), fault.line, fault.column or "line", _reason(fault))
            for fault in chunk.faults
        ]
        columns = {name: cells.to_pylist() for name, cells in chunk.columns.items()}
        said = [
            Said(line, {name: cells[at] for name, cells in columns.items() if cells[at]})
            for at, line in enumerate(chunk.lines)
        ]
        for start in range(0, max(1, len(said)), PORTION):
            yield Portion(said[start : start + PORTION], problems if not start else (), True)


def _reason(fault: Fault) -> str:
    return fault.reason.removeprefix(f"{fault.column}: ")


def _json(path: Path) -> Iterator[Portion]:
    with opened(path) as stream:
        parsed = _parsed(str(path), Lines(stream))
        while portion := list(islice(parsed, PORTION)):
            said = [one for one in portion if isinstance(one, Said)]
            problems = [one for one in portion if isinstance(one, Problem)]
            yield Portion(said, problems, False)


def _parsed(file: str, lines: Lines) -> Iterator[Said | Problem]:
    while True:
        lines.taken.clear()
        try:
            text = next(lines)
            if text.strip():
                yield Said(lines.number, _object(text))
        except StopIteration:
            return
        except (csv_format.Error, ValueError, RecursionError) as error:
            yield Problem(file, lines.number, "line", _plainly(error))


def _object(text: str) -> dict[str, Any]:
    if not plain(text):
        raise ValueError(NO_UTF8)
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise ValueError("no JSON object: write {…} on one line")
    unknown = [name for name in found if name not in COLUMNS]
    if unknown:
        raise ValueError("; ".join(f"key {name}: {_unknown(name)}" for name in unknown))
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)} occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: leave the value out")


def _plainly(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON: {error.msg.lower()} at character {error.pos + 1}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
