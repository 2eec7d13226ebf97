"""The retraining policies: budgets hold whatever happens, and `pays` trains where it pays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.capability import Policy, Retrain
from opslayer.judgement import policy
from opslayer.judgement.policy import Facts, Member, State

Rows = np.ndarray[Any, Any]
ROWS = 200


@dataclass
class Replay:
    """A stream of windows with labels one window late, replayed through one policy. The learner
    is least squares on 0/1 labels; the gate lets every successor through."""

    stream: list[tuple[Rows, Rows]]
    """Features and labels of each window; window 0 trains the first model."""
    rules: Retrain
    models: dict[int, Rows] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    compared: list[tuple[int, int]] = field(default_factory=list)
    trainings: list[tuple[int, str]] = field(default_factory=list)
    moves: list[tuple[int, int]] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    state: State = field(init=False)

    def run(self) -> Replay:
        first = self.fit("last", 0)
        self.state = policy.begin(first, 0, self.rules)
        for window in range(1, len(self.stream)):
            self.errors.append(float(np.mean(self.losses(self.state.champion, window))))
            self.step(window)
        return self

    def step(self, window: int) -> None:
        labelled = window - 1
        losses = {
            version: {w: self.losses(version, w) for w in range(member.cut, labelled + 1)}
            for version, member in self.members.items()
        }
        decision = policy.decide(self.state, Facts(window, labelled, losses, ROWS), self.rules)
        json.dumps(decision.outcome.numbers, allow_nan=False)
        self.state = State.from_json(json.loads(json.dumps(decision.state.to_json())))
        if decision.serve is not None:
            self.moves.append((window, decision.serve))
        if decision.train:
            fresh = [self.fit(recipe, labelled) for recipe in decision.train]
            self.trainings += [(window, decision.because)] * len(fresh)
            chosen = policy.successor(self.state, fresh)
            served = chosen.version if chosen else None
            self.state = policy.trained(self.state, fresh, window, served, self.rules)

    def fit(self, recipe: policy.Recipe, last: int) -> Member:
        """Train on windows up to `last`, and give the new model the next version."""
        windows = self.stream[0 if recipe == "all" else max(0, last - 1) : last + 1]
        features, labels = (np.concatenate(part) for part in zip(*windows, strict=True))
        weights = np.linalg.lstsq(features, 2 * labels - 1, rcond=None)[0]
        version = len(self.models) + 1
        self.models[version] = weights
        self.members[version] = Member(version, recipe, last + 1)
        return self.members[version]

    def losses(self, version: int | None, window: int) -> Rows:
        assert version is not None
        features, labels = self.stream[window]
        return np.asarray((features @ self.models[version] > 0) != labels, dtype=float)


def stream(concept: Callable[[int], float], windows: int = 80) -> list[tuple[Rows, Rows]]:
    """Labels follow a line that `concept(window)` turns by an angle, with 10 % noise."""
    rng = np.random.default_rng(61)
    made = []
    for window in range(windows):
        features = rng.normal(size=(ROWS, 2))
        angle = concept(window)
        labels = features @ np.array([np.cos(angle), np.sin(angle)]) > 0
        made.append((features, (labels ^ (rng.random(ROWS) < 0.1)).astype(float)))
    return made


def calm(window: int) -> float:
    return 0.0


def sudden(window: int) -> float:
    return 0.0 if window < 40 else 2.5


def recurring(window: int) -> float:
    return 2.5 * (window // 25 % 2)


PAYS = Retrain(policy=Policy.PAYS)


@pytest.mark.parametrize("concept", [calm, sudden, recurring])
def test_pays_stays_within_its_budget(concept: Callable[[int], float]) -> None:
    replay = Replay(stream(concept), PAYS).run()
    for window in range(1, 81):
        done = sum(at <= window for at, _ in replay.trainings)
        assert done <= max(4, 0.25 * window)


def test_pays_hears_no_harm_on_a_calm_stream() -> None:
    replay = Replay(stream(calm), PAYS).run()
    assert [because for _, because in replay.trainings].count("harm") <= 2
    assert len(replay.trainings) <= 20  # "always" trains 79


def test_pays_recovers_from_a_sudden_swap_within_its_gap_and_the_delay() -> None:
    replay = Replay(stream(sudden), PAYS).run()
    before, after = replay.errors[30:39], replay.errors[39:]
    assert after[0] >= 0.5
    # Seen a window late, trained at least 3 windows after the last training, on the last windows.
    answered = [at for at, _ in replay.trainings if at >= 41]
    assert answered[0] <= 41 + policy.GAP
    recovered = next(n for n, loss in enumerate(after) if loss <= np.mean(before) + 0.05)
    assert recovered <= policy.GAP + 4
    assert np.mean(after[recovered:]) <= np.mean(before) + 0.05


def test_where_the_world_comes_back_an_old_model_serves_again_without_training() -> None:
    replay = Replay(stream(recurring, 120), PAYS).run()
    back = [(at, version) for at, version in replay.moves if at - replay.members[version].cut > 8]
    assert len(back) >= 3
    never = Replay(stream(recurring, 120), Retrain(policy=Policy.NEVER)).run()
    assert np.mean(replay.errors) <= 0.6 * np.mean(never.errors)


@pytest.mark.parametrize(
    ("name", "trainings"), [(Policy.NEVER, 0), (Policy.ALWAYS, 79), (Policy.EVERY_K, 15)]
)
def test_the_plain_policies_train_as_often_as_they_say(name: Policy, trainings: int) -> None:
    replay = Replay(stream(sudden), Retrain(policy=name, every=5)).run()
    assert len(replay.trainings) == trainings
    assert replay.moves == []


def test_on_drop_trains_after_the_drop_and_hardly_ever_before() -> None:
    replay = Replay(stream(sudden), Retrain(policy=Policy.ON_DROP, drop=0.1)).run()
    windows = [at for at, _ in replay.trainings]
    assert 41 in windows
    assert sum(at < 41 for at in windows) <= 2
    # Trained on one window of either concept, and serving: from there it counts anew.
    assert np.mean(replay.errors[-20:]) <= 0.5 * replay.errors[39]


def test_on_drop_asks_again_while_the_gate_lets_no_model_through() -> None:
    rules = Retrain(policy=Policy.ON_DROP, drop=0.1)
    state = policy.begin(Member(1, "all", 0), 0, rules)
    losses = {1: {0: np.full(50, 0.1), 1: np.full(50, 0.3), 2: np.full(50, 0.3)}}
    asked = []
    for window in (1, 2, 3):
        decision = policy.decide(state, facts_of(losses, window), rules)
        asked.append(decision.train)
        state = decision.state
        if decision.train:
            fresh = [Member(window + 1, "all", window)]
            state = policy.trained(state, fresh, window, None, rules)
    assert asked == [(), ("all",), ("all",)]


members = st.builds(
    Member,
    version=st.integers(1, 50),
    recipe=st.sampled_from(["all", "last"]),
    cut=st.integers(0, 60),
)
states = st.builds(
    State,
    start=st.integers(0, 50),
    next=st.integers(0, 99),
    area=st.floats(0, 1e6),
    reference=st.none() | st.floats(0, 10),
    trained=st.integers(0, 99),
    asked=st.integers(0, 99),
    last_training=st.integers(0, 99),
    champion=st.none() | st.integers(1, 50),
    pool=st.lists(members, max_size=11, unique_by=lambda member: member.version).map(tuple),
    counted=st.integers(-1, 99),
)


@given(states)
def test_a_state_survives_the_ledger(state: State) -> None:
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


jumps = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6), st.booleans()), max_size=60)


@settings(max_examples=60, deadline=None)
@given(jumps, st.integers(0, 2**32 - 1), st.sampled_from(list(Policy)))
def test_pays_never_trains_more_than_a_quarter_whatever_the_losses(
    jumped: list[tuple[int, int, bool]], seed: int, name: Policy
) -> None:
    """Windows are left out, labels come late and in lumps, trainings fail, losses are anything."""
    rng = np.random.default_rng(seed)
    rules = Retrain(policy=name)
    member = Member(1, "all", 0)
    state, window, version = policy.begin(member, 0, rules), 0, 1
    losses: dict[int, dict[int, Rows]] = {}
    for jump, late, fails in jumped:
        window += jump
        for w in range(window + 1):
            rows = int(rng.integers(0, 60))
            for known in state.pool:
                if w >= known.cut:
                    losses.setdefault(known.version, {}).setdefault(w, rng.random(rows))
        same = {v: {w: rows[:1] for w, rows in of.items()} for v, of in losses.items()}
        facts = Facts(window, window - late, same, float(rng.integers(0, 2_000)))
        decision = policy.decide(state, facts, rules)
        state = decision.state
        assert decision.serve is None or name == Policy.PAYS
        if decision.train and not fails:
            fresh = [Member(version + n + 1, r, window) for n, r in enumerate(decision.train)]
            version += len(fresh)
            state = policy.trained(state, fresh, window, rng.choice([None, version]), rules)
        assert len(state.pool) <= policy.POOL + 1
        if name == Policy.PAYS:
            assert state.trained <= max(4, 0.25 * window)


def facts_of(losses: dict[int, dict[int, Rows]], window: int) -> Facts:
    return Facts(window, window - 1, losses, 100.0)


def pool_of(*pool: Member) -> State:
    state = policy.begin(pool[0], 0, PAYS)
    return State(**(state.__dict__ | {"pool": pool, "next": 99}))


def test_a_free_move_never_compares_on_rows_that_either_was_trained_on() -> None:
    """The pool's model is perfect on windows it learnt from, and worse on the others."""
    state = pool_of(Member(1, "all", 2), Member(2, "all", 7))
    ours = {w: np.full(50, 0.5) for w in range(10)}
    theirs = {w: np.zeros(50) if w < 7 else np.full(50, 0.9) for w in range(10)}
    assert policy.decide(state, facts_of({1: ours, 2: theirs}, 10), PAYS).serve is None
    assert policy.decide(state, facts_of({1: ours, 2: theirs}, 7), PAYS).serve is None
    for w in range(7, 10):
        theirs[w] = np.full(50, 0.1)
    decision = policy.decide(state, facts_of({1: ours, 2: theirs}, 10), PAYS)
    assert (decision.serve, decision.outcome.outcome) == (2, "move")
    assert decision.state.champion == 2


