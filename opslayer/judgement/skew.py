"""Is what a model sees online what it learnt from? Answers given again, and inputs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Kind, Monitor
from opslayer.judgement import drift
from opslayer.judgement.checks import Check, Result
from opslayer.judgement.columns import Column

FEWEST = 30
"""Answers below which nothing is said."""
DIFFERENT = 0.01
"""Share of answers that may differ: a tie between two classes may fall either way."""
NEAR = 1e-6
"""Relative difference of numbers that are one answer."""
RATE = 0.1
"""False alarms per 100 comparisons at which two sides are called different."""
APART = 0.75
"""Distance (0 to 1) from which a difference stops a promotion: callers may well ask about other
rows than a source delivers, but hardly about none of the same kind."""


def same_answers(online: NDArray[Any], again: NDArray[Any], kind: Kind) -> Check:
    """Whether the model that serves says the same when it is asked the way it was trained.

    `online`: the values that were answered to n inputs; `again`: what the training pipeline makes
    of those inputs as they were stored. A difference means that a transform, a type or a unit is
    not the same on both sides.
    """
    if len(online) < FEWEST:
        sentence = f"{len(online)} answers to compare: at least {FEWEST} are needed."
        return Check("answer-skew", None, Result.NOT_JUDGED, sentence)
    if kind is Kind.REGRESSION:
        said, now = online.astype(float), again.astype(float)
        other = ~np.isclose(said, now, rtol=NEAR, atol=NEAR * float(np.abs(said).mean()))
    else:
        other = online.astype(str) != again.astype(str)
    share = float(other.mean())
    allowed = f"at most {DIFFERENT:g}"
    if share > DIFFERENT:
        sentence = (
            f"{share:.1%} of {len(online):,} answers come out otherwise when the stored inputs go "
            "through the training pipeline: what is asked online is not what is trained on."
        )
        return Check("answer-skew", None, Result.FAILED, sentence, share, allowed)
    sentence = f"{len(online):,} answers given online come out the same from the training pipeline."
    return Check("answer-skew", None, Result.PASSED, sentence, share, allowed)


Side = tuple[Mapping[str, Column], NDArray[np.int64]]
"""The columns of n rows in order of time, and the block of each row."""


def same_inputs(online: Side, stored: Side) -> list[Check]:
    """Whether inputs that came from callers look like those that sources delivered for that time.

    One check for each column that both sides have. Distances are judged against those of windows
    drawn from the stored side in whole blocks (`drift.calibrate`), so neither size nor dependence
    makes a difference. Below 10 blocks or 30 rows of a side nothing is said.
    """
    names = [name for name in online[0] if name in stored[0]]
    rules = Monitor(false_alarms_per_100_windows=RATE)
    known = {name: stored[0][name] for name in names}
    calibration = drift.calibrate(known, stored[1], len(online[1]), rules)
    asked = {name: online[0][name] for name in names}
    found = drift.judge(calibration, asked, online[1], previous_exceeded=False)
    if found.outcome == "cannot_calibrate":
        return [Check("input-skew", None, Result.NOT_JUDGED, f"Nothing to compare: {found.reason}")]
    return list(_checks(found.numbers["columns"], float(found.numbers["threshold"])))


def _checks(columns: Mapping[str, Mapping[str, float]], threshold: float) -> Iterator[Check]:
    for name, seen in columns.items():
        usual = threshold * seen["median"]
        result = Result.PASSED
        if seen["score"] > usual:
            result = Result.WARNING if seen["score"] < APART else Result.FAILED
        allowed = f"at most {max(APART, usual):.3g}"
        yield Check("input-skew", name, result, SENTENCES[result], float(seen["score"]), allowed)


SENTENCES = {
    Result.PASSED: "Callers send what the sources deliver.",
    Result.WARNING: "Callers send other values than the sources deliver: do they ask of others?",
    Result.FAILED: "Callers send values of another kind than the sources deliver for the same "
    "time: is a unit or a type another one?",
}
