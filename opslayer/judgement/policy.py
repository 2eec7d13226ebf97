"""When does a retraining pay? The five policies of `retrain.policy` over one interface.

Windows are numbered in time order; some may be missing, and labels may come late or in lumps.
`decide` proposes, the caller trains and lets the gate judge, and `trained` takes the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Policy, Retrain
from opslayer.judgement.outcome import Outcome

Reals = NDArray[np.float64]
Recipe = Literal["all", "last"]
"""Training rows: all history, or the last ones, as many as the first model had."""

# The rule `pays` and its defaults were chosen on replays of elec2, bike_sharing and seven
# generated streams (none, harmless and harmful shifts, noise, late and gradual onset), labels one
# and four windows late, and looked at on others: `benchmarks/policies.py`.
FIRST_AFTER = 2
"""Windows from the first model to the first scheduled training."""
NEWER, OLDER = 0.5, 2.25
"""A free move needs a gain of so many standard errors: few towards a newer model, which is likelier
to be the better one, many back to an older one, of which up to thirty are tried in every window."""
LOOK_BACK = 3
"""Labelled windows on which models of the pool are compared."""
FEWEST_ROWS = 30
"""Labelled rows below which neither a comparison nor a window's mean loss counts."""
ALTERNATE = 3
"""Every third training also tries the other recipe."""
POOL = 30
"""Models kept to compete, besides the champion: a world that comes back finds its model again."""
SURELY = 2
"""An alarm needs so many times the price of a training: part of what adds up is always chance."""
GAP = 3
"""Windows from one training to an alarm's."""
SHARE = 0.25
"""Trainings per window, at most …"""
FREE_TRAININGS = 4
"""… once these are used up."""
FALLS, RISES = 0.3, 0.05
"""How fast the reference follows a lower loss, and a higher one."""
ALLOWANCE = 0.3
"""Deviations of a window's errors that are taken for chance before any are counted against the
champion: without it, noise alone adds up to a training's price on calm streams."""


@dataclass(frozen=True)
class Member:
    """A trained model that may serve."""

    version: int
    recipe: Recipe
    cut: int
    """The first window of which no row was in its training."""


@dataclass(frozen=True)
class State:
    """What a policy remembers of one capability between windows."""

    start: int
    """Window of the first model."""
    next: int
    """Window of the next scheduled training (`pays`)."""
    area: float
    """What not retraining has cost since the last training (or a release by other means), in
    errors."""
    reference: float | None
    """The usual mean loss of whoever served; None until it is seen. For `on-drop`, the best."""
    trained: int
    """Models trained since the start, the first left out."""
    asked: int
    """How often a training was due."""
    last_training: int
    champion: int | None
    pool: tuple[Member, ...]
    """Oldest first."""
    counted: int
    """The newest labelled window that has been counted in `area` and `reference`."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the ledger."""
        return asdict(self) | {"pool": [asdict(member) for member in self.pool]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The state that `to_json` wrote."""
        return cls(**(dict(values) | {"pool": tuple(Member(**row) for row in values["pool"])}))


@dataclass(frozen=True)
class Facts:
    """What is known when a window has ended."""

    window: int
    """The newest complete window."""
    labelled: int
    """The newest window whose labels are mature."""
    losses: Mapping[int, Mapping[int, Reals]]
    """Version to window to row losses (`losses.row_losses`), for windows from the version's cut
    on; the same labelled rows in the same order for every version."""
    rows_per_window: float
    """How many answers a window has: what a rise in mean loss is multiplied by."""


@dataclass(frozen=True)
class Decision:
    """What to do now. `state` holds for "nothing but the free move came of it"."""

    state: State
    serve: int | None
    """A move to this version of the pool, which needs no training."""
    train: tuple[Recipe, ...]
    because: Literal["schedule", "harm", ""]
    outcome: Outcome


def begin(version: Member, window: int, rules: Retrain) -> State:
    """The state when the first model starts to serve, after `window` has ended."""
    after = FIRST_AFTER if rules.policy == Policy.PAYS else rules.every
    return State(
        start=window,
        next=window + after,
        area=0.0,
        reference=None,
        trained=0,
        asked=0,
        last_training=window,
        champion=version.version,
        pool=(version,),
        counted=version.cut - 1,
    )


def decide(state: State, facts: Facts, rules: Retrain) -> Decision:
    """What the capability's policy does after a window: outcomes `train`, `move` (a free move
    alone) and `keep`, with the numbers they rest on."""
    return RULES[rules.policy](state, facts, rules)


def trained(
    state: State, fresh: Sequence[Member], window: int, served: int | None, rules: Retrain
) -> State:
    """The state after a training at `window`: fresh models join the pool, and the one that the
    gate let through, `served`, becomes champion; with `on-drop` it also sets its own standard.
    Where the gate let none through, `on-drop` asks again after the next window. Without fresh
    models nothing changed."""
    if not fresh:
        return state
    # One that serves already may be there: whoever asked who serves has put it there.
    pool = (*(member for member in state.pool if member not in fresh), *fresh)
    state = replace(
        state,
        pool=_newest(pool, state.champion if served is None else served),
        trained=state.trained + len(fresh),
        last_training=window,
        next=window + rules.every,
        area=0.0,
    )
    if served is None:
        return state
    if rules.policy == Policy.ON_DROP:
        state = replace(state, reference=None)
    return _serving(state, served)


def serving(state: State, member: Member) -> State:
    """The state after the release changed by other means: a canary's end, a rollback, a person."""
    if member.version == state.champion:
        return state
    pool = state.pool if member in state.pool else (member, *state.pool)
    return _serving(replace(state, pool=_newest(pool, member.version)), member.version)


