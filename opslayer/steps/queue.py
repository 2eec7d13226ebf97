"""What reviewers are to look at, best first: made from the lake, the log and the champion."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from opslayer.capability import Capability
from opslayer.errors import Refused
from opslayer.judgement.assignment import bucket
from opslayer.judgement.labels import RANKS, in_force
from opslayer.judgement.queue import Place, Waiting, disagreement, order
from opslayer.records import Feedback, FeedbackKind, VerdictKind
from opslayer.steps.champion import champion
from opslayer.steps.inputs import as_features, read_inputs
from opslayer.steps.labels import labels
from opslayer.stores import Stores
from opslayer.stores.events import Event
from opslayer.stores.lake import moment
from opslayer.stores.reviews import Queued
from opslayer.windows import window_indices

if TYPE_CHECKING:
    import pandas as pd

    from opslayer.learners.prediction import Prediction

RATINGS = 20_000
"""Newest entries of each of the log's writers in which bad ratings are looked for."""
LIKELIEST = 9
"""Classes that are offered to a reviewer first."""


def fill(capability: Capability, stores: Stores, now: datetime) -> int:
    """Make the queue anew from everything known at `now`; returns how many rows wait in it.

    It is made of the newest `review.pool` rows, less those that a person or an outcome has
    labelled and those that a reviewer has answered. Raises Refused for a capability without a
    target of its own, and what scoring raises (`opslayer.steps.predict`).
    """
    check(capability)
    rows = _rows(capability, stores, now)
    said = _said(capability, stores, rows)
    waiting = _waiting(capability, stores, rows, said)
    rules = capability.review
    places = order(waiting, rules.share_random, random_salt(capability))
    items = [_item(capability, waiting, place, said) for place in places]
    stores.reviews.fill(capability.name, items, now)
    return len(items)


def check(capability: Capability) -> None:
    """Raises Refused for a capability whose answers are no labels."""
    if not capability.predictor:
        raise Refused(
            f"{capability.name} learns from no labels: reviews need a capability with `training`"
        )


def random_salt(capability: Capability) -> str:
    """Of the draw that decides which rows are of the random share."""
    return f"{capability.name}/review"


def due(capability: Capability, row_id: str) -> int:
    """How many reviewers a row is for: by its hash, so that nothing but chance decides it."""
    return 2 if bucket(f"{capability.name}/double", row_id) < capability.review.double else 1


def _rows(capability: Capability, stores: Stores, now: datetime) -> pd.DataFrame:
    newest = (
        f"known_time <= {moment(now)} AND event_time <= {moment(now)} "
        f"ORDER BY event_time DESC, row_id LIMIT {capability.review.pool}"
    )
    rows = read_inputs(capability, stores, capability.columns, newest).to_pandas()
    if not len(rows):
        return rows
    since, until = rows["event_time"].min(), rows["event_time"].max()
    known = labels(capability, stores, now, since, until + timedelta(microseconds=1))
    firm = known.loc[known["source"].map(RANKS) > 0, "row_id"]
    answered = [one.row_id for one in stores.reviews.all(capability.name) if "value" in one.record]
    done = rows["row_id"].isin({*firm, *answered})
    return rows[~done].sort_values(["event_time", "row_id"], ignore_index=True)


def _said(capability: Capability, stores: Stores, rows: pd.DataFrame) -> Prediction | None:
    """What the champion says of the rows; None where there is none."""
    from opslayer.steps.predict import score

    version = champion(capability, stores)
    if version is None or not len(rows):
        return None
    return score(capability, version, as_features(capability, rows), stores)


def _waiting(
    capability: Capability, stores: Stores, rows: pd.DataFrame, said: Prediction | None
) -> Waiting:
    row_ids = rows["row_id"].tolist()
    disliked = _disliked(stores.events.newest(capability.name, RATINGS))
    windows = _alarmed(capability, stores)
    when = window_indices(rows["event_time"], capability.monitor.window)
    return Waiting(
        row_ids=row_ids,
        disagreeing=_disagreeing(capability, stores, row_ids),
        disliked=np.array([row_id in disliked for row_id in row_ids], dtype=bool),
        drifting=np.array([window in windows for window in when], dtype=bool),
        probabilities=said.probabilities if said else None,
    )


def _disagreeing(
    capability: Capability, stores: Stores, row_ids: list[str]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    sql = """SELECT id, row_id, value, source, "by", confidence FROM tags"""
    tags = stores.lake.query(capability, sql, ("tags",)).to_pandas()
    tags = tags[tags["row_id"].isin(row_ids) & tags["value"].notna()]
    tags = in_force(tags, capability.labels.rules)
    support = tags.groupby(["row_id", "value"])["confidence"].sum()
    found = {row_id: disagreement(its.tolist()) for row_id, its in support.groupby(level="row_id")}
    return np.array([found.get(row_id, 0.0) for row_id in row_ids], dtype=np.float64)


def _disliked(entries: Iterable[Event]) -> set[str]:
    """Interactions of which somebody said so."""
    found = set()
    for entry in entries:
        if entry.kind == "feedback" and '"thumb"' in entry.text:
            said = entry.known()
            if (
                isinstance(said, Feedback)
                and said.kind is FeedbackKind.THUMB
                and said.value == "down"
            ):
                found.add(said.interaction_id)
    return found


def _alarmed(capability: Capability, stores: Stores) -> set[int]:
    verdicts = stores.ledger.verdicts.list(capability.name, VerdictKind.ALARM)
    return {int(one.numbers["window"]) for one in verdicts if one.outcome == "alarm"}


def _item(
    capability: Capability, waiting: Waiting, place: Place, said: Prediction | None
) -> Queued:
    row_id = waiting.row_ids[place.row]
    record: dict[str, Any] = {
        "reasons": list(place.reasons),
        "score": round(place.score, 6),
        "probability": place.probability,
    }
    if said is not None:
        record["predicted"] = _plain(said.values[place.row])
        record["likely"] = _likely(said, place.row)
    return Queued(row_id, due(capability, row_id), record)


def _plain(value: Any) -> str | float:
    return value if isinstance(value, str) else float(value)


def _likely(said: Prediction, at: int) -> dict[str, float]:
    """The likeliest classes with their probabilities, best first."""
    if said.probabilities is None or said.classes is None:
        return {}
    chances = said.probabilities[at]
    best = np.argsort(-chances, kind="stable")[:LIKELIEST]
    return {said.classes[one]: round(float(chances[one]), 4) for one in best}
