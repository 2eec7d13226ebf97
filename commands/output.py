"""What a verb prints: a table for a person, JSON for a machine. One place for every format."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[
    bool,
    Parameter(name="--json", negative="", show_default=False, help="Print JSON for a machine."),
]
"""The type of every verb's `as_json` argument."""

NOTHING = "–"  # noqa: RUF001 (a dash, not a minus)
WIDE = 160
"""Columns where the output is no terminal, so that lines can be searched."""


def show(
    rows: Iterable[Any],
    as_json: bool,
    title: str,
    columns: Sequence[str] | None = None,
    empty: str = "nothing yet",
) -> None:
    """Print rows (mappings, records or dataclasses): a table for a person or JSON for a machine.

    `columns` picks and orders a table's columns, by default the first row's keys; JSON always has
    every key. `empty` is the sentence a person reads when there are no rows.
    """
    plain = [_mapping(row) for row in rows]
    if as_json:
        emit(plain)
    elif plain:
        _table(plain, title, list(columns or plain[0]))
    else:
        say(f"{title}: {empty}")


def emit(value: Any) -> None:
    """Print one value as JSON to standard output: times ISO 8601, durations in seconds."""
    print(json.dumps(jsonable(value), indent=2, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """Print a sentence to standard output, control characters spelt out."""
    print(printable(text))


def complain(text: str) -> None:
    """Print a sentence to standard error, control characters spelt out."""
    print(printable(text), file=sys.stderr)


def jsonable(value: Any) -> Any:  # noqa: PLR0911 (one line per type)
    """A value as JSON has it; numbers that JSON can't say (NaN, infinity) are null."""
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(inner) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "item"):  # a numpy scalar
        return jsonable(value.item())
    return jsonable(_mapping(value))


def cell(value: Any) -> str:  # noqa: PLR0911 (one line per type)
    """A value as a person reads it in a table."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(inner)}" for key, inner in value.items()) or NOTHING
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(cell(inner) for inner in value) or NOTHING
    return printable(str(value))


def when(moment: datetime) -> str:
    """`2011-01-31 06:00 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def between(start: datetime, end: datetime) -> str:
    """`2011-01-24 to 2011-01-31`, with the hours where they are not midnight."""
    moments = [one.astimezone(UTC) for one in (start, end)]
    days = all(one.time() == time() for one in moments)
    return " to ".join(one.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M") for one in moments)


def number(value: float) -> str:
    """Whole numbers in full with thousands apart, others to four figures."""
    if isinstance(value, int) or (math.isfinite(value) and abs(value) >= 1000):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def duration(span: timedelta) -> str:
    """The two largest units: `7d`, `1h 30m`, `2m 5s`, `0.25s`."""
    seconds = span.total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:.3g}s"
    parts, left = [], abs(round(seconds))
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if seconds < 0 else "") + " ".join(parts[:2])


def printable(text: str) -> str:
    """Text that can't move a terminal's cursor or forge a line: control characters spelt out."""
    return "".join(
        char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text
    )


def _mapping(row: Any) -> Mapping[str, Any]:
    if isinstance(row, Mapping):
        return row
    if is_dataclass(row) and not isinstance(row, type):
        return asdict(row)
    dumped: Mapping[str, Any] = row.model_dump()
    return dumped


def _table(rows: Sequence[Mapping[str, Any]], title: str, columns: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left")
    for name in columns:
        values = [row.get(name) for row in rows]
        numeric = any(isinstance(value, int | float) for value in values) and all(
            isinstance(value, int | float | None) for value in values
        )
        table.add_column(
            Text(name.replace("_", " ")), justify="right" if numeric else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(cell(row.get(name))) for name in columns))
    _console().print(table)


def _console() -> Console:
    from rich.console import Console

    fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if fixed else WIDE, highlight=False)
