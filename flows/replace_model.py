"""Somebody was erased: train on what is left, and let that serve in place of what had learnt."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows.ground import ground
from flows.retrain_model import retrain_model
from opslayer.records import CauseKind
from opslayer.steps.ask import Asker, ask
from opslayer.steps.settle import Settled


@flow(name="replace_model", flow_run_name="{capability}")
def replace_model(capability: str, by: str = "person") -> Settled:
    """Train once on what is left of the labelled rows; what does no harm serves at once.

    It waits for no cool-down and holds no trial. Raises what `retrain_model` raises.
    """
    here = ground(capability)
    asker = Asker(by, kind=CauseKind.ERASURE)
    cause = ask(here.capability, here.stores, datetime.now(UTC), asker)
    return retrain_model(capability, cause.id)