def without(state: State, gone: Collection[int]) -> State:
    """The state after models were removed: there is nothing to score or to go back to."""
    return replace(state, pool=tuple(one for one in state.pool if one.version not in gone))


def successor(state: State, fresh: Sequence[Member]) -> Member | None:
    """The fresh model that may serve unless it does harm: the champion's own recipe on newer data,
    where the champion is the newest of its recipe. Any other has to win. `state`: before
    `trained`."""
    champion = _member(state)
    if champion is None:
        return fresh[0] if fresh else None
    same = [member for member in state.pool if member.recipe == champion.recipe]
    if same[-1] != champion:
        return None
    return next((member for member in fresh if member.recipe == champion.recipe), None)


# ---------------------------------------------------------------------------- the five policies


def _never(state: State, facts: Facts, rules: Retrain) -> Decision:
    del rules
    return _keep(state, "the policy is never to retrain", _moment(facts))


def _always(state: State, facts: Facts, rules: Retrain) -> Decision:
    del rules
    return _scheduled(state, facts, 1)


def _every_k(state: State, facts: Facts, rules: Retrain) -> Decision:
    return _scheduled(state, facts, rules.every)


def _on_drop(state: State, facts: Facts, rules: Retrain) -> Decision:
    """Train when the newest labelled window's mean loss exceeds the best so far by `drop`."""
    best, loss, dropped = state.reference, None, False
    for loss, _ in _uncounted(state, facts):
        dropped = best is not None and loss > best + rules.drop
        best = loss if best is None else min(best, loss)
    numbers = _moment(facts) | {"loss": loss, "reference": best, "drop": rules.drop}
    state = replace(state, reference=best, counted=max(state.counted, facts.labelled))
    if loss is None or not dropped:
        return _keep(state, "the loss has not dropped off its best", numbers)
    reason = f"mean loss {loss:.4g} exceeds the best so far, {best:.4g}, by {rules.drop:g}"
    return _train(state, ("harm", reason), (_own(state),), numbers)


def _pays(state: State, facts: Facts, rules: Retrain) -> Decision:
    """Move freely inside the pool, add up what not retraining costs, and train when a schedule or
    the sum asks for it, within a budget."""
    gains = _gains(state, facts)
    serve = max(gains, key=lambda version: gains[version][0]) if gains else None
    if serve is not None:
        # What not retraining has cost stays: the windows to come show whether the move was enough.
        state = replace(state, champion=serve)
    state, losses = _accumulate(state, facts)
    due = facts.window >= state.next
    alarm = state.area >= SURELY * rules.price and facts.window - state.last_training >= GAP
    room = int(max(FREE_TRAININGS, SHARE * (facts.window - state.start))) - state.trained
    numbers = _moment(facts) | {
        "gains": {str(version): gain for version, (gain, _) in gains.items()},
        "gain_errors": {str(version): error for version, (_, error) in gains.items()},
        "losses": losses,
        "reference": state.reference,
        "area": state.area,
        "price": rules.price,
        "room": room,
    }
    if not due and not alarm:
        return _keep(state, "no training is due, and not retraining costs less", numbers, serve)
    state = replace(state, asked=state.asked + 1)
    recipes = _recipes(state, alarm, room)
    if not recipes:
        return _keep(state, "a training is due, and the budget has no room", numbers, serve)
    if alarm:
        reason = f"not retraining has cost {state.area:.1f} errors, a training {rules.price:g}"
        return _train(state, ("harm", reason), recipes, numbers, serve)
    reason = f"scheduled for window {state.next}"
    return _train(state, ("schedule", reason), recipes, numbers, serve)


RULES: dict[Policy, Callable[[State, Facts, Retrain], Decision]] = {
    Policy.NEVER: _never,
    Policy.ALWAYS: _always,
    Policy.EVERY_K: _every_k,
    Policy.ON_DROP: _on_drop,
    Policy.PAYS: _pays,
}


# ------------------------------------------------------------------------------------- parts


