"""What a trial counts as bad: by what the champion's last answers say, whatever the world does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from opslayer.capability import Capability
from opslayer.records import Canary, Release, Variant
from opslayer.steps.canary import Trial, look, signals
from opslayer.steps.heard import Call, Heard

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHOP = Capability.model_validate(
    {
        "name": "shop",
        "kind": "regression",
        "inputs": {"size": {"type": "number"}},
        "target": "price",
        "training": {"estimator": "sklearn.linear_model.Ridge"},
        "gate": {"metric": "mae"},
    }
)
ONE, TWO = (Variant(name=f"model-{n}", model_version=n) for n in (1, 2))


def trial(*shares: float) -> Trial:
    """A ramp of these shares."""
    releases = tuple(
        Release(
            capability="shop", number=number, parent=number - 1, at=NOW, by="loop", reason="r",
            variants=(ONE,), canary=Canary(variant=TWO, share=share, salt="s"),
        )
        for number, share in enumerate(shares, start=2)
    )  # fmt: skip
    assert releases[-1].canary is not None
    return Trial(SHOP, releases[-1].canary, releases)


def call(number: int, variant: Variant, **fields: object) -> Call:
    given = {
        "unit": f"rider-{number}", "named": True, "at": NOW + timedelta(seconds=number),
        "release": 2, "assigned": variant.name, "arms": {}, "left": False, "failed": False,
        "guarded": False, "latency_ms": 5.0, "cost": 0.0, "value": 10.0, **fields,
    }  # fmt: skip
    return Call(**given)  # type: ignore[arg-type]


def heard(calls: list[Call]) -> Heard:
    return Heard(SHOP, {}, calls={str(number): one for number, one in enumerate(calls)})


def drifting(canary_worse: float, seed: int) -> Heard:
    """Errors fall to a tenth half way, for everybody; the canary's are so many times as large."""
    rng = np.random.default_rng(seed)
    calls = []
    for number in range(3_000):
        tried = rng.random() < 0.1
        error = rng.exponential(10.0 if number < 1_500 else 1.0) * (canary_worse if tried else 1)
        calls.append(call(number, TWO if tried else ONE, truth=10.0 + error))
    return heard(calls)


def test_a_canary_that_is_further_off_is_found_while_errors_fall_for_all() -> None:
    outcome = look(trial(0.1), drifting(3.0, seed=1))
    assert outcome.outcome == "rollback"
    assert outcome.reason.startswith("label:")


@pytest.mark.parametrize("seed", range(8))
def test_errors_that_fall_for_all_are_no_harm(seed: int) -> None:
    outcome = look(trial(0.1), drifting(1.0, seed))
    assert outcome.outcome != "rollback"
    label = outcome.numbers["signals"]["label"]
    assert label["bad"][1] == pytest.approx(0.2, abs=0.03), "one in five of the champion's is bad"


def test_only_what_is_much_slower_than_the_champion_is_slow() -> None:
    rng = np.random.default_rng(4)
    for usual, factor, slow in ((100, 1.5, False), (100, 4.0, True), (1, 20.0, False)):
        calls = [
            call(
                number,
                TWO if number % 10 == 0 else ONE,
                latency_ms=usual * rng.normal(1, 0.1) * (factor if number % 10 == 0 else 1),
            )
            for number in range(2_000)
        ]
        outcome = look(trial(0.1), heard(calls))
        assert (outcome.outcome == "rollback") is slow


def test_a_unit_counts_where_it_was_met_first() -> None:
    calls = [
        call(1, ONE, unit="ann", failed=True),
        call(2, TWO, unit="ann", release=3),
        call(3, TWO, unit="bob", failed=True),
        call(4, TWO, unit="bob", release=3, failed=True),
    ]
    first, *rest = signals(trial(0.1, 0.5), heard(calls))["error"]
    assert (first.canary.units, first.canary.first_bad, first.control.units) == (1, 1, 1)
    assert rest == []


def test_who_leaves_is_counted_and_says_nothing_else() -> None:
    gone = {"left": True, "failed": None, "guarded": None, "latency_ms": None, "value": None}
    seen = signals(trial(0.1), heard([call(1, TWO, **gone), call(2, ONE)]))
    assert set(seen) == {"left"}
    assert seen["left"][0].canary.bad == 1
