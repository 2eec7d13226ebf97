"""`opslayer export`: what is kept, for whoever wants to read it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from commands.context import context
from commands.output import AsJson, emit, number, say
from commands.sheet import Shape, write
from opslayer.errors import Refused

if TYPE_CHECKING:
    from opslayer.steps.export import Export

Format = Literal["jsonl", "csv", "parquet"]
ENDINGS: dict[str, Format] = {".csv": "csv", ".parquet": "parquet"}
"""What a file's name says of how it is written."""

app = App(name="export", help="Write out interactions, labels, a training set, or erasures.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows go, and how they are written."""

    output: Annotated[Path | None, Parameter(show_default=False)] = None
    """A file to write, as a whole or not at all; standard output without it."""

    format: Annotated[Format | None, Parameter(show_default=False)] = None
    """One JSON object a line; CSV, in which a text that a spreadsheet would take for a formula gets
    a ' before; or Parquet. Without it, what the file's name ends in: .csv, .parquet, else JSON
    lines."""

    def shape(self, as_json: bool) -> Shape | Literal["parquet"]:
        """How the rows are written; for a machine that asks for JSON alone, as one list."""
        if self.format is not None:
            return self.format
        if self.output is None:
            return "json" if as_json else "jsonl"
        return ENDINGS.get(self.output.suffix.lower(), "jsonl")


@app.command
def interactions(
    capability: str,
    *,
    target: Target = Target(),
    as_json: AsJson = False,
) -> None:
    """Write out every interaction with all its fields, those just answered included.

    A call that was begun, and whose end nobody knows, is there with the status `unknown`.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.export import export_interactions

    here = context()
    _give(export_interactions(here.capability(capability), here.stores), target, as_json)


@app.command
def labels(
    capability: str,
    *,
    target: Target = Target(),
    as_json: AsJson = False,
) -> None:
    """Write out the label of each row that has one, as known now, with when and from whom it is.

    Feedback counts once it was taken in: `opslayer run ingest_data CAPABILITY`.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.export import export_labels

    here = context()
    spec = here.capability(capability)
    _give(export_labels(spec, here.stores, datetime.now(UTC)), target, as_json)


@app.command
def snapshot(
    capability: str,
    *,
    digest: Annotated[str | None, Parameter(show_default=False)] = None,
    target: Target = Target(),
    as_json: AsJson = False,
) -> None:
    """Write out a training set as it was learnt from.

    Parameters
    ----------
    capability
        Its name.
    digest
        Which one; the newest without it.
    """
    from opslayer.steps.export import export_snapshot

    here = context()
    _give(export_snapshot(here.capability(capability), here.stores, digest), target, as_json)


@app.command
def erasures(*, target: Target = Target(), as_json: AsJson = False) -> None:
    """Write out who was erased, as keyed hashes and ids alone.

    Kept apart from the data folder, the list lets `opslayer restore` leave out whoever was erased
    after the backup, also where the data folder is lost.
    """
    from opslayer.steps.export import export_erasures
    from opslayer.stores.secret import fingerprint, installation_secret

    here = context()
    secret = fingerprint(installation_secret(here.settings))
    _give(export_erasures(here.stores, secret), target, as_json)


def _give(export: Export, target: Target, as_json: bool) -> None:
    """Write the rows, and say what was written where that is not seen."""
    count = _write(export, target.shape(as_json), target.output)
    if target.output is None:
        return
    digest = {"digest": export.snapshot.digest} if export.snapshot else {}
    told: dict[str, Any] = {"file": target.output, "rows": count, **digest}
    if as_json:
        emit(told)
    else:
        say(f"{target.output}: {number(count)} rows")


def _write(export: Export, shape: Shape | Literal["parquet"], output: Path | None) -> int:
    if shape != "parquet":
        return write(export.columns, export.rows, shape, output)
    if output is None:
        raise Refused("--format parquet is no text: name a file with --output")
    from commands.columnar import write_parquet

    return write_parquet(export.types, export.rows, output)
