"""The rules a training set must keep: from the capability's contract, and from a reference set.

A rule is an expectation of Great Expectations by name, with the sentence a person reads. Columns
go by aliases (`c0`, `c1`, …, `target`), so that no column's name is ever taken for syntax.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from opslayer.capability import Capability, ColumnType, Input, Kind
from opslayer.frame import Frame
from opslayer.judgement.checks import Result
from opslayer.judgement.soundness import Fault, fault_of, numbers

MIN_ROWS = 30
"""Rows below which no estimator of ours is fitted; the gate needs as many labels at the least."""
MISSING_MARGIN = 0.05
"""Share of missing values above the reference's that is let pass, beside sampling error."""
TARGET_SPREADS = 2
"""Reference standard deviations by which the target's mean may move: a unit changed beyond it."""
LIVELY = 10
"""Distinct values in the reference from which a number that stands still is broken."""

TARGET = "target"
NUMBER_TYPES = ["float64", "float", "int64", "int"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation, and what to say of it."""

    code: str
    column: str | None
    """The column's own name."""
    expectation: str
    """Class name in `great_expectations.expectations`."""
    options: dict[str, Any]
    claim: str
    """Said when it holds."""
    fault: str
    """Said when it does not; may name {count}, {total} and {observed}."""
    allowed: str
    breach: Result = Result.FAILED
    observes: str = field(default="count")
    """`count` or `share` of values that break it, or the `value` that was compared."""


def tabled(capability: Capability, frame: Frame) -> pd.DataFrame:
    """The frame under aliases: texts as objects with None, each integer's fraction beside it."""
    table: dict[str, Any] = {}
    for position, (name, spec) in enumerate(capability.inputs.items()):
        column = frame.features[name]
        table[f"c{position}"] = _plain(column, spec.type)
        if spec.type is ColumnType.INTEGER and fault_of(column, spec.type) is None:
            table[f"c{position}_fraction"] = numbers(column) % 1
    table[TARGET] = _plain(frame.target, target_type(capability))
    return pd.DataFrame(table, index=pd.RangeIndex(len(frame)))


def _plain(column: pd.Series, kind: ColumnType) -> Any:
    fault = fault_of(column, kind)
    if fault and fault.code == "mixed-types":
        return _types(column, kind)
    if kind.numeric and (fault is None or fault.code in ("infinite", "all-missing")):
        return numbers(column)
    held = column.astype(object)
    # Named as object: pandas would make a text type of it, which the type rule does not know.
    return pd.Series(held.where(held.notna(), None).to_numpy(), dtype=object)


def _types(column: pd.Series, kind: ColumnType) -> pd.Series:
    """A mixed column with 0.0 for each number and "" for each other value that is there.

    Great Expectations hashes what it is handed, and lists or integers of 400 digits stop it.
    """
    right: type[Any] = float if kind.numeric else str
    held = [0.0 if isinstance(value, right) == kind.numeric else "" for value in _read(column)]
    return pd.Series(held, dtype=object).where(column.notna().to_numpy(), None)


def _read(column: pd.Series) -> Iterator[object]:
    """Values, with every number that a float can hold as one."""
    for value in column:
        try:
            yield float(value) if isinstance(value, Real) and not isinstance(value, bool) else value
        except OverflowError:
            yield value


def target_type(capability: Capability) -> ColumnType:
    """Classes are held as text, anything else as a number."""
    return ColumnType.TEXT if capability.task is Kind.CLASSIFICATION else ColumnType.NUMBER


def rows_rule(rows: int) -> Rule:
    """Enough rows to fit anything."""
    return Rule(
        "rows", None, "ExpectTableRowCountToBeBetween", {"min_value": MIN_ROWS},
        f"There are {rows:,} rows.", f"{rows:,} rows are too few to train on.",
        f"at least {MIN_ROWS}", observes="value",
    )  # fmt: skip


def column_rules(name: str, alias: str, spec: Input, fault: Fault | None) -> Iterator[Rule]:
    """The contract of one input column. Of a faulty one only what can be judged all the same."""
    if not spec.missing:
        yield _count(
            "missing", name, "ExpectColumnValuesToNotBeNull", {"column": alias},
            "No value is missing.",
            "{count:,} of {total:,} values are missing, and the contract allows none.",
        )  # fmt: skip
    if fault and fault.code == "all-missing":
        breach = Result.WARNING if spec.missing else Result.FAILED
        yield _distinct("all-missing", name, alias, 1, fault.sentence, breach)
        return
    yield _type_rule(name, alias, spec.type)
    if fault and fault.code == "mixed-types":
        return
    if spec.type.numeric:
        yield _finite("infinite", name, alias)
    if not fault or fault.code != "infinite":
        yield from (_number_rules if spec.type.numeric else _text_rules)(name, alias, spec)
        equal = "All values are equal, so nothing can be learnt from it."
        yield _distinct("constant", name, alias, 2, equal, Result.WARNING)


def _number_rules(name: str, alias: str, spec: Input) -> Iterator[Rule]:
    between = "ExpectColumnValuesToBeBetween"
    if spec.type is ColumnType.BOOLEAN:
        either = {"column": alias, "value_set": [0.0, 1.0]}
        yield _count("boolean", name, "ExpectColumnValuesToBeInSet", either,
                     "Values are true or false.",
                     "{count:,} of {total:,} values are neither true nor false.")  # fmt: skip
    if spec.min is not None or spec.max is not None:
        bounds = {"column": alias, "min_value": spec.min, "max_value": spec.max}
        span = _span(spec.min, spec.max)
        yield _count("range", name, between, bounds, f"Values are {span}.",
                     f"{{count:,}} of {{total:,}} values are not {span}.")  # fmt: skip
    if spec.type is ColumnType.INTEGER:
        whole = {"column": f"{alias}_fraction", "min_value": 0, "max_value": 0}
        yield _count("whole", name, between, whole, "Values are whole numbers.",
                     "{count:,} of {total:,} values are not whole numbers.")  # fmt: skip


def _text_rules(name: str, alias: str, spec: Input) -> Iterator[Rule]:
    if spec.choices is not None:
        choices = {"column": alias, "value_set": list(spec.choices)}
        many = len(spec.choices)
        yield _count("choices", name, "ExpectColumnValuesToBeInSet", choices,
                     f"Levels are among the {many} declared.",
                     f"{{count:,}} of {{total:,}} values are none of the {many} declared levels."
                     )  # fmt: skip
    length = {"column": alias, "max_value": spec.max_length}
    yield _count("length", name, "ExpectColumnValueLengthsToBeBetween", length,
                 f"Texts have at most {spec.max_length:,} characters.",
                 f"{{count:,}} of {{total:,}} texts are longer than {spec.max_length:,} "
                 "characters.")  # fmt: skip


def target_rules(capability: Capability, fault: Fault | None) -> Iterator[Rule]:
    """The target is there, of its type, and has something to tell apart."""
    name = capability.target or TARGET
    yield _count("target-missing", name, "ExpectColumnValuesToNotBeNull", {"column": TARGET},
                 "Every row has a label.", "{count:,} of {total:,} labels are missing."
                 )  # fmt: skip
    if fault and fault.code == "all-missing":
        return
    yield _type_rule(name, TARGET, target_type(capability), "target-type")
    if fault and fault.code == "mixed-types":
        return
    if capability.task is Kind.CLASSIFICATION:
        if capability.classes:
            known = {"column": TARGET, "value_set": list(capability.classes)}
            yield _count("classes", name, "ExpectColumnValuesToBeInSet", known,
                         f"Labels are among the {len(capability.classes)} declared classes.",
                         "{count:,} of {total:,} labels are of no declared class.")  # fmt: skip
        yield _distinct("one-class", name, TARGET, 2, "All labels are of one class.")
        return
    yield _finite("target-infinite", name, TARGET)
    yield _distinct("target-constant", name, TARGET, 2, "All labels are equal.")


def missing_rule(name: str, alias: str, now: pd.Series, before: pd.Series) -> Rule:
    """Not more values are missing than in the reference.

    Allowed: the reference's share + 0.05 + three standard errors of a difference of two shares.
    """
    share = float(before.isna().mean())
    near = min(0.5, share + MISSING_MARGIN)
    error = math.sqrt(near * (1 - near) * (1 / len(now) + 1 / len(before)))
    most = min(1.0, share + MISSING_MARGIN + 3 * error)
    return Rule(
        "missing-share", name, "ExpectColumnValuesToNotBeNull",
        {"column": alias, "mostly": 1 - most},
        f"Not more values are missing than in the reference ({share:.1%}).",
        f"{{share:.1%}} of the values are missing; in the reference {share:.1%} are.",
        f"at most {most:.3g}", observes="share",
    )  # fmt: skip


def lively_rule(name: str, alias: str, before: pd.Series) -> Rule | None:
    """A number with many values in the reference does not stand still now."""
    values = before.nunique()
    if values < LIVELY:
        return None
    still = f"All values are equal; the reference has {values:,} different ones."
    return _distinct("became-constant", name, alias, 2, still)


def mean_rule(capability: Capability, now: pd.Series, before: pd.Series) -> Rule:
    """The target's mean is near the reference's: wide enough for growth, too narrow for a new unit.

    Allowed: the reference's mean ± (2 standard deviations + 3 standard errors of the mean now).
    """
    values = numbers(before)
    mean, spread = float(np.mean(values)), float(np.std(values))
    margin = spread * (TARGET_SPREADS + 3 / math.sqrt(len(now)))
    low, high = mean - margin, mean + margin
    return Rule(
        "target-mean", capability.target, "ExpectColumnMeanToBeBetween",
        {"column": TARGET, "min_value": low, "max_value": high},
        f"The mean label is near the reference's ({mean:.4g}).",
        f"The mean label is {{observed:.4g}}; in the reference it is {mean:.4g}.",
        f"{low:.4g} to {high:.4g}", observes="value",
    )  # fmt: skip


def _count(  # noqa: PLR0913, PLR0917  a rule's own fields in their order
    code: str, column: str, expectation: str, options: dict[str, Any], claim: str, fault: str
) -> Rule:
    return Rule(code, column, expectation, options, claim, fault, "none")


def _type_rule(name: str, alias: str, kind: ColumnType, code: str = "type") -> Rule:
    held, types = ("numbers", NUMBER_TYPES) if kind.numeric else ("texts", ["str"])
    return _count(
        code, name, "ExpectColumnValuesToBeInTypeList", {"column": alias, "type_list": types},
        f"Values are {held}.", f"{{count:,}} of {{total:,}} values are not {held}.",
    )  # fmt: skip


def _finite(code: str, name: str, alias: str) -> Rule:
    largest = sys.float_info.max
    options = {"column": alias, "min_value": -largest, "max_value": largest}
    return _count(code, name, "ExpectColumnValuesToBeBetween", options, "No value is infinite.",
                  "{count:,} of {total:,} values are infinite.")  # fmt: skip


def _distinct(  # noqa: PLR0913, PLR0917  a rule's own fields in their order
    code: str, name: str, alias: str, least: int, fault: str, breach: Result = Result.FAILED
) -> Rule:
    return Rule(
        code, name, "ExpectColumnUniqueValueCountToBeBetween",
        {"column": alias, "min_value": least},
        "Values differ." if least > 1 else "There are values.", fault,
        f"at least {least} different", breach, "value",
    )  # fmt: skip


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
