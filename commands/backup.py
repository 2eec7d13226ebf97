"""`opslayer backup`: everything that can't be made again, in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, emit, number, say


def backup(
    *,
    output: Annotated[
        Path, Parameter(help="A file that is not there yet, or a folder: it names the file then.")
    ],
    local: Annotated[
        bool, Parameter(negative="", help="Only what lies here, where addresses are configured.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Back up the data folder while it is in use; `opslayer restore FILE` brings it back.

    Interactions, feedback, ledger, lake, models, MLflow, reports and the secret that hides who the
    subjects are: keep the file where only those may read it who may read all that. configs/ are not
    in it.
    """
    from opslayer.steps.backup import backup as step
    from opslayer.steps.backup import refuse_elsewhere

    here, at = context(), datetime.now(UTC)
    refuse_elsewhere(here.settings, local)
    target = output / f"opslayer-{at:%Y%m%dT%H%M%SZ}.backup" if output.is_dir() else output
    done = step(here.settings, target, at)
    if as_json:
        emit(done)
        return
    say(f"{done.file}: {number(done.bytes)} bytes, {number(done.parts)} parts")
    for part in done.elsewhere:
        say(f"not in it: {part}")
