"""Estimate how good the answers of a window are while its labels are still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opslayer.capability import Kind
from opslayer.judgement.outcome import Outcome
from opslayer.records import VerdictKind
from opslayer.steps.champion import first_window_after
from opslayer.steps.predict import score

if TYPE_CHECKING:
    import pandas as pd

    from opslayer.frame import Frame
    from opslayer.judgement.estimate import Answered
    from opslayer.steps.monitor import Watch
    from opslayer.steps.observe import Observed

MATURED = 8
"""Matured windows, the newest, that an estimate is calibrated and held to account on."""


def estimate(watch: Watch, window: int, rows: Observed) -> Outcome | None:
    """What to expect of a window whose labels are late; None where the champion gives no
    probabilities, as no regression does. Marked as what it is: it starts nothing."""
    from opslayer.judgement import estimate as judgement

    if watch.capability.task is not Kind.CLASSIFICATION:
        return None
    answered = _answered(watch, watch.held_back, watch.held_back.target)
    if answered is None:
        return None
    past = [one for one in (_matured(watch, before) for before in _before(watch, window)) if one]
    said = score(watch.capability, watch.version, rows.features, watch.stores)
    assert said.probabilities is not None
    return judgement.judge(answered, past, said.probabilities.max(axis=1))


def _before(watch: Watch, window: int) -> list[int]:
    """The newest windows before it whose quality is known, that the champion was not trained on."""
    first = first_window_after(watch.version.cut, watch.capability.monitor.window)
    measured = watch.stores.ledger.verdicts.list(watch.capability.name, VerdictKind.QUALITY)
    known = {int(one.numbers["window"]) for one in measured if one.outcome == "measured"}
    return sorted(one for one in known if first <= one < window)[-MATURED:]


def _matured(watch: Watch, window: int) -> Answered | None:
    rows = watch.observe(window).labelled
    return _answered(watch, rows, rows.label) if len(rows) else None


def _answered(watch: Watch, rows: Frame | Observed, truth: pd.Series) -> Answered | None:
    from opslayer.judgement.estimate import Answered

    said = score(watch.capability, watch.version, rows.features, watch.stores)
    if said.probabilities is None:
        return None
    right = said.values.astype(str) == truth.to_numpy().astype(str)
    return Answered(said.probabilities.max(axis=1), np.asarray(right, dtype=float))
