"""How often each tag source is right, estimated without knowing the truth.

A source is a (kind, name) pair: a rule, a model, a person. Each row has a hidden true class z. With
the one-coin model, source j states z with probability a_j, whatever z is, and each other class with
(1 - a_j) / (K - 1). Expectation-maximisation (Dempster, Laird and Rubin, 1977), as Dawid and Skene
apply it to observers (Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm,
Applied Statistics 28, 1979; with one parameter a source instead of a table of K x K as in Zhang,
Chen, Zhou and Jordan, Spectral Methods Meet EM, JMLR 17, 2016, section 2), takes turns:

    E  P(z_i = k) ~ p_k * prod over the sources j that spoke of row i of
           a_j where j said k, else (1 - a_j) / (K - 1)
    M  a_j = (sum of P(z_i = what j said of i) + PRIOR * start) / (rows of j + PRIOR)
       p_k = mean over the rows of P(z_i = k), smoothed by one row in all

K is the number of classes that anybody named. Rows with a true value have their z given. The start
is each source's stated confidence, which also breaks the symmetry that everybody could be wrong.
The model takes sources for independent given z: two rules that copy each other look better than
they are. Without a true value, fewer than three sources that speak of the same rows can't be told
apart; the prior then keeps them near what they state. It does so too where most sources hardly
beat chance: one of 0.95 among three of 0.55 and two classes came out at 0.78 from 1,000 rows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PRIOR = 4.0
"""Rows that a source's stated confidence is worth."""
ROUNDS = 200
STILL = 1e-6
"""Change of every accuracy below which it has settled."""
LEAST, MOST = 0.01, 0.99
"""Accuracies are kept between these: no source is beyond doubt."""
TRUE = "outcome"

Name = tuple[str, str]
"""A source and its name: ("rule", "refunds")."""
Numbers = NDArray[np.float64]


class Accuracy(NamedTuple):
    """How often a source is right."""

    source: str
    by: str
    stated: float
    """The mean confidence that its tags carry."""
    estimated: float
    rows: int
    """Rows it spoke of."""
    shared: int
    """Those of which another source spoke too: on these the estimate rests."""


class Estimate(NamedTuple):
    """What sources are worth, and where they contradict each other."""

    accuracies: list[Accuracy]
    """By source and name."""
    disagreements: pd.DataFrame
    """one, other (source:name), rows both spoke of, `differ` among them, share; most first."""
    contested: list[str]
    """Rows of which two sources say different things, the most evenly split first."""


class _Votes(NamedTuple):
    names: list[Name]
    rows: list[str]
    source: NDArray[np.intp]
    row: NDArray[np.intp]
    said: NDArray[np.intp]
    stated: Numbers
    classes: int
    truth: NDArray[np.intp]
    """The class of a row that is known, else -1."""


def estimate(tags: pd.DataFrame) -> Estimate:
    """Accuracies and disagreements of the sources of `tags` (row_id, value, source, by,
    confidence): one standing tag of each source and row, values that are classes. Tags of the
    source `outcome` are the truth."""
    if not len(tags):
        return Estimate([], _disagreements(tags), [])
    votes = _votes(tags)
    accuracy, chances = _settle(votes)
    return Estimate(_accuracies(votes, accuracy), _disagreements(tags), _contested(votes, chances))


def accuracies(tags: pd.DataFrame) -> list[Accuracy]:
    """As `estimate`, the accuracies alone."""
    if not len(tags):
        return []
    votes = _votes(tags)
    return _accuracies(votes, _settle(votes)[0])


def _accuracies(votes: _Votes, accuracy: Numbers) -> list[Accuracy]:
    spoke = np.bincount(votes.row, minlength=len(votes.rows)) + (votes.truth >= 0)
    shared = spoke[votes.row] > 1
    return [
        Accuracy(
            source=name[0],
            by=name[1],
            stated=float(votes.stated[mine].mean()),
            estimated=float(accuracy[at]),
            rows=int(mine.sum()),
            shared=int((mine & shared).sum()),
        )
        for at, name in enumerate(votes.names)
        if (mine := votes.source == at).any()
    ]


