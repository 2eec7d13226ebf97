"""The columns of a reference and a window, made fit to be compared, and what was found unfit.

Evidently raises on empty, all-missing, infinite and mixed columns, and writes levels and names into
a script unescaped. So a faulty column leaves here as a finding, a text as the numbers of its
words and characters, an undeclared level as a number, and every name without markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.judgement import leak
from opslayer.judgement.checks import shown
from opslayer.judgement.levels import class_names, level_names
from opslayer.judgement.soundness import fault_of, numbers

MIN_ROWS = 30
"""Rows below which no distance between two samples means anything."""
LEVELS = 20
"""Levels of a category that are compared one by one; the rest is "other"."""
WIDE = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in "<>&\"'`$\\{}%"})
"""Characters that a script, HTML or a plotting template reads, as their full-width forms."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a column, or with the whole window where `column` is None."""

    column: str | None
    code: str
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """One column on both sides: float64 numbers, or names of levels, NaN or None for missing."""

    column: str
    """The column's own name."""
    label: str
    """Unlike any other pair's, and free of markup."""
    numeric: bool
    reference: pd.Series
    window: pd.Series


def harmless(name: str) -> str:
    """A name on one line that no script, page or template reads as anything but letters."""
    return shown(name).translate(WIDE)


def pair_up(
    reference: pd.DataFrame, window: pd.DataFrame, capability: Capability
) -> tuple[list[Pair], list[Finding]]:
    """Every column that can be compared, and a finding for each that can't.

    Columns are the capability's inputs, its target, and any other (a prediction): those are numbers
    where their type is, else classes.
    """
    few = list(_few_rows(reference, window))
    if few:
        return [], few
    reference, window = _once(reference), _once(window)
    pairs: list[Pair] = []
    findings: list[Finding] = []
    for name in dict.fromkeys([*reference.columns, *window.columns]):
        found = list(_faults(name, reference, window, capability))
        findings += found
        if not found:
            pairs += _pairs(name, reference[name], window[name], capability)
    findings += _target_findings(window, capability)
    return _labelled(pairs), findings


def _few_rows(reference: pd.DataFrame, window: pd.DataFrame) -> Iterator[Finding]:
    for side, rows in (("reference", len(reference)), ("window", len(window))):
        if not rows:
            yield Finding(None, "no-rows", f"The {side} is empty: not judged.")
        elif rows < MIN_ROWS:
            had = "1 row" if rows == 1 else f"{rows} rows"
            sentence = f"The {side} has {had} and {MIN_ROWS} are needed: not judged."
            yield Finding(None, "few-rows", sentence)


def _once(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[:, ~frame.columns.duplicated()]


def _faults(
    name: str, reference: pd.DataFrame, window: pd.DataFrame, capability: Capability
) -> Iterator[Finding]:
    for side, frame in (("reference", reference), ("window", window)):
        if name not in frame:
            yield Finding(name, "absent", f"The {side} lacks this column: not judged.")
            continue
        fault = fault_of(
            frame[name], _type(name, reference.get(name, window.get(name)), capability)
        )
        if fault:
            sentence = f"In the {side}: {fault.sentence} Not judged."
            yield Finding(name, fault.code, sentence)


def _type(name: str, column: Any, capability: Capability) -> ColumnType:
    if name in capability.inputs:
        return capability.inputs[name].type
    if name == capability.target:
        classes = capability.task is Kind.CLASSIFICATION
        return ColumnType.CATEGORY if classes else ColumnType.NUMBER
    numeric = pd.api.types.is_numeric_dtype(column)
    return ColumnType.NUMBER if numeric else ColumnType.CATEGORY


def _pairs(
    name: str, reference: pd.Series, window: pd.Series, capability: Capability
) -> Iterator[Pair]:
    kind = _type(name, reference, capability)
    if kind.numeric:
        yield Pair(
            name, harmless(name), True, *(pd.Series(numbers(c)) for c in (reference, window))
        )
    elif kind is ColumnType.TEXT:
        for unit, measure in (("words", _words), ("characters", _characters)):
            sides = (measure(column) for column in (reference, window))
            yield Pair(name, f"{harmless(name)}: {unit}", True, *sides)
    else:
        names = _level_names(name, reference, capability)
        sides = (_renamed(column, names) for column in (reference, window))
        yield Pair(name, harmless(name), False, *sides)


def _words(column: pd.Series) -> pd.Series:
    return pd.Series(numbers(column.astype("str").str.split().str.len()))


def _characters(column: pd.Series) -> pd.Series:
    return pd.Series(numbers(column.astype("str").str.len()))


def _level_names(name: str, reference: pd.Series, capability: Capability) -> dict[str, str]:
    """Names of the reference's commonest levels: declared ones by name, others by their rank."""
    is_input = name in capability.inputs
    spec = capability.inputs[name] if is_input else None
    declared = (spec.choices if spec else capability.classes) or ()
    found = level_names(reference, declared) if is_input else class_names(reference, declared)
    return {level: harmless(found[level]) for level in list(found)[:LEVELS]}


def _renamed(column: pd.Series, names: dict[str, str]) -> pd.Series:
    given = column.notna().to_numpy()
    renamed = column.map(names).fillna("other").astype(object).to_numpy()
    return pd.Series(np.where(given, renamed, None), dtype=object)


def _target_findings(window: pd.DataFrame, capability: Capability) -> Iterator[Finding]:
    target = capability.target
    if target not in window:
        return
    labels = window[target]
    classes = capability.task is Kind.CLASSIFICATION
    if fault_of(labels, ColumnType.TEXT if classes else ColumnType.NUMBER):
        return
    if labels.nunique() == 1:
        same = "of one class" if classes else "equal"
        yield Finding(target, "one-class", f"All labels of the window are {same}.")
    copy = leak.COPY["class" if classes else "number"]
    for name in capability.columns:
        if name not in window or fault_of(window[name], capability.inputs[name].type):
            continue
        told = leak.share_told(window[name], labels)
        if told >= copy:
            sentence = f"This column alone tells {told:.1%} of the label: a copy of it."
            yield Finding(name, "label-copy", sentence)


def _labelled(pairs: list[Pair]) -> list[Pair]:
    """Labels told apart: two names may look alike once cropped."""
    seen: dict[str, int] = {}
    apart = []
    for pair in pairs:
        seen[pair.label] = count = seen.get(pair.label, 0) + 1
        label = pair.label if count == 1 else f"{pair.label} ({count})"
        apart.append(Pair(pair.column, label, pair.numeric, pair.reference, pair.window))
    return apart
