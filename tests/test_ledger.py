"""The database under the ledger, and the doors that keep the first of equals."""

from __future__ import annotations

import math
import multiprocessing
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from backend import database_at, local_only
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from opslayer.errors import NotFound, StoreError
from opslayer.records import Recipe, Snapshot, Verdict, VerdictKind, Version
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.database import engine, moment_text, reading, transaction

AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(database_at(tmp_path / "ledger.db"))


def verdict(about: str, kind: VerdictKind = VerdictKind.GATE, **more: object) -> Verdict:
    fields = {"capability": "bike-demand", "outcome": "promote", "reason": "it is better"}
    return Verdict.model_validate({**fields, "kind": kind, "about": about, "at": AT, **more})


def training(number: int, cause: str, recipe: Recipe = Recipe.ALL) -> Version:
    return Version(
        settings="as ever",
        capability="bike-demand",
        version=number,
        run_id=f"run-{number}",
        recipe=recipe,
        snapshot="aa",
        exam="bb",
        cut=AT,
        trained_at=AT,
        cause=cause,
        manifest={"model.skops": "00" * 32},
        metrics={"mae": 0.1 + 0.2},
    )


def test_the_first_verdict_about_a_thing_is_the_one_that_is_kept(ledger: Ledger) -> None:
    first = ledger.verdicts.record(verdict("window 7", outcome="promote"))
    second = ledger.verdicts.record(verdict("window 7", outcome="wait", reason="asked again"))
    assert second == first == ledger.verdicts.get(first.id)
    assert ledger.verdicts.get("0" * 16) is None


def test_verdicts_come_newest_first_of_one_kind_or_all(ledger: Ledger) -> None:
    for window in range(5):
        ledger.verdicts.record(verdict(f"window {window}"))
        ledger.verdicts.record(verdict(f"window {window}", VerdictKind.ALARM))
    gates = ledger.verdicts.list("bike-demand", VerdictKind.GATE)
    assert [kept.about for kept in gates] == [f"window {window}" for window in (4, 3, 2, 1, 0)]
    assert len(ledger.verdicts.list("bike-demand")) == 10
    assert [kept.about for kept in ledger.verdicts.list("bike-demand", limit=2)] == ["window 4"] * 2
    assert ledger.verdicts.list("digit-images") == []


def test_numbers_of_every_kind_come_back_as_json_can_say_them(ledger: Ledger) -> None:
    numbers = {
        "nan": math.nan,
        "infinite": -math.inf,
        "numpy": np.float32(0.5),
        "count": np.int64(7),
        "flag": np.bool_(True),
        "many": np.array([[1, 2], [3, 4]]),
        "pair": (1, "two"),
        "at": AT,
        "recipe": Recipe.ALL,
        "by_hour": {3: None},
    }
    kept = ledger.verdicts.record(verdict("odd numbers", numbers=numbers))
    assert kept.numbers == {
        "nan": None,
        "infinite": None,
        "numpy": 0.5,
        "count": 7,
        "flag": True,
        "many": [[1, 2], [3, 4]],
        "pair": [1, "two"],
        "at": moment_text(AT),
        "recipe": "all",
        "by_hour": {"3": None},
    }


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_times_as_text_sort_as_times_do(one: datetime, other: datetime) -> None:
    texts = moment_text(one), moment_text(other)
    assert [len(text) for text in texts] == [32, 32]
    assert (texts[0] < texts[1]) == (one.astimezone(UTC) < other.astimezone(UTC))


def test_a_cause_keeps_one_version_per_recipe(ledger: Ledger) -> None:
    kept = ledger.versions.add(training(1, "cause"))
    again = ledger.versions.add(training(2, "cause"))
    other = ledger.versions.add(training(3, "cause", Recipe.LAST))
    assert again == kept == ledger.versions.get("bike-demand", 1)
    assert ledger.versions.all("bike-demand") == [kept, other]
    assert ledger.versions.for_cause("bike-demand", "cause") == [kept, other]
    assert ledger.versions.for_cause("bike-demand", "other") == []


