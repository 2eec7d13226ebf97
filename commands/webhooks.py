"""`opslayer webhooks`: who was told what, and what is still on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from commands.context import Context, context
from commands.output import AsJson, complain, emit, show
from opslayer.stop import stop_signal

if TYPE_CHECKING:
    from opslayer.stores.ledger.deliveries import Delivery

EVERY = 2.0
"""Seconds between two looks."""
COLUMNS = (
    "id", "capability", "hook", "event", "about", "status", "attempts", "tried", "next", "reason"
)  # fmt: skip

app = App(name="webhooks", help="Tell webhooks what was decided; list and resend what they got.")


@app.command(name="list")
def list_(capability: str | None = None, *, as_json: AsJson = False) -> None:
    """List the newest 200 deliveries: what came of each, and when it is tried next.

    Parameters
    ----------
    capability
        Its name; without it, those of every capability.
    """
    here = context()
    name = here.capability(capability).name if capability else None
    rows = _rows(here, here.stores.ledger.deliveries.newest(name))
    show(rows, as_json, "Deliveries", COLUMNS, "nothing was to be told yet")


@app.command
def resend(id: str, *, as_json: AsJson = False) -> None:
    """Send one again now, under the id that it had: who has seen it before can know it again.

    A webhook that had asked for no more is asked again from then on.

    Parameters
    ----------
    id
        Of the delivery, as `opslayer webhooks list` shows it.
    """
    from opslayer.steps.notify import resend as step
    from opslayer.steps.notify import this_machine

    here = context()
    capability = here.capability(here.stores.ledger.deliveries.get(id).capability)
    sent = step(capability, id, here.stores, this_machine(here.settings))
    (row,) = _rows(here, [sent])
    if as_json:
        emit(row)
    else:
        show([row], False, "Sent again", COLUMNS)


@app.command
def send(
    *,
    follow: Annotated[bool, Parameter(negative="", help="Go on until stopped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send what is due now. `opslayer up` does it all the time, as --follow does."""
    from opslayer.steps.notify import notify, this_machine

    here = context()
    if follow:
        _follow(here)
        return
    tried = notify(here.capabilities(), here.stores, this_machine(here.settings))
    show(_rows(here, tried), as_json, "Attempted", COLUMNS, "nothing is due")


def _follow(here: Context) -> None:
    """Look every few seconds; what goes wrong is told once and tried again."""
    from opslayer.configuration.folder import Files
    from opslayer.errors import OpslayerError
    from opslayer.parent import die_with_parent
    from opslayer.steps.notify import notify, this_machine

    die_with_parent()
    stopped = stop_signal()
    files, told = Files(here.settings.configs), ""
    while not stopped.wait(EVERY):
        fault = ""
        try:
            notify(files.read()[0], here.stores, this_machine(here.settings))
        except OpslayerError as error:
            fault = str(error)
        except Exception as error:  # another's text may hold an address or a secret
            fault = type(error).__name__
        if fault and fault != told:
            complain(f"tried again: {fault}")
        told = fault


def _rows(here: Context, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Deliveries with what each is about; `next` only where there is a next attempt."""
    verdicts = here.stores.ledger.verdicts.of([one.verdict for one in deliveries])
    about = {one.id: one.about for one in verdicts}
    rows = []
    for one in deliveries:
        row: dict[str, Any] = {**asdict(one), "about": about.get(one.verdict)}
        due = row.pop("due")
        rows.append({**row, "next": due if one.status == "waiting" else None})
    return rows
