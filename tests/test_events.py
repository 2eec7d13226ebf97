"""The interaction log: durable, once per id, read without gaps."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backend import database_at
from hypothesis import given, settings
from hypothesis import strategies as st

from opslayer.errors import StoreError
from opslayer.records import Feedback, FeedbackKind, Interaction
from opslayer.stores.events import Event, Events

AT = datetime(2024, 1, 1, tzinfo=UTC)


def interaction(id: str, capability: str = "bikes", **fields: object) -> Interaction:
    values = {"input": {"temp": 1.5}, "output": {"value": 2}, "variant": "constant", "release": 0}
    return Interaction.model_validate(
        {"id": id, "capability": capability, "event_time": AT, **values, **fields}
    )


def feedback(id: str, **fields: object) -> Feedback:
    values = {"kind": FeedbackKind.TRUE_VALUE, "value": 3, "event_time": AT, "known_time": AT}
    return Feedback.model_validate(
        {"id": id, "capability": "bikes", "interaction_id": "i1", **values, **fields}
    )


@pytest.fixture
def events(tmp_path: Path) -> Events:
    return Events(database_at(tmp_path / "log.db"))


def everything(events: Events, limit: int, capability: str = "bikes") -> list[Event]:
    found: list[Event] = []
    positions: dict[str, int] = {}
    while (batch := events.read(capability, positions, limit)).events:
        found += batch.events
        positions = batch.positions
    return found


def test_a_record_comes_back_as_it_was(events: Events) -> None:
    records = [interaction("i1", output={"value": "é\u2028", "p": [0.1, None]}), feedback("f1")]
    assert events.append(records, "gateway-1") == 2
    assert [event.record() for event in everything(events, 10)] == records


def test_a_repeated_id_of_a_kind_is_ignored(events: Events) -> None:
    first = interaction("x")
    assert events.append([first, interaction("x", release=9)], "a") == 1
    assert events.append([interaction("x", release=7), interaction("y")], "b") == 1
    assert events.append([feedback("x")], "a") == 1
    kept = everything(events, 10)
    assert [(event.kind, event.id) for event in kept] == [
        ("interaction", "x"),
        ("feedback", "x"),
        ("interaction", "y"),
    ]
    assert kept[0].record() == first


def test_each_writer_numbers_its_own_events_in_the_order_given(events: Events) -> None:
    events.append([interaction(f"a{n}") for n in range(3)], "a")
    events.append([interaction("other", "elec")], "a")
    events.append([interaction(f"a{n}") for n in range(5)], "a")
    assert [(event.number, event.id) for event in everything(events, 2)] == [
        (1, "a0"),
        (2, "a1"),
        (3, "a2"),
        (5, "a3"),
        (6, "a4"),
    ]
    assert [event.id for event in everything(events, 2, "elec")] == ["other"]


def test_nothing_appended_is_nothing_written(events: Events) -> None:
    assert events.append([], "a") == 0
    assert events.read("bikes", {}).events == ()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 30), max_size=6)), max_size=8
    ),
    st.integers(1, 7),
)
def test_whatever_is_appended_between_reads_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, appends: list[tuple[str, list[int]]], limit: int
) -> None:
    events = Events(database_at(tmp_path_factory.mktemp("log") / "log.db"))
    positions: dict[str, int] = {}
    found: list[str] = []
    for writer, numbers in [*appends, ("a", [])]:
        events.append([interaction(f"i{number}") for number in numbers], writer)
        batch = events.read("bikes", positions, limit)
        assert len(batch.events) <= limit
        found += [event.id for event in batch.events]
        positions = batch.positions
    while (batch := events.read("bikes", positions, limit)).events:
        found += [event.id for event in batch.events]
        positions = batch.positions
    assert sorted(found) == sorted({f"i{n}" for _, numbers in appends for n in numbers})


WRITE = """
    import sys
    from datetime import UTC, datetime
    from opslayer.records import Interaction
    from opslayer.stores.events import Events
    url, writer = sys.argv[1:]
    for n in range(40):
        Events(url).append([Interaction(id=f"{who}-{n}", capability="bikes", variant="v", release=1,
            event_time=datetime(2024, 1, 1, tzinfo=UTC), input={}, output={"by": writer})
            for who in (writer, "both")], writer)
"""


@pytest.mark.parametrize("names", [("a", "b", "c"), ("a", "a", "a")])
def test_processes_append_at_once_and_nothing_is_lost(events: Events, names: list[str]) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITE), events.url]
    running = [subprocess.Popen([*command, name]) for name in names]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    found = everything(events, 13)
    wanted = {f"{who}-{n}" for who in {*names, "both"} for n in range(40)}
    assert sorted(event.id for event in found) == sorted(wanted)
    for name in set(names):
        numbers = [event.number for event in found if event.writer == name]
        assert numbers == sorted(set(numbers))


def test_a_database_that_is_away_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="did not answer"):
        Events(f"sqlite:///{tmp_path}/no/such/folder/log.db").append([interaction("x")], "a")
