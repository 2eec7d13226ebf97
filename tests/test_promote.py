"""Promotion, rollback, and MLflow's alias behind them: real ledger, real registry, real kills."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from backend import copy_home

from benchmarks.kills import kill_points
from benchmarks.promotion_race import RACED, register, stores_at
from opslayer.errors import NotFound, Refused, StaleParent
from opslayer.records import Release, Verdict, VerdictKind
from opslayer.steps.promote import Promotion, Rollback, follow, promote, rollback
from opslayer.stores import Stores

AT = datetime(2024, 5, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three registered versions and no release; a registry takes seconds to make."""
    home = tmp_path_factory.mktemp("registered") / "home"
    register(str(home), 3)
    return home


@pytest.fixture
def home(registered: Path, tmp_path: Path) -> Path:
    return copy_home(registered, tmp_path / "home")


@pytest.fixture
def stores(home: Path) -> Stores:
    return stores_at(str(home))


def decision(parent: int, **more: object) -> Promotion:
    fields = {"by": "ann", "reason": "it won", "cause": None, "evidence": (), "at": AT}
    return Promotion(parent=parent, **{**fields, **more})  # type: ignore[arg-type]


def back(reason: str = "it harms", to: int | None = None, by: str = "ann") -> Rollback:
    return Rollback(by=by, reason=reason, at=AT, to=to)


def three_releases(stores: Stores) -> None:
    for version in (1, 2, 3):
        promote(RACED, version, stores, decision(version - 1))


def served(stores: Stores) -> tuple[int | None, int | None]:
    """What the ledger's newest release and MLflow's alias name."""
    newest = stores.ledger.releases.newest(RACED.name)
    return newest.champion.model_version if newest else None, stores.models.champion(RACED.name)


def told(stores: Stores, release: Release) -> Verdict:
    (verdict,) = (
        verdict
        for verdict in stores.ledger.verdicts.list(RACED.name, VerdictKind.PROMOTION)
        if verdict.numbers["release"] == release.number
    )
    return verdict


def test_a_promotion_is_a_release_a_verdict_and_an_alias(stores: Stores) -> None:
    version = stores.ledger.versions.get(RACED.name, 1)
    first = promote(RACED, version, stores, decision(0, cause="harm-1", evidence=("gate",)))
    assert (first.number, first.parent, first.champion.model_version) == (1, 0, 1)
    assert (first.cause, first.evidence, first.at) == ("harm-1", ("gate",), AT)
    second = promote(RACED, 2, stores, decision(1))
    assert served(stores) == (2, 2)
    verdict = told(stores, second)
    assert verdict.outcome == "promote"
    assert verdict.numbers == {
        "release": 2,
        "parent": 1,
        "version": 2,
        "replaced_version": 1,
        "canary": None,
        "evidence": [],
    }


def test_a_promotion_from_an_old_parent_changes_nothing(stores: Stores) -> None:
    three_releases(stores)
    for parent in (0, 1, 2, 4):
        with pytest.raises(StaleParent):
            promote(RACED, 1, stores, decision(parent))
    assert served(stores) == (3, 3)
    assert len(stores.ledger.releases.all(RACED.name)) == 3


def test_a_cause_that_asks_again_gets_its_release_back(stores: Stores) -> None:
    first = promote(RACED, 1, stores, decision(0, cause="harm-1"))
    promote(RACED, 2, stores, decision(1))
    assert promote(RACED, 1, stores, decision(0, cause="harm-1")) == first
    assert served(stores) == (2, 2)


def test_a_person_who_asks_again_in_the_same_words_gets_the_release_back(stores: Stores) -> None:
    first = promote(RACED, 1, stores, decision(0))
    assert promote(RACED, 1, stores, decision(1)) == first
    assert len(stores.ledger.releases.all(RACED.name)) == 1


def test_the_champion_is_not_promoted_again(stores: Stores) -> None:
    promote(RACED, 1, stores, decision(0))
    with pytest.raises(Refused, match="model-1 is the champion already, since release 1 by ann"):
        promote(RACED, 1, stores, decision(1, by="bob"))


def test_a_decision_without_a_name_or_a_reason_is_refused(stores: Stores) -> None:
    with pytest.raises(Refused, match="by and reason must not be empty"):
        promote(RACED, 1, stores, decision(0, by=" ", reason=""))
    with pytest.raises(Refused, match=r"^reason must not be empty"):
        rollback(RACED, stores, back(reason="\n"))
    assert stores.ledger.releases.all(RACED.name) == []


