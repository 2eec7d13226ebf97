"""`opslayer feedback import FILE`: what was said later about answers, from a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from commands.context import context
from commands.output import AsJson, complain, emit, number, say

if TYPE_CHECKING:
    from opslayer.steps.feedback import Imported

app = App(name="feedback", help="Import what was said later about answers.")


@app.command(name="import")
def import_(
    file: Annotated[Path, Parameter(help="CSV or JSON Lines, also packed with gzip.")],
    /,
    *,
    capability: Annotated[
        str | None, Parameter(help="Of the lines that name none.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Take true values, corrections, thumbs and clicks from a file into the interaction log.

    Columns or keys: interaction_id, kind (true_value, correction, thumb, click), value, and where
    wanted event_time (now without it), idempotency_key and capability.

    Good lines are taken, and each bad one is told with its line, field and reason; then the exit
    code is 1. Mend the file and import it again: what was taken is not taken twice. A file that is
    no feedback as a whole is refused.
    """
    from opslayer.errors import NotFound
    from opslayer.sources.said import FeedbackFile
    from opslayer.steps.feedback import import_feedback

    here = context()
    if capability is not None:
        here.capability(capability)  # a wrong name is told once, not for each line
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    asked = FeedbackFile(file, here.capability, capability)
    imported = import_feedback(asked, here.stores, datetime.now(UTC))
    if as_json:
        emit({"file": file, **_counts(imported), "problems": imported.problems})
    else:
        _tell(file, imported)
    return 1 if imported.refused else 0


def _counts(imported: Imported) -> dict[str, int]:
    names = ("read", "new", "present", "refused")
    return {name: getattr(imported, name) for name in names}


def _tell(file: Path, imported: Imported) -> None:
    for problem in imported.problems:
        complain(str(problem))
    untold = imported.refused - len({problem.line for problem in imported.problems})
    if untold > 0:
        complain(f"and {number(untold)} more lines: mend these and import the file again")
    read, new, present, refused = map(number, _counts(imported).values())
    say(f"{file}: {read} lines: {new} new, {present} there already, {refused} refused")