def test_an_unknown_version_names_the_known_ones(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no model version 9: there are none"):
        ledger.versions.get("bike-demand", 9)
    ledger.versions.add(training(1, "one"))
    ledger.versions.add(training(2, "two"))
    with pytest.raises(NotFound, match="there are 1, 2"):
        ledger.versions.get("bike-demand", 9)


def test_a_version_number_of_another_training_is_refused(ledger: Ledger) -> None:
    ledger.versions.add(training(1, "one"))
    with pytest.raises(StoreError, match="version 1 from another cause"):
        ledger.versions.add(training(1, "two"))


def test_a_snapshot_is_kept_once_by_its_digest(ledger: Ledger) -> None:
    made = Snapshot(
        capability="bike-demand",
        digest="ab" * 32,
        recipe=Recipe.ALL,
        as_of=AT,
        since=AT - timedelta(days=9),
        until=AT,
        rows=10,
        columns=("temp", "hour"),
    )
    assert ledger.snapshots.add(made) == made
    later = made.model_copy(update={"as_of": AT + timedelta(days=1)})
    assert ledger.snapshots.add(later) == made == ledger.snapshots.get("bike-demand", made.digest)
    with pytest.raises(NotFound, match="no snapshot cd"):
        ledger.snapshots.get("bike-demand", "cd")


def test_a_reader_waits_for_no_writer(ledger: Ledger) -> None:
    ledger.verdicts.record(verdict("before"))
    with transaction(ledger.url) as connection:
        connection.execute(text("DELETE FROM verdicts"))
        seen: list[int] = []
        reader = threading.Thread(
            target=lambda: seen.append(len(ledger.verdicts.list("bike-demand")))
        )
        reader.start()
        reader.join(timeout=20)
        assert seen == [1]


@local_only("SQLite's one write lock; PostgreSQL's turns are in test_servers.py")
def test_writers_that_read_first_wait_instead_of_failing(ledger: Ledger) -> None:
    ledger.verdicts.record(verdict("0"))
    problems: list[BaseException] = []

    def count_up() -> None:
        try:
            for _ in range(25):
                with transaction(ledger.url) as connection:
                    number = connection.scalar(text("SELECT max(sequence) FROM verdicts"))
                    connection.execute(text(f"UPDATE verdicts SET sequence = {number + 1}"))
        except BaseException as error:
            problems.append(error)

    writers = [threading.Thread(target=count_up) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert problems == []
    with reading(ledger.url) as connection:
        assert connection.scalar(text("SELECT sequence FROM verdicts")) == 101


def _delete_and_fail(connection: Connection) -> None:
    connection.execute(text("DELETE FROM verdicts"))
    raise ZeroDivisionError


def test_an_exception_rolls_the_whole_transaction_back(ledger: Ledger) -> None:
    kept = ledger.verdicts.record(verdict("kept"))
    with pytest.raises(ZeroDivisionError), transaction(ledger.url) as connection:
        _delete_and_fail(connection)
    assert ledger.verdicts.list("bike-demand") == [kept]


@local_only("SQLite's settings")
def test_a_commit_is_synced_and_deleted_bytes_are_overwritten(ledger: Ledger) -> None:
    with reading(ledger.url) as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]
    assert found == ["wal", 2, 1]  # 2 is FULL


def test_a_forked_child_shares_no_connection_with_its_parent(ledger: Ledger) -> None:
    ledger.verdicts.record(verdict("parent"))
    results = FORK.Queue()

    def write() -> None:
        open_already = engine(ledger.url).pool.checkedin()  # type: ignore[attr-defined]
        ledger.verdicts.record(verdict("child"))
        results.put(open_already)

    child = FORK.Process(target=write)
    child.start()
    assert results.get(timeout=30) == 0
    child.join()
    ledger.verdicts.record(verdict("parent again"))
    kept = [found.about for found in ledger.verdicts.list("bike-demand")]
    assert kept == ["parent again", "child", "parent"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"this is no database, it is a text file" * 40, "not a database"), (None, "unable to open")],
)
def test_a_database_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "broken.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=message) as refusal:
        Ledger(f"sqlite:///{path}").releases.newest("bike-demand")
    assert str(path) in str(refusal.value)


def test_a_password_in_the_database_url_is_not_shown() -> None:
    with pytest.raises(StoreError) as refusal:
        Ledger("postgresql+nothing://opslayer:hunter2@db/ops").releases.newest("bike-demand")
    assert "hunter2" not in str(refusal.value)
