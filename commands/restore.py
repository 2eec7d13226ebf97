"""`opslayer restore`: the data folder as it was when a backup was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, complain, emit, say, when
from opslayer.errors import Refused
from opslayer.user import user

if TYPE_CHECKING:
    from opslayer.steps.restore import Restored


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Over:
    """What happens to a data folder that is there."""

    replace: Annotated[bool, Parameter(negative="")] = False
    """Set it aside, for a --reason."""

    reason: Annotated[str, Parameter(show_default=False)] = ""
    """Why, in your own words; the restored folder keeps it."""


def restore(
    file: Annotated[Path, Parameter(help="What `opslayer backup` wrote.")],
    *,
    into: Annotated[
        Path | None, Parameter(help="An empty folder to use in place of OPSLAYER_HOME.")
    ] = None,
    over: Over = Over(),
    erasures: Annotated[
        Path | None, Parameter(help="Who was erased since: `opslayer export erasures`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup: everything is checked before anything is changed.

    Whoever was erased after the backup does not come back: what the data folder that is there, or
    one that an earlier restore set aside, knows of erasures is carried out again. Where it is lost,
    give the list with --erasures. Killed in the middle, ask again.
    """
    from opslayer.steps.backup import refuse_elsewhere
    from opslayer.steps.restore import Wish
    from opslayer.steps.restore import restore as step
    from opslayer.stores import Stores

    here = context()
    refuse_elsewhere(here.settings, local=True)
    if over.replace and not over.reason.strip():
        raise Refused("--replace needs a --reason: what is there is set aside")
    settings = here.settings if into is None else here.settings.model_copy(update={"home": into})
    why = (over.reason, datetime.now(UTC), here.settings.root, over.replace)
    wish = Wish(file, user(), *why, erasures)

    def at(home: Path) -> Stores:
        return Stores.at(settings.model_copy(update={"home": home}))

    done = step(wish, settings, at, here.capability)
    if as_json:
        emit(done)
    else:
        _tell(done)


def _tell(done: Restored) -> None:
    say(f"{done.home} is as it was at {when(done.taken)}: {', '.join(done.covers)}")
    for part in done.elsewhere:
        say(f"not in the backup: {part}")
    if done.aside is not None:
        say(f"what was there lies in {done.aside}: remove it once you need it no more")
    if done.erased:
        say(f"{done.erased} who had been erased since were erased again")
    if not done.erasures_known:
        complain(
            f"nobody here knows who was erased after {when(done.taken)}: whoever was may be back. "
            "Where you keep the list (opslayer export erasures), restore again with --erasures"
        )
    for name, numbers in done.learnt.items():
        say(
            f"{name}: models {', '.join(map(str, numbers))} had learnt from them: "
            "opslayer erase SUBJECT --retrain replaces them"
        )
