"""In which order a reviewer looks at rows: what teaches most first, and a random share among it.

A row of the random share is taken by the hash of its id alone, and among its like in the hash's
order, so that no model, source or rating has a say in which of them were looked at: those that
were are a simple random sample, whatever came of the others (`opslayer.judgement.sample`). All
other rows stand by a score that adds up, each between 0 and its weight in `WEIGHTS`:

- `uncertain`: 1 less the margin between the two likeliest classes ("best versus second best":
  Settles, Active Learning Literature Survey, 2009, section 3.1);
- `disagreeing`: how far the row's tags contradict one another;
- `disliked`: somebody rated the answer badly;
- `drifting`: the row is of a window that an alarm began in.

Rows with one and the same likeliest class teach much the same. So the k-th best of a class counts
`SAME` ** (k - 1) of its score, and an order's first hundred rows speak of many classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opslayer.judgement.assignment import bucket

WEIGHTS = {"uncertain": 1.0, "disagreeing": 1.0, "disliked": 0.5, "drifting": 0.25}
"""A doubt of the model's and one among its sources count alike; an unhappy user half of it, for a
bad rating may mean much else than a wrong class."""
SAME = 0.9
"""What the next row of the same likeliest class counts, of what the one before it counted."""
NAMED = 0.3
"""Share of its weight from which on a reason is told to the reviewer."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Waiting:
    """Rows without a label of a person's or an outcome; all members are of one length."""

    row_ids: Sequence[str]
    disagreeing: Numbers
    """0 to 1, see `disagreement`."""
    disliked: NDArray[np.bool_]
    drifting: NDArray[np.bool_]
    probabilities: Numbers | None = None
    """n x classes; None where there is no model that gives any."""

    def __len__(self) -> int:
        return len(self.row_ids)


class Place(NamedTuple):
    """One row's place in the queue."""

    row: int
    """Which of the rows that were waiting."""
    score: float
    reasons: tuple[str, ...]
    """`random`, or those of `WEIGHTS` that put it there."""
    probability: float | None
    """With which it was to be drawn, for a row of the random share."""


def order(waiting: Waiting, share: float, salt: str) -> list[Place]:
    """Every row once: of any ten places, as many are of the random share as `share` of ten.

    `salt` keeps the draw apart from all others that hash the same ids; with the same salt and share
    a row is of the random share for ever. Where one kind runs out, the other one goes on.
    """
    points = np.array([bucket(salt, row_id) for row_id in waiting.row_ids])
    drawn = points < share
    scores, parts = _scores(waiting)
    chance = [int(at) for at in np.argsort(points, kind="stable") if drawn[at]]
    best = [int(at) for at in np.lexsort((points, -_varied(waiting, scores))) if not drawn[at]]
    return [
        Place(at, float(scores[at]), ("random",), share)
        if drawn[at]
        else Place(at, float(scores[at]), _reasons(parts, at), None)
        for at in _mixed(chance, best, share)
    ]


def disagreement(confidences: Sequence[float]) -> float:
    """1 less the margin between the two best supported values of one row, as a share of all
    support; 0 where all say the same. `confidences` sums each value's, in any order."""
    if len(confidences) < 2:
        return 0.0
    first, second, *_ = sorted(confidences, reverse=True)
    return 1 - (first - second) / sum(confidences)


def _scores(waiting: Waiting) -> tuple[Numbers, dict[str, Numbers]]:
    parts = {
        "uncertain": _uncertainty(waiting),
        "disagreeing": waiting.disagreeing,
        "disliked": waiting.disliked.astype(float),
        "drifting": waiting.drifting.astype(float),
    }
    total = np.zeros(len(waiting))
    for name, weight in WEIGHTS.items():
        total += weight * parts[name]
    return total, parts


def _uncertainty(waiting: Waiting) -> Numbers:
    given = waiting.probabilities
    if given is None or given.shape[1] < 2 or not len(waiting):
        return np.zeros(len(waiting))
    best = np.sort(given, axis=1)
    return np.asarray(1 - (best[:, -1] - best[:, -2]), dtype=np.float64)


def _varied(waiting: Waiting, scores: Numbers) -> Numbers:
    """The scores, those of rows that repeat a likeliest class lessened."""
    if waiting.probabilities is None or not len(waiting):
        return scores
    classes = waiting.probabilities.argmax(axis=1)
    varied = scores.copy()
    for name in np.unique(classes):
        (its,) = np.nonzero(classes == name)
        ranked = its[np.argsort(-scores[its], kind="stable")]
        varied[ranked] *= SAME ** np.arange(len(ranked))
    return varied


def _reasons(parts: dict[str, Numbers], at: int) -> tuple[str, ...]:
    found = sorted(WEIGHTS, key=lambda name: -WEIGHTS[name] * parts[name][at])
    return tuple(name for name in found if parts[name][at] >= NAMED) or ("unlabelled",)


def _mixed(chance: Sequence[int], best: Sequence[int], share: float) -> list[int]:
    """Both in their order, the first ones wherever their share has grown by a whole row."""
    mixed: list[int] = []
    taken = 0
    while taken < len(chance) and len(mixed) - taken < len(best):
        due = taken < share * (len(mixed) + 1)
        mixed.append(chance[taken] if due else best[len(mixed) - taken])
        taken += due
    return [*mixed, *chance[taken:], *best[len(mixed) - taken :]]
