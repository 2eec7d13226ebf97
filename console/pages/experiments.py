"""Experiments: which run, with what they say now, and how those that ended did."""

from __future__ import annotations

from typing import Any

from console import chart
from console.desk import Desk
from console.parts import moment, places, verdicts
from opslayer.capability import Capability
from opslayer.judgement.outcome import Outcome
from opslayer.records import VerdictKind
from opslayer.reports.page import Markup, heading, paragraph, table
from opslayer.steps.experiment import Running, interactions, look, running

ENDED = 20


def parts(desk: Desk, name: str) -> list[str]:
    """The page's parts; NotFound for no such capability."""
    capability = desk.capability(name)
    found = _listened(desk, capability)
    shown: list[str] = [places(name), *(part for run in found for part in _run(run))]
    if not found:
        shown.append(paragraph(_way_on(capability), "empty"))
    ended = desk.stores.ledger.verdicts.list(name, VerdictKind.EXPERIMENT, ENDED)
    if ended:
        shown += [heading("What was found"), verdicts(ended, f"Experiments of {name}")]
    return shown


def _listened(desk: Desk, capability: Capability) -> list[Running]:
    """The experiments that run, with all that was logged by now."""
    with desk.alone:
        found = running(capability, desk.stores, desk.heard.get(capability.name, {}))
        desk.heard[capability.name] = {run.about: run.heard for run in found}
        for run in found:
            run.heard.listen(desk.stores.events)
    return found


def _way_on(capability: Capability) -> str:
    name, declared = capability.name, [one.name for one in capability.experiments]
    if not declared:
        return "No experiment runs, and none is declared: write a section `experiments`."
    ways = " or ".join(f"`opslayer experiment start {name} {one} --reason …`" for one in declared)
    return f"No experiment runs: {ways} starts one."


def _run(run: Running) -> list[str]:
    outcome, since = look(run), moment(run.experiment.since)
    said = [paragraph(f"With {other}: {one.reason}.") for other, one in interactions(run).items()]
    return [
        heading(run.experiment.name),
        paragraph(f"Since {since}, begun by {run.experiment.by}. {outcome.reason}."),
        *said,
        *(_measure(numbers) for numbers in _measures(outcome)),
    ]


def _measures(outcome: Outcome) -> list[dict[str, Any]]:
    primary = outcome.numbers.get("primary")
    return [primary, *outcome.numbers["guardrails"]] if primary else []


def _measure(numbers: dict[str, Any]) -> Markup:
    """A measure of every arm, and how far each lies from the control."""
    ends = [abs(one[end]) for one in numbers["arms"] for end in ("low", "high") if one.get(end)]
    widest = max(ends, default=1.0)
    control = numbers["control"]
    rows: list[tuple[object, ...]] = [
        (control["arm"], control["n"], control["mean"], None, None, "the control")
    ]
    for one in numbers["arms"]:
        low, high = one.get("low"), one.get("high")
        told = f"{_end(low)} to {_end(high)}"
        drawn = chart.interval(low, high, widest, f"{one['arm']} less the control: {told}")
        rows.append((one["arm"], one["n"], one["mean"], one.get("difference"), told, drawn))
    heads = ("Arm", "#Subjects", "#Mean", "#Difference", "#Lies between", "Drawn")
    caption = f"{numbers['name']}: {numbers['better']} is better"
    return Markup(f"{heading(caption, 3)}{table(caption, heads, rows)}")


def _end(value: float | None) -> str:
    return "unbounded" if value is None else f"{value:.4g}"
