"""Rows come in once, from everywhere, however their files grow and whoever else is at it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backend import local_only
from feeds import GOOD, HEADER, NOW, capability, content, declared, everything, faults, write

from opslayer.capability import Capability
from opslayer.errors import ConfigError, FileRefused
from opslayer.records import Feedback, FeedbackKind, Interaction
from opslayer.sources import chunk, interactions
from opslayer.sources.sift import Counts
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores, lake

DAY = timedelta(days=1)


def line(number: int, users: object = "", **cells: object) -> str:
    """A row of its own hour."""
    at = datetime(2024, 1, 1) + timedelta(hours=number)
    values = {"temp": number % 50, "rain": "no", "town": f"town {number}", **cells}
    return ",".join(str(value) for value in (at, *values.values(), users))


def taken(stores: Stores, of: Capability, as_of: datetime = NOW) -> Counts:
    counts = ingest(of, stores, as_of).counts
    assert counts.balanced
    return counts


def test_a_row_its_tag_and_their_times_are_what_the_file_says(
    stores: Stores, tmp_path: Path
) -> None:
    of = capability(write(tmp_path / "feed.csv", *GOOD))
    assert taken(stores, of) == Counts(read=2, stored=2, tags=2)
    at = datetime(2024, 1, 1, tzinfo=UTC)
    names = ("event_time", "known_time", "source", "file", "line", "in:temp", "in:rain", "in:town")
    assert content(stores, of, "rows", names)[0] == (
        *(at, at, "feed", str(tmp_path / "feed.csv"), 2),
        *(9.5, 1.0, "Ghent"),
    )
    names = ("value", "source", "by", "confidence", "event_time", "known_time", "supersedes")
    assert content(stores, of, "tags", names)[0] == (
        *(12.0, "outcome", "feed", 1.0),
        *(at, at + DAY, None),
    )
    ids = [content(stores, of, table, ("row_id",)) for table in ("rows", "tags")]
    assert ids[0] == ids[1]


def test_a_file_taken_in_is_not_read_again(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = capability(write(tmp_path / "feed.csv", *GOOD))
    taken(stores, of)
    monkeypatch.setattr("opslayer.sources.csv.read", None)
    monkeypatch.setattr("opslayer.sources.csv.check", None)
    assert taken(stores, of) == Counts()
    os.utime(tmp_path / "feed.csv")  # touched, not changed
    assert taken(stores, of) == Counts()


@pytest.mark.parametrize("size", [2, 3, 1000])
@pytest.mark.parametrize("id", [{}, {"id": "town"}])
def test_a_grown_file_brings_its_new_rows_alone(
    stores: Stores,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    id: dict[str, str],
) -> None:
    monkeypatch.setattr(chunk, "ROWS", size)
    rows = [line(n, n) for n in range(7)]
    bad = line(50, temp="hot")
    path = write(tmp_path / "feed.csv", *rows[:4], bad)
    of = capability(path, **id)
    assert taken(stores, of) == Counts(read=5, stored=4, tags=4, quarantined=1)
    write(path, *rows[:4], bad, *rows[4:])
    assert taken(stores, of) == Counts(read=8, stored=3, tags=3, present=5)
    write(path, *reversed(rows))  # rewritten in another order
    assert taken(stores, of) == Counts(read=7, present=7)
    assert len(content(stores, of, "rows", ("row_id",))) == 7
    assert len(faults(stores, of)) == 1


def test_rows_that_are_equal_are_two_rows(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "ROWS", 2)
    path = write(tmp_path / "feed.csv", line(1, 5), line(2, 5), line(1, 5), line(1, 6))
    of = capability(path)
    assert taken(stores, of) == Counts(read=4, stored=4, tags=4)
    write(path, *([line(1, 5)] * 2), line(1, 6), line(2, 5), line(1))
    assert taken(stores, of) == Counts(read=5, stored=1, present=4)


def test_a_target_that_comes_later_is_a_tag_of_the_first_row(
    stores: Stores, tmp_path: Path
) -> None:
    path = write(tmp_path / "feed.csv", line(1), line(2, 7))
    of = capability(path)
    assert taken(stores, of) == Counts(read=2, stored=2, tags=1)
    write(path, line(1, 4), line(2, 7))
    assert taken(stores, of) == Counts(read=2, present=2, tags=1)
    rows = dict(content(stores, of, "rows", ("line", "row_id")))
    (tag,) = [tag for tag in content(stores, of, "tags", TAG) if tag[0] == 4.0]
    assert tag == (4.0, rows[2], datetime(2024, 1, 2, 1, tzinfo=UTC), None)


TAG = ("value", "row_id", "known_time", "supersedes")


def test_a_target_may_be_a_column_that_comes_later(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    of = capability(path, id="town", known_time="known")
    write(path, line(1).removesuffix(","), header="at,temp,rain,town")
    assert taken(stores, of) == Counts(read=1, stored=1)
    write(path, f"{line(1, 4)},2024-03-01", header=f"{HEADER},known")
    assert taken(stores, of) == Counts(read=1, present=1, tags=1)
    assert content(stores, of, "tags", ("known_time",)) == [(datetime(2024, 3, 1, tzinfo=UTC),)]


def test_a_changed_target_corrects_the_tag_from_now_on(stores: Stores, tmp_path: Path) -> None:
    path = write(tmp_path / "feed.csv", line(1, 4))
    of = capability(path)
    taken(stores, of)
    for users, when in ((5, NOW), (4, NOW + DAY), (4, NOW + 2 * DAY)):
        write(path, line(1, users), line(60 + when.day, 1))
        taken(stores, of, when)
    tags = stores.lake.query(of, "SELECT * FROM tags WHERE value > 1", ["tags"]).to_pylist()
    tags.sort(key=lambda tag: tag["known_time"])
    assert [tag["value"] for tag in tags] == [4.0, 5.0, 4.0]
    assert [tag["known_time"] for tag in tags[1:]] == [NOW, NOW + DAY]
    assert [tag["supersedes"] for tag in tags] == [None, tags[0]["id"], tags[1]["id"]]


@pytest.mark.parametrize("size", [1, 1000])
def test_an_id_that_repeats_must_say_the_same(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(chunk, "ROWS", size)
    of = capability(tmp_path / "*.csv", id="id")
    header = f"{HEADER},id"
    write(
        tmp_path / "a.csv",
        f"{line(1, 4)},x",
        f"{line(1, 4)},x",  # the same again
        f"{line(1)},x",  # the same, silent about the target
        f"{line(1, 4, temp=9)},x",  # another input
        f"{line(2, 4)},x",  # another time
        f"{line(1, 9)},x",  # another target in the same file
        f"{line(3)},y",
        f"{line(3, 8)},y",  # the target of a row before
        f"{line(4, 1)},",
        header=header,
    )
    counts = taken(stores, of)
    assert counts == Counts(read=9, stored=2, present=3, quarantined=4, tags=2)
    assert {at for at, _, _ in faults(stores, of)} == {5, 6, 7, 10}
    reasons = [reason for at, _, reason in faults(stores, of) if at in (5, 6, 7)]
    assert all("duplicate id" in reason and " x " in reason for reason in reasons)
    write(tmp_path / "b.csv", f"{line(1, 9)},x", f"{line(1, temp=3)},x", header=header)
    assert taken(stores, of) == Counts(read=2, present=1, quarantined=1, tags=1, corrections=1)


def test_a_target_is_never_known_before_it_is_true(stores: Stores, tmp_path: Path) -> None:
    path = write(
        tmp_path / "feed.csv",
        f"{line(1, 4)},2024-01-01 00:59",
        f"{line(2, 4)},",
        f"{line(3)},",
        f"{line(4, 4)},2024-01-01 04:00",
        header=f"{HEADER},known",
    )
    of = capability(path, known_time="known")
    assert taken(stores, of) == Counts(read=4, stored=2, quarantined=2, tags=1)
    assert [(at, where) for at, where, _ in faults(stores, of)] == [(2, "known"), (3, "known")]


def test_rows_of_the_future_are_stored_and_wait(stores: Stores, tmp_path: Path) -> None:
    of = capability(write(tmp_path / "feed.csv", "2031-01-01,1,true,x,1"))
    assert taken(stores, of).stored == 1
    assert taken(stores, of) == Counts()


def test_parquet_is_the_same_content_as_csv(stores: Stores, tmp_path: Path) -> None:
    of = capability(tmp_path / "feed.*")
    write(tmp_path / "feed.csv", *GOOD)
    taken(stores, of)
    columns = {
        "at": pa.array([datetime(2024, 1, 1, hour) for hour in (0, 1, 2, 3)]),
        "temp": pa.array([9.5, 10, float("nan"), 1e9]),
        "rain": pa.array([True, False, True, True]),
        "town": pa.array(["Ghent", "NA", "x", "y"]).dictionary_encode(),
        "users": pa.array([12, 13, None, 1], pa.int64()),
    }
    pq.write_table(pa.table(columns), tmp_path / "feed.parquet", row_group_size=1)
    assert taken(stores, of) == Counts(read=4, present=2, quarantined=2)
    assert faults(stores, of) == [(3, "temp", "temp: NaN"), (4, "temp", "temp: above 50")]


def test_a_parquet_file_broken_in_the_middle_leaves_nothing(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "ROWS", 10)
    path = tmp_path / "feed.parquet"
    columns = {
        "at": pa.array([datetime(2024, 1, 1) + timedelta(hours=n) for n in range(5000)]),
        "temp": pa.array([n / 100 for n in range(5000)]),
        "rain": pa.array([True] * 5000),
        "town": pa.array([f"town {n}" for n in range(5000)]),
        "users": pa.array(range(5000)),
    }
    pq.write_table(pa.table(columns), path, row_group_size=500, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(FileRefused, match="broken Parquet"):
        ingest(capability(path), stores, NOW)
    assert content(stores, capability(path), "rows", ("line",)) == []
    pq.write_table(pa.table({**columns, "temp": pa.array([[1.0]] * 5000)}), path)
    with pytest.raises(FileRefused, match="column temp holds list"):
        ingest(capability(path), stores, NOW)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="inbox")
    yield client
    server.stop()


@local_only("it has an S3 of its own, beside that of the lake")
def test_s3_is_read_like_a_folder(stores: Stores, tmp_path: Path, s3: Any) -> None:
    def put(name: str, *lines: str) -> None:
        body = write(tmp_path / "x.csv", *lines).read_bytes()
        s3.put_object(Bucket="inbox", Key=f"bikes/{name}", Body=body)

    of = capability("s3://inbox/bikes/*.csv")
    put("a.csv", line(1, 1))
    s3.put_object(Bucket="inbox", Key="bikes/b.csv", Body=b"\x1f\x8bno")
    result = ingest(of, stores, NOW)
    assert result.counts == Counts(read=1, stored=1, tags=1)
    assert [one.file for one in result.refused] == ["s3://inbox/bikes/b.csv"]
    assert taken(stores, of) == Counts()
    put("a.csv", line(1, 1), line(2, 2))
    put("b.csv", line(3, 3))
    assert taken(stores, of) == Counts(read=3, stored=2, present=1, tags=2)
    files = {file for (file,) in content(stores, of, "rows", ("file",))}
    assert files == {"s3://inbox/bikes/a.csv", "s3://inbox/bikes/b.csv"}


@pytest.fixture
def table(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    connection.execute("CREATE TABLE trips (id, at, temp, rain, town, users, changed)")
    yield connection
    connection.close()


def query(tmp_path: Path, url: str = "", **source: Any) -> Capability:
    # The colon and the semicolon are the query's own.
    text = "SELECT *, ':x' AS note FROM trips WHERE town <> '12:30';"
    made = {"query": text, "url": url or f"sqlite:///{tmp_path}/app.db", "cursor": "changed"}
    return capability(None, **{**made, **source})


def add(table: sqlite3.Connection, number: int, changed: object, users: object = None) -> None:
    at = f"2024-01-01 {number:02}:00:00"
    row = (number, at, 1.5, 1, f"town {number}", users, changed)
    table.execute("INSERT INTO trips VALUES (?, ?, ?, ?, ?, ?, ?)", row)


@pytest.fixture(params=[1, 2, 1000])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows in a batch."""
    monkeypatch.setattr(chunk, "ROWS", request.param)
    return int(request.param)


