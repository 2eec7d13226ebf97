"""Makes `data/guard_injection.csv.gz` and `data/guard_content.csv.gz`.

Every text is put together of the hand-written parts beside this file, and kept as its signs, which
is all that the guards' models look at. The times are made up, one text every ten minutes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from guard_content import content
from guard_injection import injection

from opslayer.guards.signs import HOSTILE, ORDERS, Signs

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 10_000
FOLDER = Path(__file__).parent / "data"


def write(name: str, make: Callable[[np.random.Generator], tuple[str, str]], signs: Signs) -> None:
    """Write one file; the same bytes each time."""
    rng = np.random.default_rng(0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seen_at", "text", "label"])
    for number in range(ROWS):
        said, label = make(rng)
        at = START + timedelta(minutes=10 * number)
        writer.writerow([at.isoformat(), signs.read(said), label])
    with (FOLDER / name).open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode())


if __name__ == "__main__":
    write("guard_injection.csv.gz", injection, ORDERS)
    write("guard_content.csv.gz", content, HOSTILE)