def test_an_unknown_version_names_the_known_ones(stores: Stores) -> None:
    with pytest.raises(NotFound, match="no model version 9: there are 1, 2, 3"):
        promote(RACED, 9, stores, decision(0))


def test_a_rollback_serves_again_what_the_parent_served(stores: Stores) -> None:
    three_releases(stores)
    made = rollback(RACED, stores, back())
    assert (made.number, made.parent, made.by) == (4, 3, "ann")
    assert made.reason == "back to release 2: it harms"
    assert served(stores) == (2, 2)
    verdict = told(stores, made)
    assert (verdict.outcome, verdict.numbers["replaced_version"]) == ("rollback", 3)


def test_a_rollback_can_name_its_release(stores: Stores) -> None:
    three_releases(stores)
    assert rollback(RACED, stores, back(to=1)).reason == "back to release 1: it harms"
    assert served(stores) == (1, 1)


@pytest.mark.parametrize("to", [None, 2, 1])
def test_a_rollback_asked_for_twice_goes_back_once(stores: Stores, to: int | None) -> None:
    three_releases(stores)
    made = rollback(RACED, stores, back(to=to))
    assert rollback(RACED, stores, back(to=to)) == made
    assert len(stores.ledger.releases.all(RACED.name)) == 4
    assert rollback(RACED, stores, back(to=3, reason="a mistake")).number == 5
    assert served(stores) == (3, 3)


def test_a_rollback_that_leads_nowhere_is_refused(stores: Stores) -> None:
    with pytest.raises(Refused, match="nothing was released yet"):
        rollback(RACED, stores, back())
    promote(RACED, 1, stores, decision(0))
    with pytest.raises(Refused, match="there is only release 1"):
        rollback(RACED, stores, back())
    promote(RACED, 2, stores, decision(1))
    with pytest.raises(Refused, match="release 2 serves what release 2 served"):
        rollback(RACED, stores, back(to=2))
    with pytest.raises(NotFound, match="no release 7: there are 1 to 2"):
        rollback(RACED, stores, back(to=7))
    assert served(stores) == (2, 2)


def test_the_alias_is_mended_from_the_ledger(stores: Stores) -> None:
    assert follow(RACED, stores) is None
    assert stores.models.champion(RACED.name) is None
    three_releases(stores)
    stores.models.set_champion(RACED.name, 1)
    followed = follow(RACED, stores)
    assert followed is not None
    assert followed.number == 3
    assert served(stores) == (3, 3)


def _promote_next(home: str) -> None:
    """What is killed below: the version that does not serve becomes champion."""
    stores = stores_at(home)
    newest = stores.ledger.releases.newest(RACED.name)
    assert newest is not None
    other = 2 if newest.champion.model_version == 1 else 1
    asked = decision(newest.number, cause=f"harm-{newest.number}")
    promote(RACED, other, stores, asked)


def _roll_back_next(home: str) -> None:
    stores = stores_at(home)
    newest = stores.ledger.releases.newest(RACED.name)
    assert newest is not None
    rollback(RACED, stores, back(reason=f"release {newest.number} harms"))


@pytest.mark.parametrize("work", [_promote_next, _roll_back_next])
def test_a_kill_at_any_write_leaves_old_or_new_and_the_next_look_mends_it(
    home: Path, stores: Stores, work: object
) -> None:
    promote(RACED, 1, stores, decision(0))
    promote(RACED, 2, stores, decision(1))
    releases, before, seen = stores.ledger.releases, 2, set()
    for _ in kill_points(work, str(home)):  # type: ignore[arg-type]
        history = releases.all(RACED.name)
        assert [made.number for made in history] == list(range(1, len(history) + 1))
        assert len(history) in (before, before + 1)
        decided, alias = served(stores)
        seen.add((len(history) - before, alias == decided))
        assert told(stores, history[-1]).numbers["version"] == decided
        follow(RACED, stores)
        assert served(stores) == (decided, decided)
        before = len(history)
    assert len(releases.all(RACED.name)) == before + 1
    assert len(set(served(stores))) == 1
    # Some died before the release, some between it and the alias, some after both.
    assert seen == {(0, True), (1, False), (1, True)}
