"""Take in what is new: from every source and from the interaction log; then tag it."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.ground import Ground, ground, moment
from opslayer.steps.ingest import Ingested
from tasks import loop


@flow(name="ingest_data", flow_run_name="{capability}")
def ingest_data(capability: str, as_of: datetime | None = None) -> Ingested:
    """Ingest and tag; returns what was stored, skipped, quarantined and refused."""
    return take_in(ground(capability), moment(as_of))


def take_in(here: Ground, now: datetime) -> Ingested:
    """Ingest, then tag what has come."""
    taken = loop.ingest(here.capability, here.stores, now, here.executor)
    loop.tag(here.capability, here.stores, now, here.executor)
    loop.tag_calls(here.capability, here.stores, now, here.executor)
    return taken
