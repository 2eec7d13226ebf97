"""One run per cause, ever: claim it, train for it, judge, release, write down what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prefect import flow

from flows.ground import Ground, ground
from opslayer.errors import Refused
from opslayer.records import Cause, Recipe
from opslayer.steps.settle import Judged, Settled
from opslayer.steps.train import TrainingOrder
from opslayer.stores.ledger.causes import new_owner
from tasks import artifacts, loop

MOST_TRIES = 5
"""Workers that may die over one cause: what kills five, by memory say, kills the sixth."""


@flow(name="retrain_model", flow_run_name="{capability} for {cause}")
def retrain_model(capability: str, cause: str) -> Settled:
    """Train once for a cause; the run of a worker that died is taken up where it was.

    Raises CauseTaken where the cause has had its run or has one now, NotNow in a cool-down or
    beyond the budget, ValidationFailed and NotEnoughData where the data will not do: these two end
    the cause.
    """
    here = ground(capability)
    judged, settled = run_once(here, cause)
    artifacts.show_verdicts(capability, [one.verdict for one in judged])
    artifacts.show_links(capability, pages(here, judged))
    return settled


def run_once(here: Ground, cause: str) -> tuple[list[Judged], Settled]:
    """Claim a cause, train for it, and write down what came of it."""
    owner, causes = new_owner(), here.stores.ledger.causes
    claimed = causes.claim(cause, owner, here.capability.retrain)
    with causes.hold(cause, owner):
        try:
            _need_another_try(here, cause)
            judged, settled = train_for(here, claimed)
        except Refused as refusal:
            causes.finish(cause, owner, "refused", str(refusal))
            raise
        causes.finish(cause, owner, "done", settled.reason)
    return judged, settled


def _need_another_try(here: Ground, cause: str) -> None:
    tries = here.stores.ledger.causes.get(cause).attempts
    if tries > MOST_TRIES:
        raise Refused(f"{tries - 1} workers died over it: see their logs, then train by hand")


def train_for(here: Ground, cause: Cause) -> tuple[list[Judged], Settled]:
    """Hold back the newest labelled rows, train on the rest, judge on what was held back."""
    cut = loop.cut(here.capability, here.stores, cause)
    exam = loop.take(here.capability, here.stores, cause.at, Recipe.EXAM, cut)
    orders = [TrainingOrder(cause, recipe, exam) for recipe in cause.recipes]
    judged = [candidate(here, order, cut) for order in orders]
    return judged, loop.settle(here.capability, cause, judged, here.stores)


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


def candidate(here: Ground, order: TrainingOrder, cut: datetime) -> Judged:
    """Snapshot, validate, train and judge one candidate on the labelled rows before the cut."""
    cause = order.cause
    taken = loop.take(here.capability, here.stores, cause.at, order.recipe, cut)
    loop.validate(here.capability, taken, here.stores, cause.at)
    version = loop.train(here.capability, taken, here.stores, order)
    return Judged(version, loop.judge(here.capability, version, cause, here.stores))
