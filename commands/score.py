"""`opslayer score`: what the model that serves says of files of rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, complain, emit, number, say, show

COLUMNS = ("file", "rows", "bad", "to")


def score(
    capability: str,
    files: str,
    /,
    *,
    to: Annotated[Path, Parameter(help="The folder for the answers: one Parquet file for each.")],
    as_json: AsJson = False,
) -> int:
    """Score files of rows with the model that serves, on the engine where one is named.

    The files are laid out as the capability's first source; the target may be missing. Of each,
    `to` gets one Parquet file with line, row id, event time, value and the classes' probabilities;
    a row that breaks the contract is in it with its fault. Exit code 1 where a file was refused.

    Parameters
    ----------
    capability
        Its name.
    files
        A file, a folder, a pattern as `rows/*.parquet`, or an `s3://` address.
    """
    from opslayer.steps.score import score_files

    here = context()
    spec = here.capability(capability)
    version, scored = score_files(spec, here.stores, files, to, here.executor)
    refused = [one for one in scored if one.reason is not None]
    if as_json:
        emit({"version": version.version, "files": scored})
        return 1 if refused else 0
    done = [one for one in scored if one.reason is None]
    rows, bad = sum(one.rows for one in done), sum(one.bad for one in done)
    show(done, as_json, f"{capability}: scored with version {version.version}", COLUMNS)
    for one in refused:
        complain(f"{one.file}: {one.reason}")
    say(f"{number(rows)} rows, {number(bad)} of them with a fault instead of an answer")
    return 1 if refused else 0
