"""The queue's order, the estimate from its random share, and how far reviewers agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opslayer.judgement.agreement import alpha, kappas
from opslayer.judgement.assignment import bucket
from opslayer.judgement.queue import Waiting, disagreement, order
from opslayer.judgement.sample import Drawn, quality


def waiting(n: int, **given: Any) -> Waiting:
    nothing = np.zeros(n)
    parts = {"disagreeing": nothing, "disliked": nothing > 0, "drifting": nothing > 0, **given}
    return Waiting([f"r{at}" for at in range(n)], **parts)


def with_doubt(doubts: list[float]) -> Waiting:
    """Two-class probabilities whose margins leave the given doubts; every row its own class."""
    n = len(doubts)
    given = np.zeros((n, 2 * n))
    for at, doubt in enumerate(doubts):
        given[at, 2 * at : 2 * at + 2] = [1 - doubt / 2, doubt / 2]
    return waiting(n, probabilities=given)


def test_every_row_has_one_place() -> None:
    places = order(waiting(500), 0.1, "salt")
    assert sorted(place.row for place in places) == list(range(500))


def test_the_more_unsure_the_model_the_earlier() -> None:
    places = order(with_doubt([0.1, 0.9, 0.5]), 1e-9, "salt")
    assert [place.row for place in places] == [1, 2, 0]
    assert [place.reasons for place in places] == [("uncertain",), ("uncertain",), ("unlabelled",)]


def test_disagreement_bad_ratings_and_drift_add_to_a_rows_score() -> None:
    rows = waiting(
        4,
        disagreeing=np.array([0, 0.8, 0.8, 0]),
        disliked=np.array([False, False, True, True]),
        drifting=np.array([True, False, False, False]),
    )
    places = order(rows, 1e-9, "salt")
    assert [place.row for place in places] == [2, 1, 3, 0]
    assert [place.score for place in places] == pytest.approx([1.3, 0.8, 0.5, 0.25])


def test_rows_of_one_likeliest_class_do_not_crowd_out_the_others() -> None:
    given = np.zeros((40, 3))
    given[:30] = [0.5, 0.4, 0.1]  # 30 rows of class 0, a little more unsure
    given[30:] = [0.15, 0.55, 0.3]
    places = order(waiting(40, probabilities=given), 1e-9, "salt")
    first = [place.row for place in places[:10]]
    assert any(row >= 30 for row in first)
    assert any(row < 30 for row in first)


def test_of_any_stretch_of_places_the_random_share_has_its_share_in_the_order_of_the_hash() -> None:
    places = order(waiting(2_000), 0.1, "salt")
    drawn = [at for at, place in enumerate(places) if place.reasons == ("random",)]
    for stretch in range(0, 1_000, 100):
        assert sum(stretch <= at < stretch + 100 for at in drawn) == 10
    points = [bucket("salt", f"r{places[at].row}") for at in drawn]
    assert points == sorted(points)
    assert max(points) < 0.1
    assert {places[at].probability for at in drawn} == {0.1}


def test_disagreement_is_none_among_equals_and_whole_between_halves() -> None:
    assert disagreement([0.7]) == 0
    assert disagreement([0.7, 0.7]) == 1
    assert disagreement([0.9, 0.3]) == pytest.approx(0.5)


def drawn_from(right: np.ndarray, salt: str, share: float, looked: float) -> list[Drawn]:
    """What a desk draws from a population, and looks at in the order of the hash."""
    points = {at: bucket(salt, f"r{at}") for at in range(len(right))}
    chance = sorted((at for at in points if points[at] < share), key=points.__getitem__)
    done = round(looked * len(chance))
    return [
        Drawn(share, bool(right[at]) if place < done else None) for place, at in enumerate(chance)
    ]


@pytest.mark.parametrize("looked", [1.0, 0.5])
def test_the_estimate_is_unbiased_where_the_queue_as_a_whole_is_not(looked: float) -> None:
    draw = np.random.default_rng(1)
    right = draw.random(2_000) < 0.8
    told = [
        quality(drawn_from(right, f"seed {seed}", 0.1, looked), len(right)) for seed in range(400)
    ]
    values = np.array([one.value for one in told])
    unbiased = np.array([one.unbiased for one in told])
    for figures in (values, unbiased):
        error = figures.std() / len(figures) ** 0.5
        assert abs(figures.mean() - right.mean()) < 3.5 * error
    covered = np.mean([one.low <= right.mean() <= one.high for one in told])
    assert 0.92 <= covered <= 0.99


def test_rows_drawn_with_different_probabilities_stand_for_as_many_as_they_should() -> None:
    draw = np.random.default_rng(2)
    right = draw.random(1_000) < np.where(np.arange(1_000) < 500, 0.9, 0.3)
    chance = np.where(np.arange(1_000) < 500, 0.4, 0.1)
    estimates = []
    for _ in range(400):
        taken = np.flatnonzero(draw.random(1_000) < chance)
        drawn = [Drawn(float(chance[at]), bool(right[at])) for at in taken]
        estimates.append(quality(drawn, 1_000).unbiased)
    error = np.std(estimates) / len(estimates) ** 0.5
    assert abs(np.mean(estimates) - right.mean()) < 3.5 * error
    plain = np.mean([right[np.flatnonzero(draw.random(1_000) < chance)].mean() for _ in range(400)])
    assert abs(plain - right.mean()) > 0.1  # as it would be without the probabilities


def test_nothing_looked_at_gives_no_estimate() -> None:
    assert quality([Drawn(0.1, None)], 10).value is None
    assert quality([], 0).value is None


def test_alpha_is_the_published_one_for_nominal_and_interval_data() -> None:
    # Krippendorff 2011, example C: four observers, twelve units, values missing.
    units = [
        {"a": 1, "b": 1, "d": 1}, {"a": 2, "b": 2, "c": 3, "d": 2}, dict.fromkeys("abcd", 3),
        dict.fromkeys("abcd", 3), dict.fromkeys("abcd", 2), {"a": 1, "b": 2, "c": 3, "d": 4},
        dict.fromkeys("abcd", 4), {"a": 1, "b": 1, "c": 2, "d": 1}, dict.fromkeys("abcd", 2),
        {"b": 5, "c": 5, "d": 5}, {"c": 1, "d": 1}, {"c": 3},
    ]  # fmt: skip
    assert alpha(units).value == pytest.approx(0.743, abs=0.0005)
    assert alpha(units, numeric=True).value == pytest.approx(0.849, abs=0.0005)


def test_kappa_is_the_textbooks_and_lies_in_its_interval() -> None:
    table = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
    rows = [{"ada": one, "bob": other} for (one, other), n in table.items() for _ in range(n)]
    found = kappas(rows)["ada", "bob"]
    assert found.value == pytest.approx(0.4)
    assert found.same == pytest.approx(0.7)
    assert found.low is not None
    assert found.high is not None
    assert 0.1 < found.low < 0.4 < found.high < 0.7


def test_answers_by_chance_agree_no_more_than_chance_and_one_answer_alone_defines_nothing() -> None:
    draw = np.random.default_rng(0)
    rows = [{"a": one, "b": other} for one, other in draw.integers(3, size=(3_000, 2)).tolist()]
    value = alpha(rows).value
    assert value is not None
    assert abs(value) < 0.05
    assert alpha([{"a": 1, "b": 1}] * 5).value is None
    assert alpha([{"a": 1}]).value is None
