"""Makes `data/guard_injection.csv.gz` and `data/guard_content.csv.gz`.

Every text is put together of the hand-written parts beside this file, and kept as the guards' models
look at it: its words and their signs. Beside each guard's own texts stand questions of a help desk,
and the other guard's harmless texts. The times are made up, one text every ten minutes.
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
ROWS = 25_000
SHARES = (0.7, 0.1, 0.2)
"""Of a guard's own texts, of questions to a help desk, and of the other guard's harmless texts."""
Make = Callable[[np.random.Generator], tuple[str, str]]
FOLDER = Path(__file__).parent / "data"


def mixed(own: Make, other: Make, questions: list[str]) -> Make:
    """Texts of all three kinds, each with its label."""

    def make(rng: np.random.Generator) -> tuple[str, str]:
        kind = rng.choice(3, p=SHARES)
        if kind == 0:
            return own(rng)
        if kind == 1:
            return str(rng.choice(questions)), "harmless"
        while (found := other(rng))[1] != "harmless":
            pass
        return found

    return make


def write(name: str, make: Make, signs: Signs) -> None:
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


def asked() -> list[str]:
    """What riders write to the help desk."""
    with gzip.open(FOLDER / "support_utterances.csv.gz", "rt", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)]


if __name__ == "__main__":
    write("guard_injection.csv.gz", mixed(injection, content, asked()), ORDERS)
    write("guard_content.csv.gz", mixed(content, injection, asked()), HOSTILE)
