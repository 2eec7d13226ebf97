"""Remove what has grown older than the capability's retention."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.ground import ground, moment
from opslayer.records import Expiry
from tasks import loop


@flow(name="expire_data", flow_run_name="{capability}")
def expire_data(capability: str, as_of: datetime | None = None) -> Expiry | None:
    """Returns what was removed where; None where the capability's file names no age."""
    here, now = ground(capability), moment(as_of)
    return loop.expire(here.capability, here.stores, now)