@pytest.mark.parametrize("id", [{}, {"id": "id"}])
def test_a_query_is_read_on_from_its_cursor(
    stores: Stores, tmp_path: Path, table: sqlite3.Connection, size: int, id: dict[str, str]
) -> None:
    of = query(tmp_path, **id)
    for number, changed in enumerate([10, 10, 20, 20, None]):
        add(table, number, changed, users=number)
    assert taken(stores, of) == Counts(read=5, stored=4, quarantined=1, tags=4)
    batches = len(stores.ledger.batches.of("bikes", "feed"))
    assert taken(stores, of).stored == 0
    assert len(stores.ledger.batches.of("bikes", "feed")) == batches  # nothing new, no batch
    add(table, 7, 20)  # a tie with the last one read
    add(table, 8, 30)
    table.execute("UPDATE trips SET users = 99, changed = 40 WHERE id = 1")
    counts = taken(stores, of)
    assert (counts.stored, counts.corrections, counts.quarantined) == (2, 1, 0)
    assert len(content(stores, of, "rows", ("row_id",))) == 6
    assert faults(stores, of) == [(0, "changed", "changed: missing")]


def test_a_cursor_of_times_is_kept_as_times(stores: Stores, tmp_path: Path) -> None:
    from sqlalchemy import Column, DateTime, MetaData, Numeric, String, Table, create_engine
    from sqlalchemy.sql import insert

    engine = create_engine(f"sqlite:///{tmp_path}/app.db")
    trips = Table(
        "trips",
        MetaData(),
        *(Column(name, DateTime) for name in ("at", "changed")),
        *(Column(name, Numeric) for name in ("temp", "rain", "users")),
        Column("town", String),
    )
    trips.create(engine)
    for hour in (1, 2):
        values = {"temp": 1, "rain": 0, "users": 3, "town": "x"}
        moment = datetime(2024, 1, hour, 5, 6, 7, 89)
        with engine.begin() as connection:
            connection.execute(insert(trips).values(at=moment, changed=moment, **values))
        assert taken(stores, query(tmp_path)).stored == 1


