"""Rules of a capability's file as tags."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lake_content import LATER, START, add_rows, add_tags, capability, outcome, row

from opslayer.capability import Capability
from opslayer.settings import Settings
from opslayer.steps.labels import labels
from opslayer.steps.tag import tag
from opslayer.stores import Stores

TEXTS = {
    "r1": {"text": "I want a refund", "size": 5.0, "colour": "red"},
    "r2": {"text": "card lost", "size": 15.0, "colour": "blue"},
    "r3": {"text": "REFUND the card", "size": None, "colour": None},
    "r4": {"text": None, "size": float("nan"), "colour": "red"},
}


def rule(name: str, value: Any, confidence: float = 0.7, **when: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "confidence": confidence, "when": when}


def with_rules(*rules: dict[str, Any], kind: str = "classification", **more: Any) -> Capability:
    return capability(kind, labels={"rules": list(rules)}, **more)


REFUND = rule("refunds", "refund", column="text", matches="(?i)refund")
CARD = rule("cards", "card", confidence=0.65, column="text", matches=r"\bcard\b")


@pytest.fixture
def filled(stores: Stores) -> Stores:
    add_rows(stores, capability(), [row(name, START, **values) for name, values in TEXTS.items()])
    return stores


def tags_in(stores: Stores, spec: Capability) -> list[dict[str, Any]]:
    return stores.lake.query(spec, "SELECT * FROM tags ORDER BY id", ["tags"]).to_pylist()


def values(stores: Stores, spec: Capability) -> dict[str, Any]:
    found = labels(spec, stores, LATER)
    return dict(zip(found["row_id"], found["value"], strict=True))


@pytest.mark.parametrize(
    ("when", "rows"),
    [
        ({"column": "text", "matches": "(?i)refund"}, {"r1", "r3"}),
        ({"column": "text", "matches": "^card"}, {"r2"}),
        ({"column": "text", "equals": "card lost"}, {"r2"}),
        ({"column": "colour", "equals": "red"}, {"r1", "r4"}),
        ({"column": "size", "equals": 5}, {"r1"}),
        ({"column": "size", "above": 5}, {"r2"}),
        ({"column": "size", "below": 15}, {"r1"}),
    ],
)
def test_a_rule_tags_the_rows_that_meet_its_condition_and_never_a_missing_value(
    filled: Stores, when: dict[str, Any], rows: set[str]
) -> None:
    spec = with_rules(rule("it", "x", **when))
    assert tag(spec, filled, LATER) == len(rows)
    assert {made["row_id"] for made in tags_in(filled, spec)} == rows


def test_a_rules_tag_says_who_how_surely_and_since_when(stores: Stores) -> None:
    spec = with_rules(REFUND)
    late = START.replace(month=2)
    add_rows(stores, spec, [row("r", START, text="refund", known_time=late)])
    tag(spec, stores, LATER)
    (made,) = tags_in(stores, spec)
    expected = {"row_id": "r", "value": "refund", "source": "rule", "by": "refunds"}
    times = {"event_time": START, "known_time": late, "confidence": 0.7, "supersedes": None}
    assert made == {"id": made["id"], **expected, **times}


def test_a_row_that_is_not_known_yet_is_not_tagged(filled: Stores) -> None:
    spec = with_rules(REFUND)
    assert tag(spec, filled, START.replace(year=2023)) == 0
    assert tag(spec, filled, START) == 2


def test_tagging_twice_appends_nothing_and_new_rows_alone_are_tagged(filled: Stores) -> None:
    spec = with_rules(REFUND, CARD)
    assert tag(spec, filled, LATER) == 4
    assert tag(spec, filled, LATER) == 0
    add_rows(filled, spec, [row("r5", START, text="another refund")])
    assert tag(spec, filled, LATER) == 1
    assert len(tags_in(filled, spec)) == 5


def test_two_rules_that_disagree_too_closely_leave_the_row_open(filled: Stores) -> None:
    spec = with_rules(REFUND, CARD)
    tag(spec, filled, LATER)
    assert values(filled, spec) == {"r1": "refund", "r2": "card"}  # r3 meets both


def test_a_true_value_beats_every_rule(filled: Stores) -> None:
    spec = with_rules(REFUND)
    tag(spec, filled, LATER)
    add_tags(filled, spec, [outcome("r1", "card", START, START)])
    assert values(filled, spec) == {"r1": "card", "r3": "refund"}


def test_a_reworded_rule_supersedes_its_old_tags(filled: Stores) -> None:
    old = with_rules(REFUND)
    new = with_rules({**REFUND, "value": "money"})
    tag(old, filled, LATER)
    (before,) = [made["id"] for made in tags_in(filled, old) if made["row_id"] == "r1"]
    assert tag(new, filled, LATER) == 2
    (after,) = [
        made for made in tags_in(filled, new) if made["row_id"] == "r1" and made["id"] != before
    ]
    assert after["supersedes"] == before
    assert values(filled, new) == {"r1": "money", "r3": "money"}


def test_a_narrowed_rule_loses_the_rows_it_no_longer_speaks_of(filled: Stores) -> None:
    tag(with_rules(REFUND), filled, LATER)
    narrow = with_rules({**REFUND, "when": {"column": "text", "matches": "REFUND"}})
    tag(narrow, filled, LATER)
    assert values(filled, narrow) == {"r3": "refund"}


def test_a_rule_taken_out_has_no_effect_and_one_put_back_has_it_again(filled: Stores) -> None:
    spec, other = with_rules(REFUND), with_rules({**REFUND, "value": "money"})
    tag(spec, filled, LATER)
    tag(other, filled, LATER)
    assert values(filled, with_rules()) == {}
    assert tag(spec, filled, LATER) == 0
    assert values(filled, spec) == {"r1": "refund", "r3": "refund"}


def test_numbers_are_tagged_with_numbers(filled: Stores) -> None:
    spec = with_rules(rule("big", 100, column="size", above=10), kind="regression")
    assert tag(spec, filled, LATER) == 1
    assert values(filled, spec) == {"r2": 100.0}


def test_a_column_that_no_row_has_yet_meets_no_condition(filled: Stores) -> None:
    inputs = {"text": {"type": "text"}, "new": {"type": "number"}}
    spec = with_rules(rule("it", "x", column="new", above=0), inputs=inputs)
    assert tag(spec, filled, LATER) == 0


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lake_content import LATER
from test_tag import CARD, REFUND, with_rules
from opslayer.settings import Settings
from opslayer.steps.tag import tag
from opslayer.stores import Stores
from opslayer.stores.lake import Lake

append = Lake.append
def dying(self, *arguments):
    if sys.argv[3] == "after":
        append(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Lake.append = dying
tag(with_rules(REFUND, CARD), Stores.at(Settings(home=Path(sys.argv[2]))), LATER)
"""


@pytest.mark.parametrize(("moment", "left"), [("before", 4), ("after", 0)])
def test_a_kill_around_the_commit_neither_loses_nor_doubles_a_tag(
    tmp_path: Path, moment: str, left: int
) -> None:
    home = tmp_path / "home"
    stores, spec = Stores.at(Settings(home=home)), with_rules(REFUND, CARD)
    add_rows(stores, spec, [row(name, START, **values) for name, values in TEXTS.items()])
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", SCRIPT, here, str(home), moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert tag(spec, stores, LATER) == left
    assert len({made["id"] for made in tags_in(stores, spec)}) == len(tags_in(stores, spec)) == 4
