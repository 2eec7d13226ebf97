"""`opslayer experiment`: compare models, prompts and user flows on real subjects."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cyclopts import App

from commands.context import context
from commands.output import AsJson, emit, show
from commands.person import Person, decision_of
from opslayer.errors import NotFound

if TYPE_CHECKING:
    from opslayer.judgement.outcome import Outcome
    from opslayer.records import Release
    from opslayer.steps.experiment import Running

app = App(name="experiment", help="Start, watch and stop experiments.")


@app.command(name="list")
def list_(capability: str, as_json: AsJson = False) -> None:
    """List the experiments that a capability's file declares, and which of them run.

    Parameters
    ----------
    capability
        Its name.
    """
    here = context()
    declared = here.capability(capability)
    serving = here.stores.ledger.releases.serving(capability)
    running = {one.name: one.since for one in serving.experiments} if serving else {}
    decided = {name: arm.name for name, arm in serving.flows.items()} if serving else {}
    rows = [
        {
            "experiment": one.name,
            "arms": [arm.name for arm in one.arms],
            "metric": one.metric.value,
            "runs_since": running.get(one.name),
            "won_by": decided.get(one.name),
        }
        for one in declared.experiments
    ]
    empty = f"{capability} declares none; write a section `experiments`"
    show(rows, as_json, f"Experiments of {capability}", empty=empty)


@app.command
def start(capability: str, name: str, *, person: Person, as_json: AsJson = False) -> None:
    """Start an experiment that the capability's file declares.

    Parameters
    ----------
    capability
        Its name.
    name
        The experiment's.
    """
    from opslayer.steps.experiment import start as step

    here = context()
    decision = decision_of(here, capability, person)
    _tell(step(here.capability(capability), name, here.stores, decision), as_json)


@app.command
def stop(
    capability: str,
    name: str,
    *,
    person: Person,
    winner: str | None = None,
    as_json: AsJson = False,
) -> None:
    """Stop an experiment; everybody gets what the winner had, or what there was before.

    Parameters
    ----------
    capability
        Its name.
    name
        The experiment's.
    winner
        The arm that is to serve everybody.
    """
    from opslayer.steps.experiment import stop as step

    here = context()
    decision = decision_of(here, capability, person)
    _tell(step(here.capability(capability), name, here.stores, decision, winner), as_json)


@app.command(name="show")
def show_(capability: str, name: str, as_json: AsJson = False) -> None:
    """Show what a running experiment says now; look as often as you like.

    Parameters
    ----------
    capability
        Its name.
    name
        The experiment's.
    """
    from opslayer.steps.experiment import interactions, look, running
    from opslayer.stores.journal import drain

    here = context()
    drain(here.stores.journal, here.stores.events)
    found = running(here.capability(capability), here.stores, {})
    run = next((one for one in found if one.experiment.name == name), None)
    if run is None:
        there = ", ".join(one.experiment.name for one in found) or "none"
        raise NotFound(f"{capability}: no experiment {name} runs; those that do: {there}")
    run.heard.listen(here.stores.events)
    outcome, together = look(run), interactions(run)
    if as_json:
        emit(asdict(outcome) | {"interactions": {k: asdict(v) for k, v in together.items()}})
        return
    _tell_person(run, outcome, together)


def _tell_person(run: Running, outcome: Outcome, together: dict[str, Outcome]) -> None:
    rows = [
        {
            "measure": f"{table['name']} ({table['better']} is better)",
            "arm": arm["arm"],
            "subjects": arm["n"],
            "mean": arm["mean"],
            **{end: arm.get(end) for end in ("difference", "low", "high")},
        }
        for table in (outcome.numbers["primary"], *outcome.numbers["guardrails"])
        for arm in ({**table["control"]}, *table["arms"])
    ]
    show(rows, False, f"{run.experiment.name}, since {run.experiment.since:%Y-%m-%d %H:%M} UTC")
    said = [{"outcome": outcome.outcome, "reason": outcome.reason}]
    said += [
        {"outcome": one.outcome, "reason": f"with {name}: {one.reason}"}
        for name, one in together.items()
    ]
    show(said, False, "What can be said")


def _tell(release: Release, as_json: bool) -> None:
    row = {
        **release.model_dump(),
        "champion": release.champion.name,
        "running": [one.name for one in release.experiments],
    }
    if as_json:
        emit(row)
    else:
        columns = ("number", "at", "champion", "running", "by", "reason")
        show([row], False, f"{release.capability} is served by", columns)
