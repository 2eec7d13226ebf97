"""Does the queue's order save tags?

Banking77 as a support desk meets it: a tenth of the training texts is labelled, the others wait.
Tags come in rounds; after each one the capability's own learner is fitted anew on what is labelled
by then, and, for the queue, its own order is made anew, random share included, as a reviewer gets
it. Random order spends the whole budget; the question is with how many tags the queue gets where
that ends. Both are judged on the test texts, which nobody sees otherwise.

    python -m benchmarks queue [SEED …]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.bars import Bar, finish, say
from benchmarks.data import DATA
from opslayer.capability import Capability, Review
from opslayer.frame import Frame
from opslayer.judgement.queue import Waiting, order
from opslayer.learners.tabular import Pipeline, fit, predict

KNOWN = 0.1
"""Share of the training texts whose label is known at first."""
BUDGET = 2_000
"""Tags that random order spends."""
ROUND = 100
"""Tags between two trainings."""
SEEDS = (0, 1, 2, 3, 4)

SPEC = Capability.model_validate(
    {
        "name": "bank-desk",
        "kind": "classification",
        "inputs": {"text": {"type": "text"}},
        "target": "category",
        "training": {
            "estimator": "sklearn.linear_model.LogisticRegression",
            "params": {"C": 20, "max_iter": 100},
        },
        "gate": {"metric": "accuracy"},
    }
)
Rows = NDArray[np.int64]
Pick = Callable[[Pipeline, Rows], Rows]
"""From a model and the rows that wait to those of the next round."""


@dataclass(frozen=True)
class Desk:
    """The texts in the order of one seed; the first ones are labelled."""

    texts: pd.DataFrame
    exam: pd.DataFrame
    seed: int

    @property
    def known(self) -> int:
        """How many are labelled at first."""
        return round(KNOWN * len(self.texts))

    def features(self, rows: Rows) -> pd.DataFrame:
        """The input columns of some rows."""
        return self.texts[["text"]].iloc[rows].reset_index(drop=True)

    def learn(self, rows: Rows) -> Pipeline:
        """The capability's model of these rows."""
        nothing = pd.Series(pd.Timestamp(0, tz="UTC"), index=range(len(rows)))
        target = self.texts["category"].iloc[rows].reset_index(drop=True)
        ids = pd.Series([str(row) for row in rows])
        return fit(SPEC, Frame(ids, self.features(rows), target, nothing, nothing))

    def accuracy(self, model: Pipeline) -> float:
        """On the exam."""
        said = predict(model, self.exam[["text"]]).values
        return float((said == self.exam["category"].to_numpy()).mean())

    def spend(self, pick: Pick, until: float = 2.0) -> list[float]:
        """The accuracy before the first round and after each, until it is reached or the budget
        is spent."""
        rows, waiting = np.arange(self.known), np.arange(self.known, len(self.texts))
        reached = []
        while True:
            model = self.learn(rows)
            reached.append(self.accuracy(model))
            if reached[-1] >= until or len(rows) >= self.known + BUDGET:
                return reached
            picked = pick(model, waiting)
            rows = np.concatenate([rows, picked])
            waiting = waiting[~np.isin(waiting, picked)]

    def by_queue(self, model: Pipeline, waiting: Rows) -> Rows:
        """The first ones of the product's queue."""
        nothing = np.zeros(len(waiting))
        rows = Waiting(
            row_ids=[str(row) for row in waiting],
            disagreeing=nothing,
            disliked=nothing.astype(bool),
            drifting=nothing.astype(bool),
            probabilities=predict(model, self.features(waiting)).probabilities,
        )
        places = order(rows, Review().share_random, f"{SPEC.name}/{self.seed}")
        return waiting[[place.row for place in places[:ROUND]]]


def desk(seed: int) -> Desk:
    """Banking77, shuffled."""
    folder = DATA / "banking77"
    texts = pd.read_csv(folder / "train.csv.gz", keep_default_na=False)
    exam = pd.read_csv(folder / "test.csv.gz", keep_default_na=False)
    shuffled = texts.sample(frac=1, random_state=seed, ignore_index=True)
    return Desk(shuffled, exam, seed)


def used(seed: int) -> float:
    """The share of the budget with which the queue gets where random order ends; 2 for never."""
    its = desk(seed)
    # Random order takes rows as they lie, for the seed has shuffled them.
    goal = its.accuracy(its.learn(np.arange(its.known + BUDGET)))
    reached = its.spend(its.by_queue, goal)
    say(
        f"seed {seed}: {its.known:,} labels give {reached[0]:.4f}; {BUDGET:,} tags at random give "
        f"{goal:.4f}; the queue, every {ROUND} tags: "
        + " ".join(f"{accuracy:.4f}" for accuracy in reached[1:])
    )
    tags = ROUND * (len(reached) - 1)
    share = tags / BUDGET if reached[-1] >= goal else 2.0
    say(f"seed {seed}: the queue needs {tags:,} tags, {share:.0%} of {BUDGET:,}")
    return share


def main(seeds: Sequence[int] = SEEDS) -> int:
    """Try every seed."""
    shares = [used(seed) for seed in seeds]
    say(f"share of the tags needed: {mean(shares):.3f} on average, {max(shares):.3f} at worst")
    bars = [
        Bar("tags that the queue needs, share of random order's, mean", mean(shares), "<= 0.6"),
        Bar("the same, the worst seed", max(shares), "<= 0.6"),
    ]
    return finish("queue", len(seeds), bars)


if __name__ == "__main__":
    sys.exit(main([int(seed) for seed in sys.argv[1:]] or SEEDS))
