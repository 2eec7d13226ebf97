"""P20: bad data loses nothing. Dirty files and poisoned rows through ingest, against an oracle.

Each row is made from values chosen first, so it is known what the lake must hold of it, or that it
must be in quarantine at its line. `python -m benchmarks.dirty_data [FILES] [ROWS]`: dirty files
(default 200) and rows of the large file with 20 poisoned ones (default 100,000).
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, finish, say
from opslayer.capability import Capability
from opslayer.settings import Settings
from opslayer.steps.ingest import Ingested, ingest
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT

NOW = datetime(2025, 1, 1, tzinfo=UTC)
START = datetime(2020, 1, 1, tzinfo=UTC)
HEADER = ("id", "at", "temp", "hour", "open", "country", "code", "wind", "known", "users")
INPUTS = ("temp", "hour", "open", "country", "code", "wind")
COUNTRIES = ("NA", "BE", "NO", "null")
COLUMNS = {"id": "id", "event_time": "at", "known_time": "known"}
POISON = 20
CODES = ("007", "1e5", "TRUE", "2024-01-01", 'say "x"', "a,b;c", "Zürich", "=1+1")


def capability(path: Path) -> Capability:
    """Every type of column; `code` is text that looks like numbers."""
    return Capability.model_validate(
        {
            "name": "dirty-data",
            "kind": "regression",
            "inputs": {
                "temp": {"type": "number", "min": -50, "max": 60},
                "hour": {"type": "integer", "min": 0, "max": 23},
                "open": {"type": "boolean"},
                "country": {"type": "category", "choices": list(COUNTRIES)},
                "code": {"type": "text", "max_length": 60},
                "wind": {"type": "number", "missing": True},
            },
            "target": "users",
            "sources": [{"name": "feed", "path": str(path), **COLUMNS}],
            "training": {"estimator": "sklearn.linear_model.LinearRegression"},
            "gate": {"metric": "mae"},
        }
    )


@dataclass(frozen=True, slots=True)
class Row:
    """Cells as text, and what the lake must hold: id, time, inputs, target; None is quarantine."""

    cells: dict[str, str]
    wanted: tuple[Any, ...] | None


def good(random: random.Random, number: int) -> Row:
    """A row that keeps the contract, written in one of the ways that do."""
    at = START + timedelta(minutes=number, microseconds=random.choice([0, 0, 250_000]))
    temp = random.choice([round(random.uniform(-50, 60), random.randrange(12)), -0.0, 1e-7])
    wind = random.choice([None, 0.1 + 0.2, float(2**53), 1e300])
    users = random.choice([None, random.randrange(10**6), random.random()])
    hour, is_open = random.randrange(24), random.random() < 0.5
    code, country = random.choice(CODES), random.choice(COUNTRIES)
    zone = random.choice(["", "Z", "+00:00"])
    cells = {
        "id": f"row-{number}",
        "at": f"{at.replace(tzinfo=None)}{zone}",
        "temp": random.choice([repr(temp), f" {temp!r} "]),
        "hour": random.choice([str(hour), f"{hour}.0", f"0{hour}"]),
        "open": random.choice(["true", "1", "YES"] if is_open else ["false", "0", "No"]),
        "country": country,
        "code": code,
        "wind": "" if wind is None else repr(wind),
        "known": (at + timedelta(days=1)).isoformat(),
        "users": "" if users is None else repr(users),
    }
    values = (temp, float(hour), float(is_open), country, code, wind)
    return Row(cells, (f"row-{number}", at, *values, None if users is None else float(users)))


BAD_CELLS = {
    "id": ["", "a\0b"],
    "at": [
        "",
        "yesterday",
        "1577836800",
        "2020-02-30",
        "2020-01-01 24:61",
        "9999-12-31",
        "01/02/20",
    ],
    "temp": [
        "",
        "NaN",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "61",
        "-50.01",
        "1,5",
        "0x10",
        "٣",
        "1 2",
        "NULL",
    ],
    "hour": ["24", "-1", "5.5", "9007199254740993", "five", "", "1e999"],
    "open": ["2", "maybe", "", "tru"],
    "country": ["", "XX", "na", "NA "],
    "code": ["", "a\0b", "x" * 61],
    "wind": ["1e-400", "9007199254740993", "--1", "1e", "N/A"],
    "known": ["1999-01-01", "soon"],
    "users": ["many", "NaN", "1e400", "18014398509481985"],
}


def spoilt(random: random.Random, row: Row) -> Row:
    """The row with one to three cells that break the contract."""
    cells = dict(row.cells)
    for name in random.sample(list(BAD_CELLS), random.choice([1, 1, 1, 2, 3])):
        cells[name] = random.choice(BAD_CELLS[name])
    if cells["known"] == "1999-01-01" and not cells["users"]:
        cells["users"] = "1"  # without a target, when it is known says nothing
    return Row(cells, None)


def line(row: Row, delimiter: str) -> bytes:
    """The row as CSV, without its line end."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow(
        [row.cells[name] for name in HEADER]
    )
    return buffer.getvalue().encode()


