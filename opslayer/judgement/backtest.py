"""What would another policy have done? One past, lived again under each of them.

Every decision is made by the rules that decide in production (`opslayer.judgement.policy`), on
nothing but the labels that were known by then. A fresh model of the champion's own recipe serves at
once: the gate and the canary, which only ever hold back a model that is worse, are not replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Policy, Retrain
from opslayer.judgement import policy
from opslayer.judgement.policy import LOOK_BACK, Facts, Member, Recipe, State

Reals = NDArray[np.float64]

EVERY = (2, 4, 8)
"""Windows between trainings of the `every-k` policies that are compared, beside the file's own."""
BLIND = (Policy.NEVER, Policy.ALWAYS, Policy.EVERY_K)
"""The policies whose trainings no loss changes."""
NEAR = 0.1
"""`pays` is picked though another policy was cheaper by less than this share: the others' fixed
rhythm was right for what the past happened to bring, and only `pays` hears of anything else."""


@dataclass
class Past:
    """Labelled rows in order of time: a history to learn the first model from, then windows.

    Models and their losses are kept, so that all policies together train each model once.
    """

    starts: tuple[int, ...]
    """First row of each window, and one past the last row; rows before the first are history."""
    fit: Callable[[slice], Any]
    """A model of these rows."""
    losses: Callable[[Any, slice], Reals]
    """A model's loss on each of these rows (`losses.row_losses`)."""
    width: timedelta = timedelta(0)
    """How long a window is; 0 lifts cool-down and budget."""
    _models: dict[int, Any] = field(default_factory=dict)
    _lost: dict[tuple[int, int], Reals] = field(default_factory=dict)

    @property
    def windows(self) -> int:
        """How many there are."""
        return len(self.starts) - 1

    def rows(self, window: int) -> slice:
        """The rows of a window."""
        return slice(self.starts[window], self.starts[window + 1])

    def train(self, recipe: Recipe, labelled: int) -> Member:
        """The model of a recipe on the rows up to a window; -1: on the history alone."""
        member = Member(2 * (labelled + 1) + (recipe == "last"), recipe, labelled + 1)
        if member.version not in self._models:
            end = self.starts[labelled + 1]
            begin = end - self.starts[0] if recipe == "last" else 0
            self._models[member.version] = self.fit(slice(begin, end))
        return member

    def model(self, version: int) -> Any:
        """A model that was trained."""
        return self._models[version]

    def give(self, models: Mapping[int, Any]) -> None:
        """Models by version that somebody else has trained, so that nobody trains them here."""
        self._models.update(models)

    def lost(self, version: int, window: int) -> Reals:
        """A model's losses in a window."""
        key = version, window
        if key not in self._lost:
            self._lost[key] = self.losses(self._models[version], self.rows(window))
        return self._lost[key]


@dataclass(frozen=True)
class Lived:
    """What came of one policy."""

    rules: Retrain
    served: tuple[int, ...]
    """Version that answered in each window."""
    lost: tuple[float, ...]
    """Its losses in each window, added up: errors."""
    trained: tuple[int, ...]
    """For each model trained after the first one, the window before which it was."""

    @property
    def name(self) -> str:
        """As a person tells it from the others: `every-4` for `every-k` with k = 4."""
        every_k = self.rules.policy is Policy.EVERY_K
        return f"every-{self.rules.every}" if every_k else self.rules.policy.value

    @property
    def cost(self) -> float:
        """Errors made and trainings paid for, in errors."""
        return sum(self.lost) + self.rules.price * len(self.trained)


def compare(past: Past, candidates: Iterable[Retrain], late: int = 1) -> list[Lived]:
    """Live a past under each of some policies; the cheapest first. `late`: as in `live`."""
    return sorted((live(past, rules, late) for rules in candidates), key=lambda one: one.cost)


