"""A backup as one file: a ZIP of parts, and a manifest that names each with its SHA-256.

It is written beside its place and renamed, readable for its owner alone, so that what has the name
of a backup is one. A reader trusts nothing of it: each part is what the manifest says, and lies
below the folder it is unpacked into.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

from pydantic import ValidationError

from opslayer.errors import Refused, StoreError
from opslayer.records import Record, Time
from opslayer.stores.journal.segment import sync_folder
from opslayer.stores.manifest import is_inside

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST = 256 * 2**20
"""Bytes of a manifest, at most: it names every file of the lake."""
BLOCK = 2**20
PACKED = (".parquet", ".skops", ".png", ".gz")
"""What does not get smaller."""
PREFIX, ASIDE = ".opslayer-", ".partial"


class Part(Record):
    """One file in a backup."""

    size: int
    sha256: str


class Manifest(Record):
    """What a backup holds, and of what."""

    format: int = FORMAT
    opslayer: str
    """The version that wrote it."""
    revision: str
    """Of the schema of the ledger and the log."""
    taken: Time
    """When it was begun: what was acknowledged before is in it."""
    home: str
    """The data folder, whose path MLflow keeps in its database."""
    secret: str
    """By what the subjects' hashes are keyed: `secret.fingerprint`."""
    covers: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    """The parts that lie at configured addresses, and are not in it."""
    parts: dict[str, Part]
    """By path below the data folder."""


@dataclass(slots=True)
class Writing:
    """A backup that is being written."""

    aside: Path
    """A folder for copies on their way; it goes with the end of the writing."""
    packed: zipfile.ZipFile
    parts: dict[str, Part] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """Add a file as it is now; raises FileNotFoundError where it has gone."""
        with path.open("rb") as file:
            self._add(name, file)

    def add_copy(self, name: str) -> None:
        """Add what was copied aside under this name; the copy goes."""
        self.add(name, self.aside / name)
        (self.aside / name).unlink()

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a part of these bytes."""
        self._add(name, BytesIO(content))

    def close(self, manifest: Manifest) -> None:
        """Add the manifest, with which it is whole."""
        text = manifest.model_dump_json(indent=1)
        self.packed.writestr(MANIFEST, text)

    def _add(self, name: str, file: IO[bytes]) -> None:
        entry, digest, size = zipfile.ZipInfo(name), sha256(), 0
        stored = name.endswith(PACKED)
        entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with self.packed.open(entry, "w", force_zip64=True) as into:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
                into.write(block)
        self.parts[name] = Part(size=size, sha256=digest.hexdigest())


@contextmanager
def writing(target: Path) -> Iterator[Writing]:
    """Write a backup: it has its name once the block has ended, whole and durable.

    Raises Refused where there is a file already or another backup is written into the folder, and
    StoreError where the disk does not take it.
    """
    if target.exists():
        raise Refused(f"{target} is there already: name another file, or a folder")
    with alone(target.parent):
        _clear(target.parent)
        aside = Path(mkdtemp(prefix=PREFIX, suffix=ASIDE, dir=target.parent))  # mode 0700
        try:
            with _told(target):
                with _opened(aside / target.name) as file:
                    with zipfile.ZipFile(file, "w", compresslevel=1) as packed:
                        yield Writing(aside, packed)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(aside / target.name, target)
                sync_folder(target.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """A backup that is being read."""

    path: Path
    packed: zipfile.ZipFile
    manifest: Manifest

    def unpack(self, folder: Path) -> None:
        """Write every part below a folder, durably. Raises Refused for the first part that is not
        what the manifest says: then what was written is to be thrown away."""
        folders = {folder}
        for name, part in self.manifest.parts.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.update(one for one in target.parents if one.is_relative_to(folder))
            with self._part(name) as source, _opened(target) as file:
                self._copy(name, part, source, file)
                os.fsync(file.fileno())
        for one in folders:
            sync_folder(one)

    def read(self, name: str) -> bytes:
        """The bytes of one part; raises Refused as `unpack` does."""
        into = BytesIO()
        with self._part(name) as source:
            self._copy(name, self.manifest.parts[name], source, into)
        return into.getvalue()

    @contextmanager
    def _part(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self.packed.open(name) as source:
                yield source
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise self._damaged(name) from error

    def _copy(self, name: str, part: Part, source: IO[bytes], into: IO[bytes]) -> None:
        digest, left = sha256(), part.size
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            into.write(block)
        if left or digest.hexdigest() != part.sha256:
            raise self._damaged(name)

    def _damaged(self, name: str) -> Refused:
        return Refused(
            f"{self.path}: {name} is not what was backed up: the file is damaged; take another "
            "backup, nothing was restored"
        )


@contextmanager
def opened(path: Path) -> Iterator[Reading]:
    """Read a backup; raises Refused for what is no whole one, or of a newer Opslayer."""
    if not path.is_file():
        raise Refused(f"there is no backup at {path}")
    try:
        with zipfile.ZipFile(path) as packed:
            yield Reading(path, packed, _manifest(path, packed))
    except (zipfile.BadZipFile, EOFError) as error:
        raise Refused(f"{path} is no whole backup: take another one") from error


def _manifest(path: Path, packed: zipfile.ZipFile) -> Manifest:
    names = [entry.filename for entry in packed.infolist()]
    try:
        if packed.getinfo(MANIFEST).file_size > LARGEST:
            raise Refused(f"{path}: its manifest is larger than {LARGEST} bytes")
        said = json.loads(packed.read(MANIFEST))
        if int(said["format"]) > FORMAT:
            raise Refused(
                f"{path} was written by Opslayer {said.get('opslayer')}, in a form that this one "
                "does not know: install that one"
            )
        manifest = Manifest.model_validate(said)
    except (KeyError, TypeError, ValueError, ValidationError, RecursionError) as error:
        raise Refused(
            f"{path} is no backup of Opslayer: it has no manifest that can be read"
        ) from (error)
    if sorted(names) != sorted([MANIFEST, *manifest.parts]):
        raise Refused(f"{path} holds other parts than its manifest names: take another backup")
    outside = [name for name in manifest.parts if not is_inside(name)]
    if outside:
        raise Refused(f"{path} would write outside the data folder: {', '.join(outside[:5])}")
    return manifest


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other backup and restore out of a folder; Refused where one is under way there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise Refused(f"{folder} can't be used: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise Refused(
            f"another backup or restore is under way in {folder}: wait until it is done"
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    """Remove what killed backups had begun; nobody else writes one here now."""
    for left in folder.glob(f"{PREFIX}*{ASIDE}"):
        shutil.rmtree(left, ignore_errors=True)


def _opened(path: Path) -> IO[bytes]:
    """A new file for this user alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{target} can't be written: {error.strerror}") from error
