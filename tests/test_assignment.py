"""Which arm a subject gets."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.judgement.assignment import Who, arm, assign, bucket, every_variant
from opslayer.records import Arm, Canary, Experiment, Release, Rule, Variant

HOUR = timedelta(hours=1)
weights = st.lists(st.floats(0, 100), min_size=1, max_size=6).filter(lambda some: sum(some) > 0)


@pytest.mark.parametrize(
    ("salt", "unit", "point"),
    [
        ("exp1", "user-1", 0.074499537096),
        ("exp1", "user-2", 0.084249499264),
        ("exp2", "user-1", 0.348312292938),
        ("", "", 0.248000234903),
        ("exp1", "üser", 0.927107638886),
    ],
)
def test_a_bucket_is_the_value_that_every_replica_computes(
    salt: str, unit: str, point: float
) -> None:
    assert bucket(salt, unit) == pytest.approx(point, abs=1e-12)


def test_a_hundred_thousand_users_fall_into_arms_by_their_weights() -> None:
    arms = Counter(arm(bucket("exp1", f"user-{i}"), (0.5, 0.3, 0.2)) for i in range(100_000))
    assert [arms[0], arms[1], arms[2]] == [50_062, 29_926, 20_012]


@given(weights, st.floats(0, 1, exclude_max=True))
def test_an_arm_without_weight_gets_nobody(some: list[float], point: float) -> None:
    assert some[arm(point, some)] > 0


@given(st.floats(0, 1, exclude_max=True), st.floats(0.05, 0.5), st.floats(0, 0.4))
def test_a_growing_arm_takes_over_only_the_share_that_moved(
    point: float, share: float, more: float
) -> None:
    before, after = arm(point, (1 - share, share)), arm(point, (1 - share - more, share + more))
    assert before == after or (before == 0 and after == 1 and 1 - share - more <= point)


def test_no_weight_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no arm has any weight"):
        arm(0.5, (0.0, 0.0))


AT = datetime(2026, 3, 6, 18, tzinfo=UTC)
ONE, TWO, THREE = (Variant(name=f"model-{n}", model_version=n) for n in (1, 2, 3))


def release(**fields: Any) -> Release:
    given = {"variants": (ONE,), **fields}
    return Release(
        capability="shop", number=7, parent=6, at=AT, by="ann", reason="because", **given
    )


def who(unit: str = "ann", **fields: Any) -> Who:
    return Who(unit, AT, **fields)


def test_the_first_rule_that_holds_comes_before_shares_and_trials() -> None:
    canary = Canary(variant=THREE, share=0.999, salt="t")
    rules = (
        Rule(variant="model-2", tenants=("acme",), segment={"plan": ("gold", "trial")}),
        Rule(variant="model-1", tenants=("acme",), until=AT),
    )
    its = release(variants=(ONE, TWO.model_copy(update={"weight": 0})), rules=rules, canary=canary)
    gold = assign(its, who(tenant="acme", segment={"plan": "gold"}))
    assert (gold.variant.name, gold.arms) == ("model-2", {})
    assert gold.why == "a rule for tenant acme, plan = gold or trial picks model-2"
    assert assign(its, who(tenant="acme", segment={"plan": "free"})).variant is THREE
    assert assign(its, who(tenant="other", segment={"plan": "gold"})).variant is THREE


@pytest.mark.parametrize(("since", "until", "held"), [(0, 1, True), (1, 2, False), (-1, 0, False)])
def test_a_rule_holds_from_its_first_moment_to_before_its_last(
    since: int, until: int, held: bool
) -> None:
    rule = Rule(variant="model-2", since=AT + since * HOUR, until=AT + until * HOUR)
    its = release(variants=(ONE, TWO.model_copy(update={"weight": 0})), rules=(rule,))
    assert (assign(its, who()).variant.name == "model-2") is held


@settings(max_examples=50, deadline=None)
@given(narrow=st.floats(0.01, 0.5), more=st.floats(0, 0.49), seed=st.integers(0, 10**6))
def test_who_has_a_trial_keeps_it_as_it_widens_and_nobody_else_moves(
    narrow: float, more: float, seed: int
) -> None:
    shared = (ONE.model_copy(update={"weight": 0.7}), TWO.model_copy(update={"weight": 0.3}))
    first, second = (
        release(variants=shared, canary=Canary(variant=THREE, share=share, salt="t"))
        for share in (narrow, narrow + more)
    )
    none = release(variants=shared)
    for number in range(50):
        before, after, without = (
            assign(its, who(f"{seed}-{number}")).variant.name for its in (first, second, none)
        )
        assert before in {"model-3", without}
        assert after in {"model-3", before}


def test_arms_set_model_and_prompt_together_and_a_caller_without_a_name_is_in_none() -> None:
    pool = Variant(name="main-plain-1", pool="main", prompt="plain", prompt_version=1)
    engine = Experiment(
        name="engine",
        since=AT,
        by="ann",
        arms=(Arm(name="a", pool="other"), Arm(name="b", pool="x")),
    )
    tone = Experiment(
        name="tone", since=AT, by="ann",
        arms=(Arm(name="p"), Arm(name="w", prompt="warm", prompt_version=4)),
    )  # fmt: skip
    its = release(variants=(pool,), experiments=(engine, tone))
    named = {assign(its, who(f"rider-{number}")).variant.name for number in range(50)}
    assert named == {"other-plain-1", "other-warm-4", "x-plain-1", "x-warm-4"}
    assert named | {"main-plain-1"} == {one.name for one in every_variant(its)}
    nameless = assign(its, who(named=False))
    assert (nameless.variant, nameless.arms) == (pool, {})


def test_arms_of_two_experiments_are_independent() -> None:
    arms = (Arm(name="a"), Arm(name="b"))
    both = [Experiment(name=name, since=AT, by="ann", arms=arms) for name in ("one", "two")]
    its = release(experiments=tuple(both))
    met = Counter(tuple(assign(its, who(str(n))).arms.values()) for n in range(4_000))
    assert all(abs(count - 1_000) < 120 for count in met.values()), "four standard errors"
