"""Makes `data/digits.csv.gz` from the digits that come with scikit-learn.

The times are made up, one picture an hour in a shuffled order: the set itself has none.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

START = datetime(2026, 1, 1, tzinfo=UTC)
OUT = Path(__file__).parent / "data" / "digits.csv.gz"


def main() -> None:
    """Write the file; the same bytes each time."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    names = [f"p{place:02d}" for place in range(digits.data.shape[1])]
    lines = [",".join(["drawn_at", *names, "digit"])]
    for hour, row in enumerate(order):
        at = START + timedelta(hours=hour)
        pixels = map(str, digits.data[row].astype(int))
        lines.append(",".join([at.isoformat(), *pixels, str(digits.target[row])]))
    with OUT.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
