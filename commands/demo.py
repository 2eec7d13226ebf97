"""`opslayer demo`: watch one capability live its whole life on real data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, duration, emit, say, show
from commands.server import answering

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from flows.replay import Past, Step
    from opslayer.capability import Capability

TOLD = ("alarm", "move", "train", "failed")
"""Outcomes worth a reader's eye among a window's verdicts."""


@dataclass
class Tally:
    """What the replay came to so far."""

    losses_with_loop: float = 0.0
    losses_never: float = 0.0
    rows: int = 0
    windows: int = 0
    release: int = 1

    def add(self, step: Step) -> None:
        """Count one window in."""
        self.losses_with_loop += float(step.loop.sum())
        self.losses_never += float(step.never.sum())
        self.rows += len(step.loop)
        self.windows += 1
        self.release = step.release


def demo(
    capability: Annotated[
        str, Parameter(help="Any tabular capability with a past.")
    ] = "bike-demand",
    *,
    as_json: AsJson = False,
) -> None:
    """Replay a capability's past: logged, labelled late, watched, retrained, a bad model undone."""
    begun = time.monotonic()
    here = context()
    here.capability(capability)  # a wrong name or file is told before anything else
    from flows.embedded import embed

    folder = here.settings.root / "demo" / capability
    tell = (lambda _: None) if as_json else say
    tell(f"Reading the past of {capability}; everything of this demo lies in {folder}")
    from flows.replay import prepare

    past = prepare(capability, here.settings, folder)
    embed(folder)
    tell(_plan(past))
    tally, capabilities = _live(past, here.settings.configs, tell)
    # The first training is what "never retrained" has too.
    trainings = len(past.stores.ledger.versions.all(capability)) - 1
    called = _call(past, capabilities, tell)
    summary = _summary(past, tally, time.monotonic() - begun)
    summary |= {"trainings": trainings, **called}
    if as_json:
        emit(summary)
    else:
        _tell_end(past, summary)


def _plan(past: Past) -> str:
    monitor, rules = past.capability.monitor, past.capability.retrain
    return (
        f"{len(past.rows):,} rows to live through in {past.end - past.start} windows of "
        f"{duration(monitor.window)}, labels {duration(past.capability.labels.delay)} late, "
        f"policy {rules.policy.value}. Starting Prefect inside this process (some seconds, once) …"
    )


def _live(past: Past, configs: Path, tell: Callable[[str], None]) -> tuple[Tally, list[Capability]]:
    """Live every window, then train what else is declared; what can be called in the end."""
    from flows.embedded import unwatched
    from flows.replay import join, live

    tally = Tally()
    with answering(), unwatched():
        for step in live(past):
            tell(_line(step, tally))
            tally.add(step)
        tell("Training what else is declared, then calling all of it through one API …")
        capabilities = join(past, configs)
    return tally, capabilities


def _call(
    past: Past, capabilities: Sequence[Capability], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Call every capability through the gateway, then watch a bad model being undone."""
    from commands.calls import ask_all, serving
    from commands.mishap import mishap

    home = past.stores.reports.root.parent
    with serving(home / "gateway.log") as url:
        answered = ask_all(url, capabilities, home)
        for one in answered:
            tell(f"  {one['capability']} ({one['variant']}): {one['answer']}")
        undone = mishap(past, url, tell)
    return {"answers": answered, "rollback": undone}


def _line(step: Step, before: Tally) -> str:
    """One window in one line: the two errors, and whatever happened."""
    said = [
        f"{verdict.kind.value}: {verdict.reason}"
        for verdict in step.verdicts
        if verdict.outcome in TOLD and not verdict.numbers.get("goes_on")
    ]
    if step.release != before.release:
        said.append(f"release {step.release}")
    happened = " · ".join(said)
    errors = f"error {mean(step.loop):8.4g}   never retrained {mean(step.never):8.4g}"
    return f"{step.start:%Y-%m-%d}  {errors}  {happened}".rstrip()


def mean(losses: NDArray[np.float64]) -> float:
    """The mean loss; NaN for a window without labels."""
    return float(losses.mean()) if len(losses) else float("nan")


def _summary(past: Past, tally: Tally, seconds: float) -> dict[str, Any]:
    ledger, name = past.stores.ledger, past.capability.name
    rows = max(1, tally.rows)
    return {
        "error_with_loop": tally.losses_with_loop / rows,
        "error_never": tally.losses_never / rows,
        "windows": tally.windows,
        "releases": [
            {"number": release.number, "at": release.at, "by": release.by, "reason": release.reason}
            for release in ledger.releases.all(name)
        ],
        "seconds": round(seconds, 1),
    }


def _tell_end(past: Past, summary: dict[str, Any]) -> None:
    show(summary["releases"], False, "Releases, and why each happened")
    if undone := summary["rollback"]:
        told = f"{undone['variant']} answered {undone['answered_by_it']} of {undone['calls']} calls"
        stood = f"in {undone['another_stood_in']} another stood in for it"
        say(f"A bad model was undone by itself: {told}, {stood}, {undone['seconds']:g} s in all\n")
    saved = 1 - summary["error_with_loop"] / summary["error_never"]
    rows = [
        {"": "error with the loop", "value": summary["error_with_loop"]},
        {"": "error had nobody retrained", "value": summary["error_never"]},
        {"": "error saved", "value": f"{saved:.1%}"},
        {"": "trainings spent", "value": summary["trainings"]},
        {"": "trainings of retraining every window", "value": summary["windows"]},
        {"": "seconds", "value": summary["seconds"]},
    ]
    show(rows, False, f"{past.capability.name} over {summary['windows']} windows")
    home, tracking = past.stores.reports.root.parent, past.stores.models.tracking_uri
    say(
        f"Where to look next (OPSLAYER_HOME={home}):\n"
        f"  drift and validation pages   {home / 'reports' / past.capability.name}\n"
        f"  releases and their reasons   OPSLAYER_HOME={home} opslayer release list "
        f"{past.capability.name}\n"
        f"  every training               mlflow ui --backend-store-uri {tracking}\n"
        f"  every run                    PREFECT_HOME={home / 'prefect'} prefect server start"
    )