def broken(random: random.Random, whole: bytes, delimiter: str) -> bytes:
    """A line that can't be cut into cells, or holds bytes that are no UTF-8."""
    cut = delimiter.encode()
    cells = whole.split(cut)
    return random.choice(
        [
            whole + cut + b"more",
            cut.join(cells[:4]),
            b"free text",
            cut.join([b'"open ' + cells[0], *cells[1:]]),
            cut.join([b'"shut"' + cells[0], *cells[1:]]),
            cut.join([cells[0] + b"\xff\xfe", *cells[1:]]),
            cut.join([cells[0] + b"caf\xe9", *cells[1:]]),
            b"\xed\xa0\x80" + whole,
        ]
    )


@dataclass(slots=True)
class Expected:
    """What must become of a file's rows, by the line each starts on."""

    stored: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)


def content(rows: list[Row], random: random.Random, dirt: float) -> tuple[bytes, Expected]:
    """A CSV file of the rows; a share `dirt` of them is spoilt, broken or repeated."""
    delimiter, end = random.choice(",;\t"), random.choice([b"\n", b"\r\n"])
    expected, first = Expected(), random.choice([b"", b"\xef\xbb\xbf"])
    lines = [first + delimiter.join(HEADER).encode()]
    for row in rows:
        at, kind = len(lines) + 1, random.random()
        written = line(row, delimiter)
        if kind < dirt / 3:
            written = line(spoilt(random, row), delimiter)
        elif kind < dirt * 2 / 3:
            written = broken(random, written.replace(b'"', b""), delimiter)
        elif kind < dirt and expected.stored:
            other = random.choice(list(expected.stored.values()))[0]
            written = line(Row({**row.cells, "id": other}, None), delimiter)
        if written == line(row, delimiter):
            assert row.wanted is not None
            expected.stored[at] = row.wanted
        else:
            expected.bad.add(at)
        lines.append(written)
    return end.join(lines) + random.choice([b"", end]), expected


RUINS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no header": lambda data: data.split(b"\n", 1)[1],
    "binary": lambda data: bytes(range(256)) + data,
    "utf-16": lambda data: data.decode(errors="replace").encode("utf-16"),
    "half a gzip": lambda data: gzip.compress(data)[:-200],
    "a gzip with a changed byte": lambda data: changed(gzip.compress(data)),
    "page": lambda _: b"<!doctype html><title>502 Bad Gateway</title>\n",
    "half a parquet": lambda data: b"PAR1" + data[:1000],
}


