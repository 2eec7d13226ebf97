"""Files as the world writes them: every row is stored or quarantined with its reason."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from feeds import GOOD, HEADER, NOW, capability, content, faults, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslayer.errors import FileRefused
from opslayer.settings import Settings
from opslayer.sources import chunk
from opslayer.sources import lines as source_lines
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores


def one_bad(stores: Stores, path: Path, line: bytes) -> tuple[int, str, str]:
    """Ingest a file with one bad line between two good ones; what the quarantine says of it."""
    head, tail = GOOD
    path.write_bytes(b"\n".join([HEADER.encode(), head.encode(), line, tail.encode(), b""]))
    taken = ingest(capability(path), stores, NOW).counts
    assert (taken.read, taken.stored, taken.quarantined) == (3, 2, 1)
    (fault,) = faults(stores, capability(path))
    return fault


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b"2024-01-02,abc,true,x,1", "temp", "no number"),
        (b"2024-01-02,NaN,true,x,1", "temp", "no number"),
        (b"2024-01-02,inf,true,x,1", "temp", "no number"),
        (b"2024-01-02,1e400,true,x,1", "temp", "too large"),
        (b"2024-01-02,51,true,x,1", "temp", "above 50"),
        (b"2024-01-02,1,maybe,x,1", "rain", "no boolean"),
        (b"2024-01-02,1,,x,1", "rain", "missing"),
        (b"2024-01-02,1,true,,1", "town", "missing"),
        (b"2024-01-02,1,true,a\0b,1", "town", "NUL"),
        (b"2024-01-02,1,true,caf\xe9,1", "town", "no UTF-8"),
        (b"2024-01-02,1,true,a town with a very long name,1", "town", "longer than 20"),
        (b",1,true,x,1", "at", "missing"),
        (b"yesterday,1,true,x,1", "at", "no time"),
        (b"1704067200,1,true,x,1", "at", "no time"),
        (b"2024-01-02,1,true,x,many", "users", "no number"),
        (b"2024-01-02,1,true,x,9007199254740993", "users", "2**53"),
        (b"2024-01-02,x,maybe,x,1", "temp, rain", "temp: no number; rain: no boolean"),
        (b"2024-01-02,1,true,x", "", "4 cells, where the header has 5"),
        (b"2024-01-02,1,true,x,1,1", "", "6 cells"),
        (b'2024-01-02,1,true,"x"y,1', "", "expected after"),
        (b'2024-01-02,1,true,"x,1', "", "quote"),
        (b"2024-01-02,1,tr\rue,x,1", "", "new-line"),
        (b"   ", "", "1 cells"),
    ],
)
def test_a_bad_row_is_named_and_stops_no_good_one(
    stores: Stores, tmp_path: Path, line: bytes, column: str, reason: str
) -> None:
    at, where, why = one_bad(stores, tmp_path / "feed.csv", line)
    assert (at, where) == (3, column)
    assert reason in why


def test_what_looks_odd_and_is_right_stays_as_it_is(stores: Stores, tmp_path: Path) -> None:
    path = write(
        tmp_path / "feed.csv",
        '2024-01-01,,yes,"007",',
        '2024-01-02,1.50,0,"two\nlines, ""quoted""",7',
        "2024-01-03,1,true,Zürich\u2028,7",
        "",
        "2024-01-04,1,true,NA,1",
    )
    assert ingest(capability(path), stores, NOW).counts.stored == 4
    assert content(stores, capability(path), "rows", ("line", "in:temp", "in:town")) == [
        (2, None, "007"),
        (3, 1.5, 'two\nlines, "quoted"'),
        (5, 1.0, "Zürich\u2028"),
        (7, 1.0, "NA"),
    ]
    assert len(content(stores, capability(path), "tags", ("id",))) == 3


def test_an_open_quote_costs_its_own_line_alone(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_lines, "RECORD", 2000)
    lines = [f"2024-01-01 {n // 60:02}:{n % 60:02},1,true,t{n},1" for n in range(400)]
    lines[7] = '2024-01-01 00:07,1,true,"t7,1'
    lines[300] = '2024-01-01 05:00,1,true,"t300,1'
    lines[350] = "2024-01-01 05:50,1,true," + "x" * 9000 + ",1"
    path = write(tmp_path / "feed.csv", *lines)
    taken = ingest(capability(path), stores, NOW).counts
    assert (taken.read, taken.stored, taken.quarantined) == (400, 397, 3)
    assert {line for line, _, _ in faults(stores, capability(path))} == {9, 302, 352}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["\ufeff{}", "{}\r\n", "{}"])
