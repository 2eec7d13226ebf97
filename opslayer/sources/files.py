"""A source made of files: each version of a file is read once, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from types import ModuleType

from opslayer.capability import Capability, Source
from opslayer.errors import FileRefused, NotFound, StoreError
from opslayer.sources import csv, parquet
from opslayer.sources.chunk import Chunk
from opslayer.sources.contract import Layout, Typed, contract_of, typed
from opslayer.sources.part import Part, Parts, Piece, Refusal
from opslayer.sources.seen import Seen
from opslayer.stores import objects
from opslayer.stores.ledger.batches import Batch
from opslayer.stores.objects import Object

SETTLED = ("done", "refused")


@dataclass(frozen=True, slots=True)
class FilesFeed:
    """The files of one source. A file that has grown or was rewritten is read again from its
    start; what the lake holds of it already is found there by row id.
    """

    capability: Capability
    source: Source

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    def check(self) -> None:
        """Nothing in its configuration can keep it from being asked."""

    def parts(self, history: Sequence[Batch]) -> Parts:
        """New chunks and refused files, file by file in the order of their names."""
        assert self.source.path is not None
        try:
            found = objects.find(self.source.path)
        except (NotFound, StoreError) as error:
            yield Refusal(self.name, self.source.path, str(error))
            return
        last = _last(history)
        for one in found:
            yield from self.file(one, last.get(one.name))

    def pieces(self, history: Sequence[Batch], elsewhere: bool) -> Iterator[Piece] | None:
        """File by file, where other processes read them: this one reads chunk by chunk."""
        assert self.source.path is not None
        if not elsewhere:
            return None
        try:
            found = objects.find(self.source.path)
        except (NotFound, StoreError):
            return None  # `parts` says so
        last = _last(history)
        return iter([FilePiece(self, one, last.get(one.name)) for one in found])

    def file(self, found: Object, last: Batch | None) -> Parts:
        """What is new in one file, given the last batch of it."""
        if last and last.begin["version"] == found.version:
            if last.status == "refused":
                yield Refusal(self.name, found.name, last.reason or "")
                return
            if last.end["final"]:
                return
        try:
            with objects.opened(found) as path:
                yield from self._version(found, path, last)
        except (NotFound, StoreError, OSError) as error:
            yield Refusal(self.name, found.name, str(error))

    def _version(self, found: Object, path: Path, last: Batch | None) -> Parts:
        layout, reader = Layout.of(self.capability, self.source), _reader(path)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        pinned = {"file": found.name, "version": found.version, "sha256": digest}
        known = last if last and last.begin.get("sha256") == digest else None
        if known and known.end["final"]:
            return
        try:
            reader.check(path, self.capability, layout)
        except FileRefused as refused:
            yield Refusal(self.name, found.name, str(refused), pinned)
            return
        pinned["contract"] = contract_of(self.capability)
        start = known.end["row"] if known and known.begin["contract"] == pinned["contract"] else 0
        for begin, end, part in self._chunks(found, path, reader):
            if begin >= start:
                yield Part({**pinned, "row": begin}, end, part)

    def _chunks(
        self, found: Object, path: Path, reader: ModuleType
    ) -> Iterator[tuple[int, Mapping[str, object], Typed]]:
        layout, seen, row = Layout.of(self.capability, self.source), Seen(), 0
        chunks: Iterator[Chunk] = reader.read(path, found.name, self.capability, layout)
        chunk: Chunk | None = next(chunks, Chunk(found.name, [], {}))
        while chunk is not None:
            following = next(chunks, None)
            part = typed(self.capability, layout, chunk, seen)
            if not objects.unchanged(found):
                raise NotFound(f"{found.name} changed while it was being read: next time")
            yield row, {"row": row + chunk.read, "final": following is None}, part
            row, chunk = row + chunk.read, following


@dataclass(frozen=True, slots=True)
class FilePiece:
    """One file of a source."""

    feed: FilesFeed
    found: Object
    last: Batch | None

    def __str__(self) -> str:
        return self.found.name

    def parts(self) -> Parts:
        """What is new in it."""
        yield from self.feed.file(self.found, self.last)


def _last(history: Sequence[Batch]) -> dict[str, Batch]:
    """By file, the last batch that settled something of it."""
    return {batch.begin["file"]: batch for batch in history if batch.status in SETTLED}


def _reader(path: Path) -> ModuleType:
    with path.open("rb") as file:
        return parquet if file.read(4) == b"PAR1" else csv
