"""Watch one capability: what changed, whether it hurt, what to do; and start what was decided."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prefect import flow, get_run_logger
from prefect.events import emit_event
from prefect.runtime import deployment

from flows.expire_data import remove_old
from flows.ground import Ground, ground, moment
from flows.ingest_data import take_in
from flows.overtaken import overtaken
from flows.retrain_model import retrain_model
from opslayer.errors import NotFound, StoreError
from opslayer.records import Cause, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.notify import notify, this_machine
from opslayer.steps.waiting import waiting
from tasks import artifacts, loop

CAUSE_OPENED = "opslayer.cause.opened"

log = logging.getLogger("opslayer.webhooks")


@dataclass(frozen=True)
class Watched:
    """What one run saw and started."""

    verdicts: tuple[Verdict, ...]
    causes: tuple[Cause, ...]


@flow(name="watch_production", flow_run_name="{capability}")
def watch_production(capability: str, as_of: datetime | None = None) -> Watched:
    """Remove what is too old, take in what is new, judge every window that is due, decide, report,
    retrain if it pays. Of a schedule's runs that are late together, the newest does so alone."""
    if as_of is None and overtaken():
        get_run_logger().info("a later run is due as well, and watches for this one")
        return Watched((), ())
    here, now = ground(capability), moment(as_of)
    need_release(here)
    if as_of is None:
        loop.notice([here.capability], here.stores, now)  # a new webhook hears of this run too
    loop.follow(here.capability, here.stores)
    remove_old(here, now)  # first: one that was killed has left things undone
    take_in(here, now)
    judged = loop.monitor(here.capability, here.stores, now)
    decided = loop.decide(here.capability, here.stores, now)
    verdicts = (*judged, *decided.verdicts)
    pages = loop.report(here.capability, here.stores, verdicts)
    show(capability, verdicts, pages)
    watched = Watched(
        verdicts, tuple(start(here, cause) for cause in waiting(here.capability, here.stores))
    )
    if as_of is None:  # what is replayed or asked of the past is nobody's news
        tell(here)
    return watched


def need_release(here: Ground) -> None:
    """There is nothing to watch before a first release; raises NotFound with the way out."""
    name = here.capability.name
    if here.stores.ledger.releases.newest(name) is None:
        raise NotFound(f"{name} has no release to watch yet: opslayer run train_model {name}")


def start(here: Ground, cause: Cause) -> Cause:
    """Ring for a retrain where a Prefect server deployed us; run it at once where none did.

    A lost ring loses nothing: the cause stays open in the ledger, and the next run rings again.
    """
    name = here.capability.name
    if deployment.id is None:
        retrain_model(name, cause.id, return_state=True)
    else:
        emit_event(
            CAUSE_OPENED,
            resource={"prefect.resource.id": f"opslayer.capability.{name}"},
            payload={"capability": name, "cause": cause.id},
        )
    return cause


def tell(here: Ground) -> None:
    """Tell webhooks what was decided, for a machine on which nothing else does.

    No task, whose parameters others can see: what signs is among them. What can't be told now is
    told by the next who sends, and no reason for the run to fail.
    """
    if here.capability.webhooks:
        try:
            notify([here.capability], here.stores, this_machine(Settings()))
        except StoreError as error:
            log.warning("webhooks are told later: %s", error)


def show(capability: str, verdicts: Sequence[Verdict], pages: dict[str, str]) -> None:
    """Put verdicts, drift and the pages' addresses on the run's page."""
    artifacts.show_verdicts(capability, verdicts)
    artifacts.show_links(capability, pages)
    for verdict in verdicts:
        if verdict.kind is VerdictKind.ALARM:
            artifacts.show_drift(capability, verdict)
