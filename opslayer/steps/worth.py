"""What a capability's tag sources are worth, and where they contradict each other."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from opslayer.capability import Capability, Kind
from opslayer.errors import Refused
from opslayer.judgement.labels import in_force, standing_tags
from opslayer.judgement.sources import Accuracy, Estimate, accuracies, estimate
from opslayer.stores import Stores
from opslayer.stores.lake import moment

if TYPE_CHECKING:
    import pandas as pd


def worth(capability: Capability, stores: Stores, as_of: datetime) -> Estimate:
    """Every source's estimated accuracy and all disagreements, by the tags known at `as_of`.

    Raises Refused for numbers: accuracies are of classes.
    """
    if capability.task is Kind.REGRESSION:
        raise Refused(f"{capability.name} predicts numbers: sources are right or wrong of classes")
    return estimate(_standing(capability, stores, as_of))


def estimated(capability: Capability, stores: Stores, as_of: datetime) -> list[Accuracy]:
    """The accuracies alone; of all rows, so that a label never depends on which rows were asked
    for beside it."""
    return accuracies(_standing(capability, stores, as_of))


def _standing(capability: Capability, stores: Stores, as_of: datetime) -> pd.DataFrame:
    sql = f"""
        SELECT id, row_id, value, source, "by", confidence, event_time, known_time, supersedes
        FROM tags WHERE known_time <= {moment(as_of)}
    """  # noqa: S608 - nothing but a time
    tags = stores.lake.query(capability, sql, ("tags",)).to_pandas()
    standing = standing_tags(in_force(tags, capability.labels.rules), as_of)
    return standing.drop_duplicates(["row_id", "source", "by"])
