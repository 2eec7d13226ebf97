"""Rows written out for other programs as text: JSON lines, one JSON list, or CSV."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Literal

from commands.output import jsonable
from opslayer.errors import Refused

Shape = Literal["jsonl", "csv", "json"]
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
"""What a spreadsheet takes for a formula's beginning, in narrow and in wide letters."""
CONTROLS = ("\t", "\r", "\n")

Row = Mapping[str, Any]


def write(
    columns: Sequence[str],
    rows: Iterable[Row],
    shape: Shape,
    output: Path | None,
) -> int:
    """Write rows to a file, or to standard output; returns how many there were.

    JSON is written in ASCII, so that no reader takes a character of a text for the end of a line.
    Raises Refused for a file that can't be one, and OSError where the disk does not take it.
    """
    counted = _Counted(rows)
    with opened(output) as file:
        if shape == "csv":
            _write_csv(columns, counted, file)
        elif shape == "json":
            _write_list(counted, file)
        else:
            file.writelines(_dump(row) + "\n" for row in counted)
    return counted.count


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that would be gets a ' before."""
    risky = text.lstrip().startswith(FORMULA) or text.startswith(CONTROLS)
    return f"'{text}" if risky else text


@dataclass(slots=True)
class _Counted:
    rows: Iterable[Row]
    count: int = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            self.count += 1
            yield row


def _write_list(rows: _Counted, file: IO[str]) -> None:
    for row in rows:
        file.write(("[\n" if rows.count == 1 else ",\n") + _dump(row))
    file.write("\n]\n" if rows.count else "[]\n")


def _write_csv(columns: Sequence[str], rows: _Counted, file: IO[str]) -> None:
    # Every text in quotes: else a lone carriage return would end the line for some readers.
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([harmless(name) for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)


def _dump(row: Row) -> str:
    return json.dumps(jsonable(row), allow_nan=False)


def _cell(value: Any) -> str | int | float:
    """A number as it is, a text made harmless, and what holds others as JSON."""
    plain = jsonable(value)
    if plain is None:
        return ""
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        return plain
    return harmless(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))


@contextmanager
def opened(output: Path | None, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Standard output, or a file that is there once everything is in it.

    Raises Refused for a file that can't be one, and OSError where the disk does not take it.
    """
    if output is None:
        yield sys.stdout
        return
    if output.is_dir() or not output.parent.is_dir():
        wrong = "is a folder" if output.is_dir() else f"has no folder {output.parent}"
        raise Refused(f"--output {output} {wrong}: name a file in a folder that is there")
    form: dict[str, Any] = {"encoding": "utf-8", "newline": ""} if mode == "w" else {}
    if output.exists() and not output.is_file():  # a pipe, a device
        with output.open(mode, **form) as file:
            yield file
        return
    # Readable for this user alone: it says what people asked.
    with NamedTemporaryFile(
        mode, dir=output.parent, prefix=".export-", delete=False, **form
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, output)
        except BaseException:
            os.unlink(file.name)
            raise
