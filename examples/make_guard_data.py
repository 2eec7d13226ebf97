"""Makes `data/guard_injection.csv.gz` and `data/guard_content.csv.gz`.

Every text is put together of the hand-written parts beside this file, or is of a public set, and is
kept as the guards' models look at it: its words and their signs. Beside each guard's own texts stand
questions of a help desk, and the other guard's harmless texts. Requests for help with harm are a
class of their own: what makes them harmful is not what makes an insult. The times are made up, one
text every ten minutes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from guard_content import FINE, HATE, content
from guard_harms import ERRANDED, HARMS, request
from guard_injection import injection

from opslayer.guards.signs import HOSTILE, ORDERS, Signs

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS, CONTENT_ROWS = 25_000, 30_000
SHARES, CONTENT_SHARES = (0.7, 0.1, 0.2), (0.8, 0.07, 0.13)
"""Of a guard's own texts, of questions to a help desk, and of the other guard's harmless texts."""
REQUESTS = 0.52
"""Of the content guard's own texts, those that are requests or sound like one."""
Families = Mapping[str, Sequence[str]]
Shares = tuple[float, float, float]
Make = Callable[[np.random.Generator], tuple[str, str]]
FOLDER = Path(__file__).parent / "data"


def hostile(
    rng: np.random.Generator, bad: Families = HATE | HARMS, good: Families = FINE | ERRANDED
) -> tuple[str, str]:
    """A text for the content guard, made of families of both modules, and its label."""
    if rng.random() >= REQUESTS:
        return content(rng, _of(bad, HATE), _of(good, FINE))
    text, label = request(rng, _of(bad, HARMS), _of(good, ERRANDED))
    return text, "request" if label == "harmful" else label


def _of(families: Families, some: Families) -> dict[str, list[str]]:
    return {name: list(families[name]) for name in some if name in families}


def mixed(own: Make, other: Make, questions: list[str], shares: Shares = SHARES) -> Make:
    """Texts of all three kinds, each with its label."""

    def make(rng: np.random.Generator) -> tuple[str, str]:
        kind = rng.choice(3, p=shares)
        if kind == 0:
            return own(rng)
        if kind == 1:
            return str(rng.choice(questions)), "harmless"
        while (found := other(rng))[1] != "harmless":
            pass
        return found

    return make


def write(name: str, make: Make, signs: Signs, rows: int) -> None:
    """Write one file; the same bytes each time."""
    rng = np.random.default_rng(0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seen_at", "text", "label"])
    for number in range(rows):
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
    write("guard_injection.csv.gz", mixed(injection, content, asked()), ORDERS, ROWS)
    both = mixed(hostile, injection, asked(), CONTENT_SHARES)
    write("guard_content.csv.gz", both, HOSTILE, CONTENT_ROWS)
