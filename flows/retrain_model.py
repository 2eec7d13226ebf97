"""One run per cause, ever: claim it, train for it, judge, release, write down what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.ground import Ground, ground
from opslayer.errors import Refused
from opslayer.records import Cause, Recipe, Snapshot
from opslayer.steps.settle import Judged, Settled
from opslayer.steps.train import TrainingOrder
from opslayer.stores.ledger.causes import new_owner
from tasks import artifacts, loop


@flow(name="retrain_model", flow_run_name="{capability} for {cause}")
def retrain_model(capability: str, cause: str) -> Settled:
    """Train once for a cause; the run of a worker that died is taken up where it was.

    Raises CauseTaken where the cause has had its run or has one now, NotNow in a cool-down or
    beyond the budget, ValidationFailed and NotEnoughData where the data will not do: these two end
    the cause.
    """
    here, owner = ground(capability), new_owner()
    causes = here.stores.ledger.causes
    claimed = causes.claim(cause, owner, here.capability.retrain)
    with causes.hold(cause, owner):
        try:
            settled = train_for(here, claimed)
        except Refused as refusal:
            causes.finish(cause, owner, "refused", str(refusal))
            raise
        causes.finish(cause, owner, "done", settled.reason)
    return settled


def train_for(here: Ground, cause: Cause) -> Settled:
    """Hold back the newest labelled rows, train on the rest, judge on what was held back."""
    cut = loop.cut(here.capability, here.stores, cause)
    exam = loop.take(here.capability, here.stores, cause.at, Recipe.EXAM, cut)
    judged = [candidate(here, cause, recipe, exam) for recipe in cause.recipes]
    settled = loop.settle(here.capability, cause, judged, here.stores)
    artifacts.show_verdicts(here.capability.name, [one.verdict for one in judged])
    artifacts.show_links(here.capability.name, pages(here, judged))
    return settled


def pages(here: Ground, judged: Sequence[Judged]) -> dict[str, str]:
    """Where to read on about each candidate: its validation page and its MLflow run."""
    name, found = here.capability.name, {}
    for version in (one.version for one in judged):
        page = here.stores.reports.path(name, f"validation/{version.snapshot}.html")
        found[f"validation of version {version.version}"] = page.as_uri()
        found[f"version {version.version} in MLflow"] = (
            f"run {version.run_id} at {here.stores.models.tracking_uri}"
        )
    return found


def candidate(here: Ground, cause: Cause, recipe: Recipe, exam: Snapshot) -> Judged:
    """Snapshot, validate, train and judge one candidate."""
    taken = loop.take(here.capability, here.stores, cause.at, recipe, exam.since)
    loop.validate(here.capability, taken, here.stores, cause.at)
    order = TrainingOrder(cause=cause, recipe=recipe, exam=exam)
    version = loop.train(here.capability, taken, here.stores, order)
    return Judged(version, loop.judge(here.capability, version, cause, here.stores))
