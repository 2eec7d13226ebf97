"""Inspect what a candidate learnt from and is judged on, before any figure of it is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from opslayer.capability import Capability, Kind
from opslayer.records import Version
from opslayer.sources.interactions import NAME as ONLINE
from opslayer.steps.inputs import as_features, read_inputs
from opslayer.steps.monitor import columns_of
from opslayer.steps.predict import score
from opslayer.steps.snapshot import load
from opslayer.stores import Stores
from opslayer.stores.lake import moment
from opslayer.windows import window_indices

if TYPE_CHECKING:
    from opslayer.judgement.checks import Check
    from opslayer.judgement.skew import Side

NEWEST = 2_000
"""Answers that are given again, and rows of either origin that are compared."""


def inspect(
    capability: Capability, candidate: Version, serving: Version | None, stores: Stores
) -> list[Check]:
    """Every check of a candidate's data: shared rows, answers given again, inputs side by side.

    A failed one means that the exam can't be believed, or that what is learnt is not what will be
    asked: nothing may be promoted on it. Label leaks are found earlier (`validate`).
    """
    from opslayer.judgement.copies import shared_rows

    learnt, exam = (load(capability, one, stores) for one in (candidate.snapshot, candidate.exam))
    checks = [shared_rows((learnt.features, learnt.target), (exam.features, exam.target))]
    if capability.kind in (Kind.CLASSIFICATION, Kind.REGRESSION):
        checks += _answered(capability, serving, stores)
        checks += _side_by_side(capability, stores)
    return checks


def _answered(capability: Capability, serving: Version | None, stores: Stores) -> list[Check]:
    """The champion's newest answers, asked again through its training pipeline."""
    from opslayer.judgement.skew import same_answers

    if serving is None:
        return []
    sql = f"""
        SELECT row_id, event_time, value FROM answers WHERE variant = 'model-{serving.version}'
        ORDER BY event_time DESC LIMIT {NEWEST}
    """  # noqa: S608 - a number of ours
    said = stores.lake.query(capability, sql, ("answers",)).to_pandas()
    if not len(said):
        return []
    rows = _rows(capability, stores, f"event_time >= {moment(said['event_time'].min())}")
    both = rows.merge(said.drop_duplicates("row_id"), on="row_id", suffixes=("", "_said"))
    again = score(capability, serving, as_features(capability, both), stores).values
    return [same_answers(both["value"].to_numpy(), again, capability.task)]


def _side_by_side(capability: Capability, stores: Stores) -> list[Check]:
    """What callers sent beside what sources delivered, for the time that both speak of."""
    from opslayer.judgement.skew import same_inputs

    sql = f"""
        SELECT source = '{ONLINE}' AS online, min(event_time) AS since, max(event_time) AS until
        FROM rows GROUP BY source = '{ONLINE}'
    """  # noqa: S608 - a name of ours
    spans = stores.lake.query(capability, sql, ("rows",)).to_pylist()
    if len(spans) < 2:
        return []
    since, until = max(one["since"] for one in spans), min(one["until"] for one in spans)
    both = f"event_time >= {moment(since)} AND event_time <= {moment(until)}"
    online, stored = (
        _side(capability, _rows(capability, stores, f"source {sign} '{ONLINE}' AND {both}"))
        for sign in ("=", "<>")
    )
    return same_inputs(online, stored)


def _rows(capability: Capability, stores: Stores, where: str) -> pd.DataFrame:
    return read_inputs(capability, stores, capability.columns, where).to_pandas()


def _side(capability: Capability, rows: pd.DataFrame) -> Side:
    assert capability.gate is not None
    rows = rows.sort_values("event_time").tail(NEWEST)
    features = as_features(capability, rows)
    blocks = window_indices(rows["event_time"], capability.gate.block)
    return columns_of(capability, features), np.asarray(blocks)
