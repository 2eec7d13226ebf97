"""Files on this machine and on S3: found by name, known by version, read as they were listed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opslayer.errors import NotFound, StoreError
from opslayer.stores import objects
from opslayer.stores.objects import find, opened, unchanged

FILES = ("b.csv", "a.csv.gz", "c.parquet", "notes.txt", ".hidden.csv", "deep/d.csv", "deep/e/f.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A bucket with the same files below `data/`, on a real HTTP server."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="feeds")
        for name in FILES:
            client.put_object(Bucket="feeds", Key=f"data/{name}", Body=name.encode())
        yield client
    server.stop()


def names(path: str, root: str) -> list[str]:
    return [one.name.removeprefix(root) for one in find(path)]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("b.csv", ["b.csv"]),
        ("notes.txt", ["notes.txt"]),
        ("", ["a.csv.gz", "b.csv", "c.parquet"]),
        ("deep", ["deep/d.csv"]),
        ("*.csv*", ["a.csv.gz", "b.csv"]),
        ("*/*.csv", ["deep/d.csv"]),
        ("**/*.csv", ["b.csv", "deep/d.csv", "deep/e/f.csv"]),
        ("nothing*", []),
    ],
)
def test_local_and_s3_paths_find_the_same(
    folder: Path, s3: Any, path: str, wanted: list[str]
) -> None:
    assert names(f"{folder}/{path}", f"{folder}/") == wanted
    remote = names(f"s3://feeds/data/{path}", "s3://feeds/data/")
    assert [name for name in remote if name != ".hidden.csv"] == wanted


def test_a_path_that_names_nothing_says_so(folder: Path, s3: Any) -> None:
    for path in (f"{folder}/x.csv", "s3://feeds/data/x.csv", "s3://no-such-bucket/x.csv"):
        with pytest.raises(NotFound, match=path.rsplit("/", 1)[0]):
            find(path)


def test_a_version_changes_with_the_file(folder: Path, s3: Any) -> None:
    path = folder / "b.csv"
    before = find(str(path))[0]
    assert unchanged(before)
    state = path.stat()
    path.write_text("B.CSV")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert find(str(path))[0].version != before.version
    assert not unchanged(before)
    with pytest.raises(NotFound, match="changed"), opened(before):
        pass

    listed = find("s3://feeds/data/b.csv")[0]
    with opened(listed) as copy:
        assert copy.read_text() == "b.csv"
    assert not copy.exists()
    s3.put_object(Bucket="feeds", Key="data/b.csv", Body=b"changed")
    with pytest.raises(NotFound, match="changed"), opened(listed):
        pass
    s3.put_object(Bucket="feeds", Key="data/b.csv", Body=b"b.csv")


def test_an_s3_that_is_away_is_a_store_error(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError, match="does not answer"):
        find("s3://feeds/data/b.csv")


def test_a_key_with_signs_of_a_url_is_one_key(s3: Any) -> None:
    s3.put_object(Bucket="feeds", Key="odd/a#b c%20.csv", Body=b"odd")
    (found,) = find("s3://feeds/odd/a#b c%20.csv")
    with opened(found) as path:
        assert path.read_text() == "odd"
    assert objects.find("s3://feeds/odd/*")[0] == found


def test_a_link_is_read_where_the_path_names_it_and_within_its_folder_and_nowhere_else(
    tmp_path: Path,
) -> None:
    outside, drop = tmp_path / "outside.csv", tmp_path / "drop"
    outside.write_text("at\n")
    (drop / "old").mkdir(parents=True)
    (drop / "old" / "a.csv").write_text("at\n")
    (drop / "newest.csv").symlink_to("old/a.csv")
    (drop / "stolen.csv").symlink_to(outside)
    (newest, stolen) = objects.find(str(drop))
    with objects.opened(newest) as path:
        assert path == (drop / "old" / "a.csv").resolve()
    with pytest.raises(NotFound, match=r"a link out of .*drop: put the file itself there"):
        objects.opened(stolen).__enter__()
    (named,) = objects.find(str(drop / "stolen.csv"))
    with objects.opened(named) as path:
        assert path == outside.resolve()


def test_the_machine_itself_is_no_source() -> None:
    (found,) = objects.find("/proc/self/environ")
    with pytest.raises(NotFound, match="part of the machine"):
        objects.opened(found).__enter__()