def _scheduled(state: State, facts: Facts, every: int) -> Decision:
    waited = facts.window - state.last_training
    numbers = _moment(facts) | {"waited": waited, "every": every}
    state = replace(state, counted=max(state.counted, facts.labelled))
    if waited < every:
        return _keep(state, f"{waited} of {every} windows have passed", numbers)
    reason = f"{waited} windows have passed since the last training"
    return _train(state, ("schedule", reason), (_own(state),), numbers)


def _gains(state: State, facts: Facts) -> dict[int, tuple[float, float]]:
    """Mean gain over the champion, and its standard error, of each model that is surely better on
    rows neither was trained on: the newest labelled windows that both have."""
    champion = _member(state)
    if champion is None:
        return {}
    gains = {}
    for member in state.pool:
        rows = _differences(champion, member, facts)
        if member == champion or len(rows) < FEWEST_ROWS:
            continue
        gain, error = float(np.mean(rows)), float(np.std(rows)) / math.sqrt(len(rows))
        if gain > (NEWER if member.cut > champion.cut else OLDER) * error:
            gains[member.version] = gain, error
    return gains


def _differences(champion: Member, member: Member, facts: Facts) -> Reals:
    ours = facts.losses.get(champion.version, {})
    theirs = facts.losses.get(member.version, {})
    cut = max(champion.cut, member.cut)
    both = sorted(w for w in ours.keys() & theirs.keys() if cut <= w <= facts.labelled)
    parts = [np.asarray(ours[w]) - np.asarray(theirs[w]) for w in both[-LOOK_BACK:]]
    return np.concatenate(parts) if parts else np.zeros(0)


def _uncounted(state: State, facts: Facts) -> list[tuple[float, float]]:
    """The champion's mean loss, and the deviation of one row's, in each labelled window not counted
    yet that it wasn't trained on, oldest first. A window with next to no labels says too little to
    count."""
    champion = _member(state)
    if champion is None:
        return []
    enough = min(FEWEST_ROWS, max(1.0, facts.rows_per_window))
    windows = facts.losses.get(champion.version, {})
    since = max(state.counted + 1, champion.cut)
    return [
        (float(np.mean(windows[window])), float(np.std(windows[window])))
        for window in sorted(windows)
        if since <= window <= facts.labelled and len(windows[window]) >= enough
    ]


def _accumulate(state: State, facts: Facts) -> tuple[State, list[float]]:
    """The one-sided cumulative sum of errors above the champion's usual loss and what chance allows
    (Page 1954), the reference following falls quickly and rises slowly."""
    area, reference, rows = state.area, state.reference, facts.rows_per_window
    seen = _uncounted(state, facts)
    for loss, deviation in seen:
        if reference is None:
            reference = loss
        reference += (FALLS if loss < reference else RISES) * (loss - reference)
        chance = ALLOWANCE * deviation * math.sqrt(rows)
        area = max(0.0, area + (loss - reference) * rows - chance)
    counted = max(state.counted, facts.labelled)
    return replace(state, area=area, reference=reference, counted=counted), [one for one, _ in seen]


def _recipes(state: State, alarm: bool, room: int) -> tuple[Recipe, ...]:
    """The champion's recipe; the other one too at an alarm and every third time."""
    own = _own(state)
    other: Recipe = "last" if own == "all" else "all"
    recipes = (own, other) if alarm or state.asked % ALTERNATE == 1 else (own,)
    if alarm and room < 2:
        recipes = ("last",)
    return recipes[: max(0, room)]


def _member(state: State) -> Member | None:
    return next((member for member in state.pool if member.version == state.champion), None)


def _own(state: State) -> Recipe:
    champion = _member(state)
    return champion.recipe if champion else "all"


def _newest(pool: Sequence[Member], champion: int | None) -> tuple[Member, ...]:
    """The newest ones, and the champion."""
    kept = set(pool[-POOL:])
    return tuple(m for m in pool if m in kept or m.version == champion)


def _serving(state: State, version: int) -> State:
    # The reference stays: a model trained as the world turned must not set its own standard.
    return replace(state, champion=version, area=0.0)


def _moment(facts: Facts) -> dict[str, Any]:
    return {"window": facts.window, "labelled": facts.labelled}


def _keep(state: State, reason: str, numbers: dict[str, Any], serve: int | None = None) -> Decision:
    outcome = Outcome("keep" if serve is None else "move", _moved(reason, serve), numbers)
    return Decision(state, serve, (), "", outcome)


def _train(
    state: State,
    why: tuple[Literal["schedule", "harm"], str],
    recipes: tuple[Recipe, ...],
    numbers: dict[str, Any],
    serve: int | None = None,
) -> Decision:
    numbers = numbers | {"train": list(recipes)}
    outcome = Outcome("train", _moved(why[1], serve), numbers)
    return Decision(state, serve, recipes, why[0], outcome)


def _moved(reason: str, serve: int | None) -> str:
    if serve is None:
        return reason
    return f"version {serve} of the pool does better on labels neither was trained on; {reason}"