def candidates(rules: Retrain) -> list[Retrain]:
    """The policies to compare, all with a file's own settings."""
    every = sorted({*EVERY, rules.every})
    settled = [
        rules.model_copy(update={"policy": one})
        for one in (Policy.NEVER, Policy.ALWAYS, Policy.ON_DROP, Policy.PAYS)
    ]
    regular = {"policy": Policy.EVERY_K}
    return settled + [rules.model_copy(update=regular | {"every": k}) for k in every]


def foreseen(past: Past, candidates: Iterable[Retrain], late: int = 1) -> dict[int, slice]:
    """The rows of each model, by version, that is trained whatever comes: by policies that ask for
    no loss. All of them can be trained before the first window is lived, and at once."""
    trained: dict[int, slice] = {}

    def lost(_: Any, rows: slice) -> Reals:
        return np.zeros(rows.stop - rows.start)

    rehearsed = Past(past.starts, lambda rows: rows, lost, past.width, trained)
    for rules in candidates:
        if rules.policy in BLIND:
            live(rehearsed, rules, late)
    return trained


def pick(lived: Iterable[Lived]) -> Lived:
    """The policy to use: the cheapest, or `pays` where that is nearly as cheap (`NEAR`)."""
    ranked = sorted(lived, key=lambda one: one.cost)
    near = (1 + NEAR) * ranked[0].cost
    ours = [one for one in ranked if one.rules.policy is Policy.PAYS and one.cost <= near]
    return (ours or ranked)[0]


def live(past: Past, rules: Retrain, late: int = 1) -> Lived:
    """One policy through all windows. `late`: labels of a window are known when the `late`-th
    window after it begins; 1 or more, and 1 means at its end."""
    first = past.train("all", -1)
    life = _Life(past, rules, late, policy.begin(first, -1, rules))
    for window in range(past.windows):
        if window:
            life.decide(window)
        life.serve(window)
    return Lived(rules, tuple(life.served), tuple(life.lost), tuple(life.trained))


@dataclass
class _Life:
    past: Past
    rules: Retrain
    late: int
    state: State
    served: list[int] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)

    def serve(self, window: int) -> None:
        assert self.state.champion is not None
        self.served.append(self.state.champion)
        self.lost.append(float(np.sum(self.past.lost(self.state.champion, window))))

    def decide(self, window: int) -> None:
        """What is done before a window begins."""
        labelled = window - self.late
        decision = policy.decide(self.state, self._facts(window - 1, labelled), self.rules)
        self.state = decision.state
        known = {member.version for member in self.state.pool}
        # Without a new label a training would only make a model that is there already.
        if labelled < 0 or not self._allowed(window):
            return
        fresh = [self.past.train(recipe, labelled) for recipe in decision.train]
        fresh = [member for member in fresh if member.version not in known]
        chosen = policy.successor(self.state, fresh)
        served = chosen.version if chosen else None
        self.trained += [window] * len(fresh)
        self.state = policy.trained(self.state, fresh, window - 1, served, self.rules)

    def _facts(self, complete: int, labelled: int) -> Facts:
        seen = range(max(0, labelled - LOOK_BACK + 1), labelled + 1)
        rows = [self.past.starts[w + 1] - self.past.starts[w] for w in seen]
        return Facts(complete, labelled, self._losses(seen), float(np.mean(rows or [0])))

    def _losses(self, seen: range) -> Mapping[int, Mapping[int, Reals]]:
        return {
            member.version: {w: self.past.lost(member.version, w) for w in seen if w >= member.cut}
            for member in self.state.pool
        }

    def _allowed(self, window: int) -> bool:
        """Whether cool-down and budget allow a training; one that trains two models is one."""
        if not self.past.width:
            return True
        ages = [(window - then) * self.past.width for then in set(self.trained)]
        recent = [age for age in ages if age < self.rules.budget.per]
        return (
            len(recent) < self.rules.budget.runs
            and min(ages, default=self.rules.cooldown) >= self.rules.cooldown
        )
