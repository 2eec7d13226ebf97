"""Which arm a subject gets."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslayer.judgement.assignment import arm, bucket

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
