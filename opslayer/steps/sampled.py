"""How good answers are, from the rows that reviewers drew at random."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opslayer.capability import Capability
from opslayer.judgement.assignment import bucket
from opslayer.judgement.sample import Drawn, Quality, quality
from opslayer.steps.queue import random_salt
from opslayer.stores import Stores
from opslayer.stores.lake import moment
from opslayer.stores.reviews import Review


def sampled_quality(capability: Capability, stores: Stores, as_of: datetime) -> Quality:
    """The share of right answers among the rows known at `as_of` that only reviewers label.

    A row that an outcome labels needs no reviewer, and is not spoken of: its quality is measured. A
    row counts with what was answered to it, or, where nobody asked us, with what the champion said
    of it when it was queued. Of two reviewers of one row the first one counts.
    """
    said: dict[str, Review] = {}
    for one in stores.reviews.all(capability.name):
        if one.status == "answered":
            said.setdefault(one.row_id, one)
    served = _served(capability, stores)
    rows = _unlabelled(capability, stores, as_of)
    salt, share = random_salt(capability), capability.review.share_random
    drawn = []
    for row_id in rows:
        its = said.get(row_id)
        kept = its.record["probability"] if its else None
        # What was drawn under another share keeps the probability it had then.
        if kept is not None or bucket(salt, row_id) < share:
            drawn.append(Drawn(kept or share, _right(its, served) if its and kept else None))
    return quality(drawn, len(rows))


def _right(one: Review, served: dict[str, Any]) -> bool | None:
    answered = served.get(one.row_id, one.record.get("predicted"))
    return None if answered is None else str(answered) == str(one.record["value"])


def _served(capability: Capability, stores: Stores) -> dict[str, Any]:
    sql = "SELECT row_id, value FROM answers WHERE value IS NOT NULL"
    found = stores.lake.query(capability, sql, ("answers",))
    return dict(zip(found["row_id"].to_pylist(), found["value"].to_pylist(), strict=True))


def _unlabelled(capability: Capability, stores: Stores, as_of: datetime) -> list[str]:
    sql = f"""
        SELECT row_id FROM rows
        WHERE known_time <= {moment(as_of)} AND event_time <= {moment(as_of)} AND row_id NOT IN
            (SELECT row_id FROM tags WHERE source = 'outcome' AND known_time <= {moment(as_of)})
    """  # noqa: S608 - nothing but times
    found = stores.lake.query(capability, sql, ("rows", "tags"))
    return [str(row_id) for row_id in found["row_id"].to_pylist()]
