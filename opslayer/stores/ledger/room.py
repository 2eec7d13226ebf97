"""When the cool-down and the budget leave room for another training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opslayer.capability import Retrain


def earliest(
    at: datetime, wanted: int, trainings: Sequence[datetime], rules: Retrain
) -> datetime | None:
    """The first moment from `at` on at which `wanted` trainings break no rule; None if never.

    `trainings` are the moments that others count for, before or after `at`: a cause that is
    taken up late must not overfill a span that younger causes have used.
    """
    if wanted > rules.budget.runs:
        return None
    spans = (rules.cooldown, rules.budget.per)
    moments = {at} | {time + span for time in trainings for span in spans if time + span > at}
    return next(moment for moment in sorted(moments) if _fits(moment, wanted, trainings, rules))


def _fits(at: datetime, wanted: int, trainings: Sequence[datetime], rules: Retrain) -> bool:
    if any(abs(at - time) < rules.cooldown for time in trainings):
        return False
    per = rules.budget.per
    starts = [at, *(time for time in trainings if at - per < time < at)]
    return all(
        wanted + sum(start <= time < start + per for time in trainings) <= rules.budget.runs
        for start in starts
    )
