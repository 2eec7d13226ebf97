"""Files to read from: on this machine, or below an `s3://` address."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opslayer.errors import NotFound, StoreError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
REMOTE = "s3://"
MAGIC = frozenset("*?[")
MACHINE = (Path("/proc"), Path("/sys"), Path("/dev"))
"""What looks like files there is the machine itself: the environment, other processes' memory."""


@dataclass(frozen=True, slots=True)
class Object:
    """One file as it was when it was listed."""

    name: str
    """Its path as configured, or its `s3://` address."""
    version: str
    """Changes when the file does: size and modification time, or the ETag."""
    root: str = ""
    """The folder that it was found in, out of which no link may lead; empty for a file that the
    path names itself, and for an `s3://` address."""


def find(path: str) -> list[Object]:
    """The files at a path, by name: one file, a folder's `.csv`, `.csv.gz` and `.parquet` files,
    or those that match a pattern (`*` stays within a folder, `**/` goes through all below).

    Raises NotFound where a path without a pattern names nothing, StoreError where S3 is away or
    says no.
    """
    found = _find_remote(path) if path.startswith(REMOTE) else _find_local(path)
    if not found and not MAGIC & set(path) and not _is_folder(path):
        raise NotFound(f"no file at {path}")
    return sorted(found, key=lambda one: one.name)


@contextmanager
def opened(found: Object) -> Iterator[Path]:
    """A local path with the object's content: itself with every link followed, or a temporary copy.

    Raises NotFound where it is gone or has changed since it was listed, and where it is a link out
    of the folder that it was found in, or part of the machine: whoever may put files there is not
    therefore one who may read everything.
    """
    if not found.name.startswith(REMOTE):
        yield _unchanged(found)
        return
    with tempfile.TemporaryDirectory(prefix="opslayer-") as folder:
        path = Path(folder) / "object"
        _download(found, path)
        yield path


def unchanged(found: Object) -> bool:
    """Whether a local file still is as it was listed; a copy always is."""
    if found.name.startswith(REMOTE):
        return True
    try:
        return _local(Path(found.name)).version == found.version
    except OSError:
        return False


def _find_local(path: str) -> list[Object]:
    root = ""
    if MAGIC & set(path) and not os.path.exists(path):
        paths = [Path(name) for name in glob.glob(path, recursive=True)]
        root = _fixed(path)
    elif os.path.isdir(path):
        paths = [one for one in Path(path).iterdir() if _is_data(one.name)]
        root = path
    else:
        paths = [Path(path)]
    return [_local(one, root) for one in paths if one.is_file()]


def _fixed(pattern: str) -> str:
    """The folder at which a pattern begins."""
    parts = Path(pattern).parts
    until = next(place for place, part in enumerate(parts) if MAGIC & set(part))
    return str(Path(*parts[:until]))


def _local(path: Path, root: str = "") -> Object:
    state = path.stat()
    return Object(str(path), f"{state.st_size}-{state.st_mtime_ns}", root)


def _unchanged(found: Object) -> Path:
    if not unchanged(found):
        raise NotFound(f"{found.name} changed while it was being read")
    real = Path(found.name).resolve()
    if found.root and not real.is_relative_to(Path(found.root).resolve()):
        raise NotFound(f"{found.name} is a link out of {found.root}: put the file itself there")
    if any(real.is_relative_to(one) for one in MACHINE):
        raise NotFound(f"{found.name} is no file of data but part of the machine")
    return real


def _is_data(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) or path.endswith("/")


def _find_remote(path: str) -> list[Object]:
    bucket, key = _cut(path)
    fixed = key[: min((key.index(sign) for sign in MAGIC if sign in key), default=len(key))]
    with _s3_errors(path):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=fixed)
        entries = [entry for page in pages for entry in page.get("Contents", ())]
    return [
        Object(f"{REMOTE}{bucket}/{entry['Key']}", entry["ETag"].strip('"'))
        for entry in entries
        if _wanted(entry["Key"], key)
    ]


def _wanted(key: str, asked: str) -> bool:
    if MAGIC & set(asked):
        return _matches(key.split("/"), asked.split("/"))
    folder = asked if asked.endswith("/") or not asked else asked + "/"
    name = key.removeprefix(folder)
    return key == asked or (key.startswith(folder) and "/" not in name and _is_data(name))


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Shell patterns per folder, as `glob` has them for local paths."""
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**" and len(pattern) > 1:
        return _matches(parts, pattern[1:]) or _matches(parts[1:], pattern)
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _cut(address: str) -> tuple[str, str]:
    parts = urlsplit(address.replace("?", "%3F").replace("#", "%23"))
    if not parts.netloc:
        raise NotFound(f"{address} names no bucket: write s3://BUCKET/PREFIX")
    return parts.netloc, parts.path.lstrip("/").replace("%3F", "?").replace("%23", "#")


def _download(found: Object, path: Path) -> None:
    bucket, key = _cut(found.name)
    with _s3_errors(found.name):
        answer = _client().get_object(Bucket=bucket, Key=key, IfMatch=found.version)
        with path.open("wb") as file:
            for block in answer["Body"].iter_chunks(2**20):
                file.write(block)


@contextmanager
def _s3_errors(address: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("PreconditionFailed", "412", "NoSuchKey", "404"):
            raise NotFound(f"{address} changed while it was being read") from error
        if code == "NoSuchBucket":
            raise NotFound(f"no bucket for {address}") from error
        raise StoreError(f"{address}: S3 refuses: {code}") from error
    except BotoCoreError as error:
        raise StoreError(f"{address}: S3 does not answer: {error}") from error


def _client() -> Any:
    """Endpoint, region and credentials as the AWS tools take them from the environment."""
    import boto3

    return boto3.client("s3")
