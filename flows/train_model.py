"""A person asks for a training: take in what is new, and train for that."""

from __future__ import annotations

from datetime import datetime

from prefect import flow

from flows.ground import ground, moment
from flows.ingest_data import take_in
from flows.retrain_model import retrain_model
from opslayer.records import Recipe
from opslayer.steps.ask import Asker, ask
from opslayer.steps.settle import Settled


@flow(name="train_model", flow_run_name="{capability}")
def train_model(
    capability: str, as_of: datetime | None = None, recipe: Recipe = Recipe.ALL, by: str = "person"
) -> Settled:
    """Train on what is known now; asking twice for the same data and settings trains once."""
    here, now = ground(capability), moment(as_of)
    take_in(here, now)
    cause = ask(here.capability, here.stores, now, Asker(by, recipe))
    return retrain_model(capability, cause.id)
