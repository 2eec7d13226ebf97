"""Reading a piece of a source ahead of its turn, as if the lake held nothing yet.

What costs time, reading, converting and writing Parquet, needs nothing that came before: so it is
done for many pieces at once, wherever. Whether the lake does hold something is decided in turn
(`opslayer.steps.intake`), by hashes of ids: a portion that shares none is taken as it was prepared,
any other is read again in its turn.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from opslayer.capability import Capability
from opslayer.records import TagSource
from opslayer.sources.chunk import Fault
from opslayer.sources.contract import Typed
from opslayer.sources.part import Part, Piece, Refusal
from opslayer.sources.present import Present
from opslayer.sources.seen import Seen
from opslayer.sources.sift import Counts, Sieve
from opslayer.stores.lake import Lake, Staged, literal, schema

LAID = ("tags", "answers", "rows")
"""The tables whose rows are laid beside them, in the order in which they are written."""
FAULTS = 1_000
"""Bad rows in a portion above which it is not worth preparing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A portion that was read and laid beside the tables."""

    begin: Mapping[str, Any]
    end: Mapping[str, Any]
    settled: bool
    counts: Counts
    """As of an empty lake."""
    faults: tuple[Fault, ...] = ()
    ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Hashes of its rows' ids."""
    said: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Hashes of the ids of what feedback states."""
    staged: Mapping[str, Staged] = field(default_factory=dict)
    """By table; one without rows is not in it."""
    fit: bool = True
    """Whether it can be taken as it is; if not, nothing of it was laid anywhere."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What prepares the pieces of one source: all of it travels to whoever does."""

    capability: Capability
    lake: Lake
    source: str
    as_of: datetime
    since: datetime | None
    """Nothing that happened before is taken."""

    def of(self, piece: Piece) -> list[Prepared | Refusal]:
        """A piece's portions, in their order."""
        with _uncollected():
            return [
                part if isinstance(part, Refusal) else self._prepared(part)
                for part in piece.parts()
            ]

    def _prepared(self, part: Part) -> Prepared:
        typed = part.typed
        ids = hashes(typed.rows.column("row_id"))
        said = hashes(typed.statements.column("id")) if typed.statements is not None else ids[:0]
        bare = Prepared(part.begin, part.end, part.settled, Counts(), (), ids, said, fit=False)
        if len(typed.faults) > FAULTS or _repeat(ids) or _repeat(said):
            return bare
        sieve = Unheld(self.capability, self.lake, self.source, self.as_of, self.since)
        sifted = sieve.sift(typed)
        staged = {
            table: self.lake.stage(self.capability, table, rows, ahead=True)
            for table in LAID
            if len(rows := getattr(sifted, table))
        }
        faults = typed.since(self.since).faults if self.since else typed.faults
        return replace(bare, counts=sifted.counts, faults=faults, staged=staged, fit=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for circles of garbage: among a hundred thousand records, which make none,
    it took a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _repeat(ids: np.ndarray) -> bool:
    ordered = np.sort(ids)  # `np.unique` hashes them, ten times as slowly
    return bool((ordered[1:] == ordered[:-1]).any())


def hashes(ids: pa.ChunkedArray) -> np.ndarray:
    """64 bits of each id, equal on every machine."""
    texts = np.asarray(ids.to_numpy(zero_copy_only=False), dtype=object)
    found: np.ndarray = pd.util.hash_array(texts, categorize=False)
    return found


@dataclass(frozen=True, slots=True)
class Unheld(Sieve):
    """Sifts as against an empty lake."""

    @property
    def present(self) -> Present:
        """Nothing."""
        return Nothing(self.capability, self.lake)

    def _compare(self, typed: Typed) -> tuple[list[int], dict[int, Fault]]:
        """All are new: whoever asks has seen that no id comes twice."""
        return [*range(len(typed.rows))], {}


@dataclass(frozen=True, slots=True)
class Nothing(Present):
    """A lake that holds nothing."""

    def rows(self, table: str, key: str, ids: pa.Array, where: str = "true") -> pa.Table:
        """No row."""
        del key, ids, where
        return schema(self.capability, table).empty_table()

    def stream(self, table: str, columns: Any, where: str) -> Iterator[pa.Table]:
        """Nothing."""
        del table, columns, where
        return iter(())


@dataclass(frozen=True, slots=True)
class Known:
    """Hashes of every id in the lake that a portion of a source could meet, 8 bytes each."""

    ids: Seen
    said: Seen

    @classmethod
    def of(cls, capability: Capability, lake: Lake, source: str) -> Known:
        """Read from the lake, column by column. Raises StoreError."""
        present, known = Present(capability, lake), cls(Seen(), Seen())
        stated = f'source = {literal(TagSource.OUTCOME.value)} AND "by" = {literal(source)}'
        for table, where in (("rows", "true"), ("answers", "true"), ("tags", stated)):
            for part in present.stream(table, ["row_id"], where):
                known.ids.earlier(hashes(part.column("row_id")))
        for part in present.stream("tags", ["id"], "true"):
            known.said.earlier(hashes(part.column("id")))
        return known

    def meets(self, prepared: Prepared) -> bool:
        """Whether any id of a portion may have been there before; from now on, all of them are."""
        ids, said = self.ids.earlier(prepared.ids), self.said.earlier(prepared.said)
        return bool(ids.any() or said.any())