def changed(data: bytes) -> bytes:
    """One byte flipped in the middle: the checksum no longer fits."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@dataclass(slots=True)
class Tally:
    """Rows that did not end where they must."""

    rows: int = 0
    lost: int = 0
    """Neither in the lake nor in quarantine."""
    doubled: int = 0
    altered: int = 0
    """In the lake with another value, or in spite of a fault."""
    stopped: int = 0
    """Good rows in quarantine."""
    unexplained: int = 0
    """In quarantine without reason, line or file."""
    unbalanced: int = 0
    left: int = 0
    """Rows of refused files in any table."""
    unrefused: int = 0


def compare(
    tally: Tally, stores: Stores, of: Capability, files: dict[str, Expected | None]
) -> None:
    """The lake and the quarantine against what is expected of each file; None is refusal."""
    columns = ["row_id", "event_time", *(INPUT + name for name in INPUTS)]
    tags: dict[str, list[float]] = {}
    for tag in stores.lake.query(of, "SELECT row_id, value FROM tags", ["tags"]).to_pylist():
        tags.setdefault(tag["row_id"], []).append(tag["value"])
    held: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for row in stores.lake.query(of, "SELECT * FROM rows", ["rows"]).to_pylist():
        said = tags.pop(row["row_id"], [])
        tally.doubled += len(said) > 1
        row["event_time"] = row["event_time"].astimezone(UTC)
        value = (*(row[name] for name in columns), said[0] if said else None)
        held.setdefault((row["file"], row["line"]), []).append(value)
    tally.altered += len(tags)  # tags of rows that are not there
    faults = stores.lake.query(of, "SELECT * FROM quarantine", ["quarantine"]).to_pylist()
    tally.unexplained += sum(not (one["file"] and one["line"] and one["reason"]) for one in faults)
    barred = Counter((one["file"], one["line"]) for one in faults)
    tally.doubled += sum(count - 1 for count in barred.values())
    tally.doubled += sum(len(rows) - 1 for rows in held.values())
    for file, expected in files.items():
        _compare_file(tally, file, expected, (held, barred))


def _compare_file(
    tally: Tally,
    file: str,
    expected: Expected | None,
    found: tuple[dict[tuple[str, int], list[tuple[Any, ...]]], Counter[tuple[str, int]]],
) -> None:
    held, barred = found
    if expected is None:
        tally.left += sum(at[0] == file for at in (*held, *barred))
        return
    for at, wanted in expected.stored.items():
        rows = held.get((file, at))
        tally.stopped += rows is None and (file, at) in barred
        tally.lost += rows is None and (file, at) not in barred
        tally.altered += rows is not None and repr(rows[0]) != repr(wanted)
    for at in expected.bad:
        tally.altered += (file, at) in held
        tally.lost += (file, at) not in held and (file, at) not in barred


def many(folder: Path, count: int, tally: Tally) -> None:
    """Dirty and ruined files in one folder, ingested together."""
    chosen = random.Random(20)
    stores, of = Stores.at(Settings(home=folder / "home")), capability(folder / "in")
    (folder / "in").mkdir(parents=True)
    files: dict[str, Expected | None] = {}
    for number in range(count):
        rows = [good(chosen, number * 1000 + at) for at in range(chosen.randrange(60, 200))]
        data, expected = content(rows, chosen, chosen.choice([0.05, 0.3, 0.9]))
        ruin = chosen.choice(list(RUINS)) if chosen.random() < 0.2 else None
        path = folder / "in" / f"{number:03}.csv{chosen.choice(['', '.gz'])}"
        if ruin:
            data = RUINS[ruin](data)
        elif path.suffix == ".gz":
            data = gzip.compress(data)
        path.write_bytes(data)
        files[str(path)] = None if ruin else expected
        tally.rows += 0 if ruin else len(rows)
    taken = ingest(of, stores, NOW)
    count_up(tally, taken, files)
    compare(tally, stores, of, files)
    say(f"{count} files: {taken.counts}, {len(taken.refused)} refused")


def count_up(tally: Tally, taken: Ingested, files: dict[str, Expected | None]) -> None:
    """The step's own counts and refusals against the files."""
    wanted = {file for file, expected in files.items() if expected is None}
    tally.unrefused += len(wanted ^ {one.file for one in taken.refused})
    kept = [expected for expected in files.values() if expected]
    rows = sum(len(one.stored) + len(one.bad) for one in kept)
    counts = taken.counts
    tally.unbalanced += abs(rows - counts.read)
    tally.unbalanced += abs(counts.read - counts.stored - counts.quarantined)


def poisoned(folder: Path, size: int, tally: Tally) -> None:
    """Some poisoned rows in one large file."""
    chosen = random.Random(21)
    stores, path = Stores.at(Settings(home=folder / "home")), folder / "feed.csv"
    bad = set(chosen.sample(range(size), min(POISON, size // 5)))
    expected, lines = Expected(), [",".join(HEADER).encode()]
    for number in range(size):
        row = good(chosen, number)
        assert row.wanted is not None
        written = line(row, ",")
        if number in bad:
            written = line(spoilt(chosen, row), ",") if number % 2 else broken(chosen, written, ",")
            expected.bad.add(number + 2)
        else:
            expected.stored[number + 2] = row.wanted
        lines.append(written)
    path.write_bytes(b"\n".join(lines))
    taken = ingest(capability(path), stores, NOW)
    tally.rows += size
    count_up(tally, taken, {str(path): expected})
    compare(tally, stores, capability(path), {str(path): expected})
    say(f"{size} rows with {len(bad)} poisoned: {taken.counts}")


def main(files: int = 200, rows: int = 100_000) -> int:
    """Run both, print the bars; 1 if one is missed."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        many(Path(folder) / "many", files, tally)
        poisoned(Path(folder) / "poisoned", rows, tally)
    bars = [
        Bar("rows lost", tally.lost, "== 0", tally.rows),
        Bar("rows doubled", tally.doubled, "== 0", tally.rows),
        Bar("silent changes", tally.altered, "== 0", tally.rows),
        Bar("good rows stopped", tally.stopped, "== 0", tally.rows),
        Bar("bad rows without file, line and reason", tally.unexplained, "== 0"),
        Bar("rows in less stored less quarantined", tally.unbalanced, "== 0"),
        Bar("wrong files not refused, or good ones refused", tally.unrefused, "== 0", files),
        Bar("rows left of refused files", tally.left, "== 0"),
    ]
    return finish("dirty_data", tally.rows, bars)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
