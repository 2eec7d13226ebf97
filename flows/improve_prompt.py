"""A prompt improves by what people said of its answers: gather, propose, examine, try."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.ground import ground, moment
from flows.overtaken import overtaken
from opslayer.steps.improve import Improved
from opslayer.stores.journal import drain
from tasks import artifacts, loop


@flow(name="improve_prompt", flow_run_name="{capability}")
def improve_prompt(capability: str, as_of: datetime | None = None, by: str = "loop") -> Improved:
    """Put a better prompt on trial, if there is one.

    Raises Refused where no prompt serves, NotEnoughData where too few answers were rated,
    StoreError where the upstreams answer nothing.
    """
    if as_of is None and overtaken():
        return Improved(None, "a later run is due as well: it asks the upstreams for this one")
    here, now = ground(capability), moment(as_of)
    drain(here.stores.journal, here.stores.events)
    case = loop.gather(here.capability, here.stores)
    templates = loop.propose(here.capability, case)
    judged = loop.examine(here.capability, case, templates, here.stores, now)
    artifacts.show_verdicts(capability, [verdict for _, verdict in judged])
    return loop.improve(here.capability, judged, here.stores, (by, now))
