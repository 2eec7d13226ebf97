"""Score files of rows with the version that serves, file by file, wherever there is room.

Every row of a file is in what is written about it: with an answer, or with what is wrong with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.engine import HERE, Executor
from opslayer.errors import NotFound, Refused, StoreError
from opslayer.records import Version
from opslayer.sources.contract import Typed
from opslayer.sources.files import FilePiece, FilesFeed
from opslayer.sources.part import Refusal
from opslayer.steps.champion import champion
from opslayer.steps.inputs import as_features
from opslayer.steps.past import laid_out_as_first
from opslayer.stores import Stores, objects
from opslayer.stores.lake import MOMENT, value_type

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CLASS = "p:"
"""Columns of probabilities carry this prefix before the class's name."""
SUFFIX = ".parquet"


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of one file."""

    file: str
    to: str | None
    """Where its answers lie; None where it was refused."""
    rows: int = 0
    """That it has."""
    bad: int = 0
    """Of them, those that have no answer."""
    reason: str | None = None
    """Why it was refused."""


def score_files(
    capability: Capability, stores: Stores, path: str, to: Path, executor: Executor = HERE
) -> tuple[Version, list[Scored]]:
    """Score the files at a path (one, a folder's, those of a pattern, or at `s3://`), laid out as
    the capability's first source, with the version that serves now; the version, and what came of
    each file, in the order of their names.

    Of each, one Parquet file in the folder `to`: line, row id (as ingest makes it), event time,
    value, the classes' probabilities where the model has them, and the fault of a row that was
    not scored. It is there as a whole or not at all; scored again, it is replaced. `executor`'s
    processes have to reach the files and the folder.

    Raises Refused where no model serves, the capability reads no file, or two answers would lie at
    one place, NotFound where there is no file, StoreError, and what loading a model raises.
    """
    version = champion(capability, stores) if capability.predictor else None
    if version is None:
        raise Refused(
            f"{capability.name}: no model of its own serves it now, and rows are scored by models: "
            f"`opslayer release list {capability.name}` says what does"
        )
    if not path.startswith(objects.REMOTE):
        path = str(Path(path).absolute())  # an engine's processes work in folders of their own
    asked = laid_out_as_first(capability, path)
    feed = FilesFeed(asked, asked.sources[0])
    pieces = [FilePiece(feed, one, None) for one in objects.find(path)]
    if not pieces:
        raise NotFound(f"no file at {path}")
    scoring = Scoring(asked, version, stores, str(to.absolute()))
    _check_places(scoring, pieces)
    return version, list(executor.map(scoring.of, pieces))


@dataclass(frozen=True, slots=True)
class Scoring:
    """What scores one file: all of it travels to whoever does."""

    capability: Capability
    version: Version
    stores: Stores
    folder: str

    def target(self, file: str) -> Path:
        """Where the answers to a file's rows lie."""
        name = file.rpartition("/")[2]
        return Path(self.folder, name if name.endswith(SUFFIX) else name + SUFFIX)

    def of(self, piece: FilePiece) -> Scored:
        """Score one file. Raises StoreError, and what loading a model raises."""
        target = self.target(piece.found.name)
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scored = self._write(piece, beside)
            if scored.reason is None:
                os.replace(beside, target)
            return scored
        except OSError as error:
            raise StoreError(f"answers can't be written to {target}: {error}") from error
        finally:
            beside.unlink(missing_ok=True)

    def _write(self, piece: FilePiece, beside: Path) -> Scored:
        """Write a file's answers, chunk by chunk."""
        from pyarrow.parquet import ParquetWriter

        assert self.capability.training is not None
        file, rows, bad = piece.found.name, 0, 0
        model = self.stores.models.load(self.version, self.capability.training.serialization)
        with ParquetWriter(beside, _schema(self.capability, model)) as writer:
            for part in piece.parts():
                if isinstance(part, Refusal):
                    return Scored(file, None, reason=part.reason)
                writer.write_table(_answered(self.capability, model, part.typed))
                rows, bad = rows + part.typed.read, bad + len(part.typed.faults)
        return Scored(file, str(self.target(file)), rows, bad)


def _check_places(scoring: Scoring, pieces: Sequence[FilePiece]) -> None:
    """Raises Refused where answers would lie upon each other, or upon the rows."""
    taken = {str(Path(piece.found.name).absolute()): piece.found.name for piece in pieces}
    for piece in pieces:
        place = str(scoring.target(piece.found.name))
        if place in taken:
            raise Refused(
                f"the answers to {piece.found.name} would lie at {place}, where {taken[place]} or "
                "its answers do: give --to another folder, and files of one name each its own"
            )
        taken[place] = piece.found.name


def _classes(model: Pipeline) -> tuple[str, ...]:
    """The classes that a model gives probabilities of."""
    estimator = model["estimator"]
    if not hasattr(estimator, "predict_proba"):
        return ()
    return tuple(str(name) for name in estimator.classes_)


def _schema(capability: Capability, model: Pipeline) -> pa.Schema:
    return pa.schema(
        [
            ("line", pa.int64()),
            ("row_id", pa.string()),
            ("event_time", MOMENT),
            ("value", value_type(capability)),
            *((CLASS + name, pa.float64()) for name in _classes(model)),
            ("fault", pa.string()),
        ]
    )


def _answered(capability: Capability, model: Pipeline, typed: Typed) -> pa.Table:
    """A chunk's rows with their answers, and those with a fault, in the file's order."""
    from opslayer.learners.tabular import predict

    schema, rows = _schema(capability, model), typed.rows
    said = predict(model, as_features(capability, rows.to_pandas()))
    good = {name: rows.column(name) for name in ("line", "row_id", "event_time")}
    good["value"] = pa.array(said.values, schema.field("value").type)
    if said.probabilities is not None:
        named = zip(_classes(model), said.probabilities.T, strict=True)
        good |= {CLASS + name: pa.array(column) for name, column in named}
    bad = [
        {"line": one.line, "event_time": one.event_time, "fault": one.reason}
        for one in typed.faults
    ]
    nothing = {name: pa.nulls(len(rows), schema.field(name).type) for name in schema.names}
    answered = pa.table({**nothing, **good}, schema)
    return pa.concat_tables([answered, pa.Table.from_pylist(bad, schema)]).sort_by("line")