def test_usual_forms_of_csv_are_one_content(
    stores: Stores, tmp_path: Path, delimiter: str, packed: bool, form: str
) -> None:
    text = "\n".join([HEADER, *GOOD]).replace(",", delimiter)
    data = form.replace("{}", text.replace("\n", "\r\n") if "\r" in form else text).encode()
    path = tmp_path / ("feed.csv.gz" if packed else "feed.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert ingest(capability(path), stores, NOW).counts.stored == 2
    assert content(stores, capability(path), "rows", ("in:town",)) == [("Ghent",), ("NA",)]


def broken_gzip(at: float) -> bytes:
    lines = [f"2024-01-01 {n // 60:02}:{n % 60:02},{n / 40},true,town {n},{n}" for n in range(1400)]
    packed = gzip.compress("\n".join([HEADER, *lines]).encode())
    return packed[: int(len(packed) * at)]


REFUSED = {
    "empty": (b"", "empty"),
    "blank": (b"\n \n", "empty"),
    "missing columns": (b"at,temp,town\n2024-01-01,1,x\n", "column rain is missing"),
    "repeated column": (b"at,temp,temp,rain,town\n", "column temp occurs twice"),
    "no csv": (b"<html><body>404</body></html>\n", "column at is missing"),
    "binary": (bytes(range(256)) * 9, "binary"),
    "utf-16": ("\n".join([HEADER, *GOOD]).encode("utf-16"), "UTF-16"),
    "latin header": (f"{HEADER},\xe9\n".encode("latin-1"), "not UTF-8"),
    "old mac": ("\r".join([HEADER, *GOOD]).encode(), "CR alone"),
    "no gzip": (b"\x1f\x8b" + b"no gzip at all", "broken gzip"),
    "half a gzip": (broken_gzip(0.6), "broken gzip"),
    "gzip without its sum": (broken_gzip(0.999), "broken gzip"),
    "half a parquet": (b"PAR1" + b"\0" * 100, "broken Parquet"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_file_is_refused_whole_and_the_others_go_on(
    stores: Stores, tmp_path: Path, name: str
) -> None:
    data, reason = REFUSED[name]
    folder = tmp_path / "in"
    write(folder / "a.csv", GOOD[0])
    (folder / "b.csv").write_bytes(data)
    write(folder / "c.csv", GOOD[1])
    taken = ingest(capability(folder), stores, NOW)
    assert (taken.counts.read, taken.counts.stored) == (2, 2)
    (refused,) = taken.refused
    assert refused.file == str(folder / "b.csv")
    assert reason in refused.reason
    rows = content(stores, capability(folder), "rows", ("file",))
    assert rows == [(str(folder / "a.csv"),), (str(folder / "c.csv"),)]
    assert faults(stores, capability(folder)) == []


def test_a_packed_file_that_unpacks_to_out_of_all_proportion_is_refused(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opslayer.sources.lines.FREE", 2**20)
    folder = tmp_path / "in"
    write(folder / "a.csv", GOOD[0])
    (folder / "b.csv.gz").write_bytes(gzip.compress(HEADER.encode() + b"\n" + b"\0" * 2**23))
    taken = ingest(capability(folder), stores, NOW)
    assert taken.counts.stored == 1
    (refused,) = taken.refused
    assert "200 times what it has: if that is right, unpack it first" in refused.reason


def test_a_refused_version_is_not_tried_again_until_it_changes(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "feed.csv"
    path.write_bytes(b"at,temp\n")
    for _ in range(2):
        with pytest.raises(FileRefused, match="column rain is missing; column town is missing"):
            ingest(capability(path), stores, NOW)
    assert len(stores.ledger.batches.of("bikes", "feed")) == 1
    assert len(stores.ledger.verdicts.list("bikes")) == 1
    write(path, *GOOD)
    assert ingest(capability(path), stores, NOW).counts.stored == 2
    path.write_bytes(b"")
    for _ in range(2):  # something was taken once: the run goes on and says what was refused
        assert "empty" in str(ingest(capability(path), stores, NOW).refused[0])


def test_a_file_without_rows_is_taken(stores: Stores, tmp_path: Path) -> None:
    path = write(tmp_path / "feed.csv")
    assert ingest(capability(path), stores, NOW).counts.read == 0
    assert [batch.status for batch in stores.ledger.batches.of("bikes", "feed")] == ["done"]


cells = st.one_of(
    st.sampled_from(["", "1", "-20", "50.5", "NaN", "1e400", "true", "no", "2024-01-05", "x", '"']),
    st.text(st.characters(exclude_characters="\r\n"), max_size=6),
)
good_row = st.tuples(
    st.sampled_from(["2024-01-01", "2024-01-02 10:00"]),
    st.sampled_from(["", "1", "2.5"]),
    st.sampled_from(["true", "0"]),
    st.sampled_from(["Ghent", "Ürk", "NA", "two\nlines"]),
    st.sampled_from(["", "5", "6"]),
)
dirty_row = st.lists(cells, min_size=4, max_size=6).map(tuple)


def as_written(rows: list[tuple[str, ...]]) -> tuple[bytes, int]:
    """The rows as CSV, and how many of them are rows at all."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([HEADER.split(","), *rows])
    return buffer.getvalue().encode("utf-8", "surrogatepass"), len(rows)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(good_row, dirty_row), max_size=12), st.integers(1, 5))
def test_rows_in_are_rows_stored_or_quarantined(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], size: int
) -> None:
    """Whatever the cells, however the file is cut into batches, and read a second time."""
    folder = tmp_path_factory.mktemp("dirty")
    stores = Stores.at(Settings(home=folder / "home"))
    data, count = as_written(rows)
    path = folder / "feed.csv"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "ROWS", size)
        taken = ingest(capability(path), stores, NOW).counts
        assert taken.read == count
        assert taken.balanced
        of = capability(path)
        assert len(content(stores, of, "rows", ("line",))) == taken.stored
        assert len(faults(stores, of)) == taken.quarantined
        path.write_bytes(data + b'"2024-01-09","1","true","new","1"\n')
        again = ingest(of, stores, NOW).counts
    assert (again.read, again.stored, again.quarantined) == (count + 1, 1, 0)
    assert again.present == count


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader_or_lose_a_good_row(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    """Garbage between good rows: it is quarantined, or it reads as rows; the good ones stay."""
    folder = tmp_path_factory.mktemp("garbage")
    stores = Stores.at(Settings(home=folder / "home"))
    path = folder / "feed.csv"
    garbage = garbage.replace(b'"', b"")  # a pair of quotes may rightly hold other lines
    path.write_bytes(b"\n".join([HEADER.encode(), GOOD[0].encode(), garbage, GOOD[1].encode()]))
    taken = ingest(capability(path), stores, NOW).counts
    assert taken.balanced
    assert {"Ghent", "NA"} <= {
        town for (town,) in content(stores, capability(path), "rows", ("in:town",))
    }
