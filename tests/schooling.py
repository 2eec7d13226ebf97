"""A capability's first training through the same steps as the flows run, without Prefect."""

from __future__ import annotations

from datetime import datetime

from opslayer.capability import Capability
from opslayer.records import Recipe
from opslayer.steps.ask import Asker, ask
from opslayer.steps.ingest import ingest
from opslayer.steps.judge import judge
from opslayer.steps.settle import Judged, Settled, settle
from opslayer.steps.snapshot import take
from opslayer.steps.succession import cut
from opslayer.steps.tag import tag
from opslayer.steps.train import TrainingOrder, train
from opslayer.stores import Stores


def school(capability: Capability, stores: Stores, now: datetime) -> Settled:
    """Take in what its sources hold, train on it, judge, and release what passed."""
    ingest(capability, stores, now)
    tag(capability, stores, now)
    cause = ask(capability, stores, now, Asker("test"))
    begin = cut(capability, stores, cause)
    exam = take(capability, stores, now, Recipe.EXAM, begin)
    snapshot = take(capability, stores, now, Recipe.ALL, begin)
    version = train(capability, snapshot, stores, TrainingOrder(cause, Recipe.ALL, exam))
    judged = Judged(version, judge(capability, version, cause, stores))
    return settle(capability, cause, [judged], stores)
