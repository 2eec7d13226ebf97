"""A capability's releases: one line of numbers, each made from the one before."""

from __future__ import annotations

import multiprocessing
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backend import database_at

from opslayer.errors import NotFound, StaleParent
from opslayer.records import Release, Variant, Verdict, VerdictKind
from opslayer.stores.ledger import Ledger

AT = datetime(2024, 5, 6, tzinfo=UTC)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(database_at(tmp_path / "ledger.db"))


def release(parent: int, model: int, **more: object) -> Release:
    fields = {
        "capability": "bike-demand",
        "number": parent + 1,
        "parent": parent,
        "at": AT,
        "by": "loop",
        "reason": "it won",
        "variants": (Variant(name=f"model-{model}", model_version=model),),
    }
    return Release.model_validate({**fields, **more})


def test_nothing_serves_before_the_first_release(ledger: Ledger) -> None:
    assert ledger.releases.newest("bike-demand") is None
    assert ledger.releases.all("bike-demand") == []
    with pytest.raises(NotFound, match="no release 1: nothing was released yet"):
        ledger.releases.get("bike-demand", 1)


def test_a_release_comes_back_as_it_was_published(ledger: Ledger) -> None:
    first = ledger.releases.publish(release(0, 1, cause="a", evidence=("x", "y")))
    second = ledger.releases.publish(release(1, 2))
    assert (
        ledger.releases.get("bike-demand", 1)
        == first
        == release(0, 1, cause="a", evidence=("x", "y"))
    )
    assert ledger.releases.newest("bike-demand") == second
    assert ledger.releases.all("bike-demand") == [first, second]
    assert ledger.releases.newest("digit-images") is None
    with pytest.raises(NotFound, match="no release 3: there are 1 to 2"):
        ledger.releases.get("bike-demand", 3)


@pytest.mark.parametrize(("parent", "number"), [(0, 1), (1, 2), (3, 4), (2, 4), (2, 2), (0, 3)])
def test_only_the_newest_release_can_be_a_parent_of_the_next_number(
    ledger: Ledger, parent: int, number: int
) -> None:
    ledger.releases.publish(release(0, 1))
    ledger.releases.publish(release(1, 2))
    with pytest.raises(StaleParent, match="what serves now is release 2 by loop"):
        ledger.releases.publish(release(parent, 3, number=number))
    assert len(ledger.releases.all("bike-demand")) == 2


def test_a_cause_leads_to_one_release_however_often_it_asks(ledger: Ledger) -> None:
    first = ledger.releases.publish(release(0, 1, cause="a"))
    assert ledger.releases.publish(release(0, 2, cause="a")) == first
    assert ledger.releases.publish(release(1, 2, cause="a")) == first
    assert ledger.releases.for_cause("bike-demand", "a") == first
    assert ledger.releases.for_cause("bike-demand", "b") is None
    assert ledger.releases.all("bike-demand") == [first]


def test_the_verdict_is_kept_with_the_release_or_not_at_all(ledger: Ledger) -> None:
    def told(number: int) -> Verdict:
        return Verdict(
            capability="bike-demand",
            kind=VerdictKind.PROMOTION,
            about=f"release {number}",
            outcome="promote",
            reason="it won",
            at=AT,
        )

    ledger.releases.publish(release(0, 1), told(1))
    with pytest.raises(StaleParent):
        ledger.releases.publish(release(1, 2, number=3), told(3))
    assert ledger.verdicts.list("bike-demand") == [told(1)]


def test_of_promotions_that_race_from_one_parent_one_wins(ledger: Ledger) -> None:
    start = FORK.Event()
    results = FORK.Queue()

    def race(model: int) -> None:
        start.wait()
        for parent in range(20):
            try:
                ledger.releases.publish(release(parent, model))
                results.put((parent, model))
            except StaleParent:
                results.put((parent, None))
            while len(ledger.releases.all("bike-demand")) <= parent:
                time.sleep(0.001)

    racers = [FORK.Process(target=race, args=(model,)) for model in (1, 2, 3, 4)]
    for racer in racers:
        racer.start()
    start.set()
    said = [results.get(timeout=60) for _ in range(80)]
    for racer in racers:
        racer.join()
    winners = sorted((parent, model) for parent, model in said if model is not None)
    history = ledger.releases.all("bike-demand")
    assert [made.number for made in history] == list(range(1, 21))
    assert [(made.parent, made.champion.model_version) for made in history] == winners