def test_a_handful_of_labels_moves_nobody_and_raises_no_alarm() -> None:
    state = pool_of(Member(1, "all", 0), Member(2, "all", 0))
    losses = {1: {w: np.ones(5) for w in range(5)}, 2: {w: np.zeros(5) for w in range(5)}}
    decision = policy.decide(state, facts_of(losses, 5), PAYS)
    assert (decision.serve, decision.train, decision.state.area) == (None, (), 0.0)


def test_labels_that_come_in_a_lump_are_counted_window_by_window_and_once() -> None:
    state = pool_of(Member(1, "all", 0))
    low, high = np.full(50, 0.1), np.full(50, 0.3)
    losses = {1: {0: low, 1: low, 4: high, 5: high}}
    lump = policy.decide(state, Facts(6, 5, losses, 100.0), PAYS).state
    one_by_one = state
    for window in range(7):
        one_by_one = policy.decide(one_by_one, facts_of(losses, window), PAYS).state
    assert lump.area == pytest.approx(one_by_one.area)
    assert lump.area > 30
    assert policy.decide(lump, Facts(6, 5, losses, 100.0), PAYS).state.area == lump.area


def test_a_fresh_model_succeeds_only_the_newest_of_its_own_recipe() -> None:
    old, new, other = Member(1, "all", 0), Member(2, "all", 5), Member(3, "last", 5)
    fresh = [Member(4, "all", 9), Member(5, "last", 9)]
    state = pool_of(new, old, other)
    assert policy.successor(pool_of(new, other), fresh) == fresh[0]
    assert policy.successor(pool_of(other, old, new), fresh) == fresh[1]
    assert policy.successor(state, fresh) is None  # version 1 is listed as the newer one
    assert policy.successor(pool_of(new, other), fresh[1:]) is None


def test_a_change_of_champion_from_outside_starts_the_count_anew() -> None:
    state = State(**(pool_of(Member(1, "all", 0)).__dict__ | {"area": 39.0, "reference": 0.2}))
    changed = policy.serving(state, Member(7, "last", 3))
    assert (changed.champion, changed.area, changed.reference) == (7, 0.0, 0.2)
    assert [member.version for member in changed.pool] == [7, 1]
    assert policy.serving(changed, Member(7, "last", 3)) == changed


def test_a_training_that_came_to_nothing_changes_nothing() -> None:
    state = pool_of(Member(1, "all", 0))
    assert policy.trained(state, [], 5, None, PAYS) == state
