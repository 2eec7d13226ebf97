"""Remove what has grown older than the capability's retention."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from prefect import flow

from flows.ground import Ground, ground, moment
from opslayer.configuration import load_all
from opslayer.errors import ConfigError
from opslayer.records import Expiry
from opslayer.settings import Settings
from tasks import loop


@flow(name="expire_data", flow_run_name="{capability}")
def expire_data(capability: str, as_of: datetime | None = None) -> Expiry | None:
    """Returns what was removed where; None where the capability's file names no age."""
    return remove_old(ground(capability), moment(as_of))


def remove_old(here: Ground, now: datetime) -> Expiry | None:
    """Remove what is too old; and what belongs to no capability, if it is too old for any."""
    if not here.capability.retention.ages:
        return None
    run = loop.expire(here.capability, here.stores, now)
    with suppress(ConfigError):  # a file that can't be read may want to keep it
        loop.expire_aside(load_all(Settings().configs), here.stores, now)
    return run