def weighted(tags: pd.DataFrame, found: list[Accuracy]) -> pd.DataFrame:
    """The tags with the confidence of rules and models replaced by their estimated accuracy.

    Only of sources of which another one's tags say something: elsewhere the stated confidence is
    all there is. People and outcomes keep theirs: they outrank rules and models anyway.
    """
    known = {(one.source, one.by): one.estimated for one in found if one.shared}
    pairs = zip(tags["source"], tags["by"], tags["confidence"], strict=True)
    confidence = [
        known.get((source, by), stated) if source in ("rule", "model") else stated
        for source, by, stated in pairs
    ]
    return tags.assign(confidence=confidence)


def _votes(tags: pd.DataFrame) -> _Votes:
    row, rows = pd.factorize(tags["row_id"], sort=True)
    said, values = pd.factorize(tags["value"].astype(str), sort=True)
    truth = np.full(len(rows), -1)
    true = (tags["source"] == TRUE).to_numpy()
    truth[row[true]] = said[true]
    heard = tags[~true]
    pairs = list(zip(heard["source"], heard["by"], strict=True))
    names: list[Name] = sorted(set(pairs))
    place = {name: at for at, name in enumerate(names)}
    return _Votes(
        names=names,
        rows=[str(one) for one in rows],
        source=np.array([place[pair] for pair in pairs], dtype=np.intp),
        row=row[~true],
        said=said[~true],
        stated=heard["confidence"].to_numpy(dtype=float),
        classes=max(2, len(values)),
        truth=truth,
    )


def _settle(votes: _Votes) -> tuple[Numbers, Numbers]:
    """Accuracies, and each row's chances of each class."""
    count = np.bincount(votes.source, minlength=len(votes.names))
    start = np.bincount(votes.source, votes.stated, minlength=len(votes.names)) / count
    accuracy = start = np.clip(start, LEAST, MOST)
    frequency = np.full(votes.classes, 1 / votes.classes)
    chances = _expect(votes, accuracy, frequency)
    for _ in range(ROUNDS):
        right = chances[votes.row, votes.said]
        hits = np.bincount(votes.source, right, minlength=len(votes.names))
        before = accuracy
        accuracy = np.clip((hits + PRIOR * start) / (count + PRIOR), LEAST, MOST)
        frequency = (chances.sum(axis=0) + 1 / votes.classes) / (len(chances) + 1)
        chances = _expect(votes, accuracy, frequency)
        if np.abs(accuracy - before).max(initial=0) < STILL:
            break
    return accuracy, chances


def _expect(votes: _Votes, accuracy: Numbers, frequency: Numbers) -> Numbers:
    wrong = np.log((1 - accuracy) / (votes.classes - 1))
    odds = np.tile(np.log(frequency), (len(votes.rows), 1))
    # What everybody adds to all classes of a row cancels out: only what was said has to move.
    np.add.at(odds, (votes.row, votes.said), (np.log(accuracy) - wrong)[votes.source])
    chances = np.exp(odds - odds.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    known = votes.truth >= 0
    chances[known] = np.eye(votes.classes)[votes.truth[known]]
    return np.asarray(chances, dtype=np.float64)


def _disagreements(tags: pd.DataFrame) -> pd.DataFrame:
    both: Counter[tuple[str, str]] = Counter()
    differ: Counter[tuple[str, str]] = Counter()
    said: defaultdict[str, list[tuple[str, Any]]] = defaultdict(list)
    names = tags["source"] + ":" + tags["by"]
    for row, name, value in zip(tags["row_id"], names, tags["value"], strict=True):
        said[row].append((name, value))
    for its in said.values():
        for one, other in combinations(sorted(its), 2):
            both[one[0], other[0]] += 1
            differ[one[0], other[0]] += one[1] != other[1]
    found: list[dict[str, Any]] = [
        {"one": one, "other": other, "rows": rows, "differ": differ[one, other],
         "share": differ[one, other] / rows}
        for (one, other), rows in both.items()
    ]  # fmt: skip
    columns = ["one", "other", "rows", "differ", "share"]
    table = pd.DataFrame(found, columns=columns)
    return table.sort_values(["differ", "one", "other"], ascending=[False, True, True])


def _contested(votes: _Votes, chances: Numbers) -> list[str]:
    table = pd.DataFrame({"row": votes.row, "said": votes.said})
    values = table.groupby("row")["said"].nunique()
    rows = values[values > 1].index.to_numpy()
    order = np.argsort(chances[rows].max(axis=1), kind="stable")
    return [votes.rows[at] for at in rows[order]]
