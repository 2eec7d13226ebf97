"""A training set against its contract, against a reference set, and against label leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.frame import Frame
from opslayer.judgement import leak
from opslayer.judgement.checks import Check, Result, shown
from opslayer.judgement.levels import NAMED_FROM
from opslayer.judgement.rules import (
    Rule,
    column_rules,
    lively_rule,
    mean_rule,
    missing_rule,
    rows_rule,
    tabled,
    target_rules,
    target_type,
)
from opslayer.judgement.soundness import Fault, fault_of
from opslayer.judgement.suite import judge

UNSEEN_MARGIN = 0.10
"""Share of rows with a level new since the reference that is let pass, beside what is natural."""
EXPECTED_ROWS = 50
"""Rows of a class that the reference lets expect, from which its near absence is no accident."""
VANISHED = 0.05
"""Of the expected rows of a class, the share below which it has vanished."""


def check(capability: Capability, frame: Frame, reference: Frame | None = None) -> list[Check]:
    """Every check of a training set, in the contract's order; none raises on dirty data.

    `frame` holds the rows to be trained on, `reference` those of the model that serves now, whose
    users are content with them. Names of undeclared levels and values never enter a check.
    """
    frame = _contracted(capability, frame)
    if not len(frame):
        return [*judge([rows_rule(0)], pd.DataFrame()), *_unjudged(capability)]
    faults = _faults(capability, frame)
    rules = [rows_rule(len(frame)), *_contract(capability, faults)]
    if reference is not None and len(reference):
        rules += _compared(capability, frame, reference, faults)
    checks = judge(rules, tabled(capability, frame))
    if reference is not None and len(reference):
        checks += _levels(capability, frame, reference, faults)
    return [*checks, *_noted(faults), *_leaks(capability, frame, faults)]


def _contracted(capability: Capability, frame: Frame) -> Frame:
    """With the contract's columns; one that the rows were taken without is all missing."""
    return replace(frame, features=frame.features.reindex(columns=list(capability.columns)))


Faults = dict[str | None, Fault | None]
"""By column; the target's goes by None."""


def _faults(capability: Capability, frame: Frame) -> Faults:
    faults: Faults = {
        name: fault_of(frame.features[name], spec.type) for name, spec in capability.inputs.items()
    }
    return faults | {None: fault_of(frame.target, target_type(capability))}


def _unjudged(capability: Capability) -> Iterator[Check]:
    for name in (*capability.columns, capability.target):
        yield Check("no-rows", name, Result.NOT_JUDGED, "There are no rows to look at.")


def _contract(capability: Capability, faults: Faults) -> Iterator[Rule]:
    for position, (name, spec) in enumerate(capability.inputs.items()):
        yield from column_rules(name, f"c{position}", spec, faults[name])
    yield from target_rules(capability, faults[None])


def _compared(
    capability: Capability, frame: Frame, reference: Frame, faults: Faults
) -> Iterator[Rule]:
    for position, (name, spec) in enumerate(capability.inputs.items()):
        if name not in reference.features:
            continue  # the contract got this column after the reference was taken
        now, before = frame.features[name], reference.features[name]
        if spec.missing:
            yield missing_rule(name, f"c{position}", now, before)
        if spec.type is ColumnType.NUMBER and faults[name] is None:
            lively = lively_rule(name, f"c{position}", before)
            if lively is not None:
                yield lively
    numeric = target_type(capability).numeric
    sound = fault_of(reference.target, target_type(capability)) is None
    if numeric and sound and faults[None] is None:
        yield mean_rule(capability, frame.target, reference.target)


def _levels(
    capability: Capability, frame: Frame, reference: Frame, faults: Faults
) -> Iterator[Check]:
    for name, spec in capability.inputs.items():
        if name not in reference.features:
            continue
        before = reference.features[name]
        sound = faults[name] is None and fault_of(before, spec.type) is None
        if spec.type is ColumnType.CATEGORY and spec.choices is None and sound:
            yield _unseen(name, frame.features[name], before)
    sound = faults[None] is None and fault_of(reference.target, target_type(capability)) is None
    if capability.task is Kind.CLASSIFICATION and sound:
        yield _vanished(capability, frame.target, reference.target)


def _unseen(name: str, now: pd.Series, before: pd.Series) -> Check:
    """Rows whose level the reference never had.

    Natural is the share of the reference's rows whose level occurs once: Good's estimate of the
    probability that the next row brings a new level (Biometrika 40, 1953).
    """
    known, given = before.dropna(), now.dropna()
    natural = float((known.value_counts() == 1).sum() / len(known))
    error = float(np.sqrt(natural * (1 - natural) / len(given)))
    most = min(1.0, natural + UNSEEN_MARGIN + 3 * error)
    share = float((~given.isin(known.unique())).mean())
    sentence = f"{share:.1%} of the rows have a level that the reference never had."
    result = Result.PASSED if share <= most else Result.FAILED
    return Check("unseen-levels", name, result, sentence, share, f"at most {most:.3g}")


def _vanished(capability: Capability, now: pd.Series, before: pd.Series) -> Check:
    """Classes of which next to nothing is left."""
    counts = before.value_counts()
    expected = counts / counts.sum() * len(now)
    left = now.value_counts().reindex(counts.index, fill_value=0)
    gone = counts.index[(expected >= EXPECTED_ROWS) & (left < VANISHED * expected)]
    if not len(gone):
        sentence = "No class of the reference has vanished."
        return Check("class-vanished", capability.target, Result.PASSED, sentence, 0, "none")
    named = [shown(str(name)) for name in gone if counts[name] >= NAMED_FROM]
    others = len(gone) - len(named)
    names = ", ".join(named) + (f" and {others} rare ones" if others else "")
    sentence = f"{len(gone):,} of {len(counts):,} classes have all but vanished: {names}."
    return Check("class-vanished", capability.target, Result.FAILED, sentence, len(gone), "none")


def _noted(faults: Faults) -> Iterator[Check]:
    """Faults that no rule speaks of."""
    for name, fault in faults.items():
        if fault and fault.code == "too-many-levels":
            yield Check(fault.code, name, Result.WARNING, fault.sentence)
        elif fault and name is not None:
            sentence = f"Only this was judged of the column: {fault.sentence}"
            yield Check("column", name, Result.NOT_JUDGED, sentence)


def _leaks(capability: Capability, frame: Frame, faults: Faults) -> Iterator[Check]:
    if faults[None] is not None:
        return
    scale = "class" if capability.task is Kind.CLASSIFICATION else "number"
    for name, fault in faults.items():
        if name is not None and (fault is None or fault.code == "too-many-levels"):
            yield _leak(name, leak.share_told(frame.features[name], frame.target), scale)


def _leak(name: str, told: float, scale: str) -> Check:
    copy, hint = leak.COPY[scale], leak.HINT[scale]
    allowed = f"below {copy:g}"
    if np.isnan(told):
        sentence = "Too few rows, or too few different labels, to see a copy of the label."
        return Check("label-copy", name, Result.NOT_JUDGED, sentence, None, allowed)
    if told >= copy:
        sentence = f"This column alone tells {told:.1%} of the label: take it out of the inputs."
        return Check("label-copy", name, Result.FAILED, sentence, told, allowed)
    if told >= hint:
        sentence = f"This column alone tells {told:.1%} of the label: is it known beforehand?"
        return Check("label-hint", name, Result.WARNING, sentence, told, f"below {hint:g}")
    sentence = "The column does not give the label away."
    return Check("label-copy", name, Result.PASSED, sentence, told, allowed)