def test_a_database_that_says_no_is_named_without_its_password(
    stores: Stores, tmp_path: Path, table: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIPS_PASSWORD", "hunter2")
    for url, wrong in (
        ("nonsense://user:${TRIPS_PASSWORD}@host/db", "can't be used"),
        ("postgresql://user:${TRIPS_PASSWORD}@127.0.0.1:9/db", "can't be used|database says"),
    ):
        with pytest.raises(FileRefused, match=wrong) as refused:
            ingest(query(tmp_path, url), stores, NOW)
        assert "hunter2" not in str(refused.value)
    for text, wrong in (
        ("SELECT * FROM nowhere", "no such table"),
        ("SELECT at, temp, rain, changed FROM trips", "column town is missing"),
        ("SELECT at, temp, rain, town FROM trips", "no such column: changed"),
    ):
        with pytest.raises(FileRefused, match=wrong):
            ingest(query(tmp_path, query=text), stores, NOW)


def test_a_variable_that_is_not_set_is_named(stores: Stores, tmp_path: Path) -> None:
    of = query(tmp_path, "postgresql://${TRIPS_USER}:${TRIPS_PASSWORD}@host/trips")
    with pytest.raises(ConfigError) as error:
        ingest(of, stores, NOW)
    assert [problem.field for problem in error.value.problems] == ["sources.feed.url"] * 2
    assert "TRIPS_PASSWORD is not set" in str(error.value)


AT = datetime(2024, 2, 1, tzinfo=UTC)
INPUT = {"temp": 3, "rain": True, "town": "Ghent"}


def asked(id: str, output: Any = None, **input: Any) -> Interaction:
    return Interaction(
        id=id,
        capability="bikes",
        event_time=AT,
        input={**INPUT, **input},
        output={"value": 5} if output is None else output,
        variant="model-1",
        release=2,
    )


def said(id: str, kind: str, value: Any, about: str = "i1", by: str = "application") -> Feedback:
    return Feedback(
        id=id,
        capability="bikes",
        interaction_id=about,
        kind=FeedbackKind(kind),
        value=value,
        event_time=AT,
        known_time=AT + DAY,
        by=by,
    )


def test_the_log_becomes_rows_answers_and_tags(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactions, "ENTRIES", 3)
    of = capability(tmp_path / "none*.csv")
    feedback = [
        said("f0", "true_value", 9, about="comes-later"),
        said("f1", "true_value", 7),
        said("f2", "correction", 6.5, by="anna"),
        said("f3", "thumb", True),
        said("f4", "click", "link"),
        said("f5", "true_value", "seven"),
        said("f6", "true_value", None),
    ]
    stores.events.append(feedback[:1], "b")
    stores.events.append(
        [
            asked("i1"),
            asked("i2", {"value": None, "note": "é"}, temp=None),
            asked("i3", temp="3"),
            asked("i4", temp=51),
            asked("i5", {"value": "five"}),
            asked("i6", rain=2),
            *feedback[1:],
        ],
        "a",
    )
    counts = taken(stores, of)
    assert counts == Counts(read=13, stored=2, quarantined=6, statements=3, remarks=2, tags=3)
    assert content(stores, of, "rows", ("row_id", "event_time", "source", "file", "line")) == [
        ("i1", AT, "interactions", "a", 1),
        ("i2", AT, "interactions", "a", 2),
    ]
    assert content(stores, of, "answers", ("row_id", "release", "variant", "value", "output")) == [
        ("i1", 2, "model-1", 5.0, '{"value": 5}'),
        ("i2", 2, "model-1", None, '{"value": null, "note": "é"}'),
    ]
    assert content(
        stores, of, "tags", ("id", "row_id", "value", "source", "by", "confidence", "known_time")
    ) == [
        ("f0", "comes-later", 9.0, "outcome", "application", 1.0, AT + DAY),
        ("f1", "i1", 7.0, "outcome", "application", 1.0, AT + DAY),
        ("f2", "i1", 6.5, "expert", "anna", 0.9, AT + DAY),
    ]
    assert {at: reason for at, _, reason in faults(stores, of)} == {
        3: "input.temp: no number: str",
        4: "temp: above 50",
        5: "output.value: no number: str",
        6: "rain: no boolean: write true or false",
        11: "value: no number: str",
        12: "value: no number: NoneType",
    }
    assert taken(stores, of) == Counts()
    stores.events.append([asked("i7")], "c")
    assert taken(stores, of) == Counts(read=1, stored=1)


def test_calls_that_come_faster_than_they_are_taken_in_keep_no_ingest_from_ending(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = capability(tmp_path / "none*.csv")
    stores.events.append([asked(f"first-{n}") for n in range(5)], "a")
    append, later = lake.Lake.append, iter(range(100))

    def slowly(self: lake.Lake, *args: Any) -> bool:
        number = next(later)
        stores.events.append([asked(f"later-{number}")], "ab"[number % 2])
        return append(self, *args)

    monkeypatch.setattr(lake.Lake, "append", slowly)
    assert taken(stores, of) == Counts(read=5, stored=5)
    came = next(later)
    assert taken(stores, of) == Counts(read=came, stored=came)
    monkeypatch.undo()
    assert taken(stores, of).read > 0
    assert taken(stores, of) == Counts()


def test_classes_are_named_as_the_contract_names_them(stores: Stores) -> None:
    gate = {"metric": "accuracy"}
    of = declared("none*", {}, kind="classification", classes=["0", "1"], gate=gate)
    answers = [asked("i1", {"value": 1}), asked("i2", {"value": "0"}), asked("i3", {"value": "?"})]
    values = [1, "1", 1.0, True, 2, ""]
    tags = [said(f"f{at}", "true_value", value) for at, value in enumerate(values)]
    stores.events.append([*answers, *tags], "a")
    assert taken(stores, of) == Counts(read=9, stored=3, quarantined=3, statements=3, tags=3)
    assert content(stores, of, "answers", ("value",)) == [("0",), ("1",), ("?",)]
    assert content(stores, of, "tags", ("value",)) == [("1",), ("1",), ("1",)]


def test_a_chat_keeps_its_interactions_too(stores: Stores) -> None:
    upstream = {"name": "a", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    of = Capability.model_validate({"name": "bikes", "kind": "chat", "upstreams": [upstream]})
    stores.events.append([asked("i1", {"text": "hello"}), said("f1", "correction", "hi")], "a")
    assert taken(stores, of) == Counts(read=2, stored=1, remarks=1)
    assert content(stores, of, "answers", ("value", "output")) == [(None, '{"text": "hello"}')]


INGEST = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    from feeds import NOW, capability
    from opslayer.settings import Settings
    from opslayer.sources import chunk, interactions
    from opslayer.steps.ingest import ingest
    from opslayer.stores import Stores
    chunk.ROWS = 20
    interactions.ENTRIES = 20
    folder = Path(sys.argv[2])
    counts = ingest(capability(folder / "*.csv"), Stores.at(Settings(home=folder)), NOW).counts
    assert counts.balanced, counts
"""


def test_processes_that_ingest_at_once_double_nothing(stores: Stores, tmp_path: Path) -> None:
    home = tmp_path / "home"
    rows = [line(n, n) for n in range(90)]
    write(home / "a.csv", *rows[:50], line(1, temp="bad"))
    write(home / "b.csv", *rows[30:])
    stores.events.append([asked(f"i{n}") for n in range(30)], "a")
    stores.events.append([said(f"f{n}", "true_value", n, f"i{n}") for n in range(30)], "b")
    script = textwrap.dedent(INGEST)
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(home)]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    of = capability(home / "*.csv")
    assert taken(stores, of) == Counts()
    found = everything(stores, of)
    assert {name: len(rows) for name, rows in found.items()} == {
        "rows": 120,
        "answers": 30,
        "tags": 120,
        "quarantine": 1,
    }
    assert len({*content(stores, of, "rows", ("row_id",))}) == 120
    assert len({*content(stores, of, "tags", ("id",))}) == 120


def test_many_small_batches_do_not_leave_many_small_files(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "ROWS", 1)
    monkeypatch.setattr(lake, "COMPACT_AT", 4)
    of = capability(write(tmp_path / "feed.csv", *(line(n, n) for n in range(12))))
    assert taken(stores, of).stored == 12
    assert len(stores.lake.open(of, "rows").file_uris()) <= 5
    assert len(content(stores, of, "rows", ("row_id",))) == 12


def test_a_source_may_not_take_the_logs_name(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose another"):
        ingest(capability(tmp_path, name="interactions"), stores, NOW)
