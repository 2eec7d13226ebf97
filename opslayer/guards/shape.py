"""Rows in the shape that a capability's contract asks for, or all that is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from opslayer.capability import Capability, ColumnType, Input, Kind
from opslayer.configuration.nearest import nearest

EXACT = 2**53
"""Whole numbers up to here are held exactly as floats, which is how columns hold them."""
SHOWN = 40
"""Characters of a wrong value that are told."""

Check = Callable[[Any], Any]
"""The value as the contract has it; raises ValueError with what is wrong."""


class ShapeError(ValueError):
    """A row or an answer that breaks the contract; `problems` has one sentence for each fault, and
    `wrong` those of input columns by their names."""

    def __init__(self, problems: list[str], wrong: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        self.wrong = dict(wrong or {})


@dataclass(frozen=True, slots=True)
class Shape:
    """A capability's contract, ready to check rows and answers."""

    capability: Capability
    checks: Mapping[str, Check]

    @classmethod
    def of(cls, capability: Capability) -> Shape:
        """The checks of every input column."""
        return cls(capability, {name: _check(one) for name, one in capability.inputs.items()})

    def read(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row with every input column, of its type; an absent value is None.

        Raises ShapeError with everything that is wrong with it.
        """
        found: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, check in self.checks.items():
            try:
                found[name] = check(row.get(name))
            except ValueError as error:
                wrong[name] = str(error)
        problems = [f"{name}: {sentence}" for name, sentence in wrong.items()]
        if len(row) > len(found):
            problems += [
                f"{_shown(name)}: no input{nearest(str(name)[:64], self.checks)}; inputs are "
                f"{', '.join(self.checks)}"
                for name in row
                if name not in self.checks
            ]
        if problems:
            raise ShapeError(problems, wrong)
        return found

    def check_answer(self, output: Mapping[str, Any]) -> None:
        """Raise ShapeError for an answer that the contract doesn't allow."""
        wrong = _ANSWERS[self.capability.kind](self.capability, output)
        if wrong:
            raise ShapeError([wrong])


def _check(column: Input) -> Check:
    return partial(_CHECKS[column.type], column)


def _absent(column: Input) -> None:
    if not column.missing:
        raise ValueError("is missing")


def _number(column: Input, value: Any) -> Any:
    if value is None:
        return _absent(column)
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"write a number, not {_shown(value)}")
    if not _finite(value):
        raise ValueError(f"write a finite number, not {_shown(value)}")
    return _within(column, value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float can be
        return False


def _integer(column: Input, value: Any) -> Any:
    if value is None:
        return _absent(column)
    whole = type(value) is int or (type(value) is float and value.is_integer())
    if not whole or abs(value) > EXACT:
        raise ValueError(f"write a whole number of at most 2^53, not {_shown(value)}")
    return _within(column, int(value))


def _within(column: Input, value: float) -> float:
    if (column.min is not None and value < column.min) or (
        column.max is not None and value > column.max
    ):
        low = "" if column.min is None else f" from {column.min:g}"
        high = "" if column.max is None else f" to {column.max:g}"
        raise ValueError(f"write a number{low}{high}, not {_shown(value)}")
    return value


def _boolean(column: Input, value: Any) -> Any:
    if value is None:
        return _absent(column)
    if value is True or value is False:
        return value
    if type(value) in (int, float) and value in (0, 1):
        return bool(value)
    raise ValueError(f"write true or false, not {_shown(value)}")


def _category(column: Input, value: Any) -> Any:
    if value is None:
        return _absent(column)
    if type(value) is int and abs(value) < EXACT:
        value = str(value)
    text = _string(column, value)
    if column.choices is not None and text not in column.choices:
        there = ", ".join(column.choices[:20])
        raise ValueError(f"write one of {there}, not {_shown(value)}")
    return text


def _string(column: Input, value: Any) -> Any:
    if value is None:
        return _absent(column)
    if not isinstance(value, str):
        raise ValueError(f"write a string, not {_shown(value)}")
    if len(value) > column.max_length:
        raise ValueError(f"has {len(value)} characters; {column.max_length} are allowed")
    if "\0" in value:
        raise ValueError("holds a NUL character")
    return value


_CHECKS: dict[ColumnType, Callable[[Input, Any], Any]] = {
    ColumnType.NUMBER: _number,
    ColumnType.INTEGER: _integer,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.CATEGORY: _category,
    ColumnType.TEXT: _string,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _regression(_: Capability, output: Mapping[str, Any]) -> str:
    value = output.get("value")
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return "" if fine else "the answer is no finite number"


def _classification(_: Capability, output: Mapping[str, Any]) -> str:
    return "" if isinstance(output.get("value"), str) else "the answer is no class"


def _chat(_: Capability, output: Mapping[str, Any]) -> str:
    return "" if output.get("reply") or output.get("tool_calls") else "the answer is empty"


def _image(_: Capability, output: Mapping[str, Any]) -> str:
    return "" if output.get("images") else "there is no picture"


_ANSWERS: dict[Kind, Callable[[Capability, Mapping[str, Any]], str]] = {
    Kind.REGRESSION: _regression,
    Kind.CLASSIFICATION: _classification,
    Kind.CHAT: _chat,
    Kind.IMAGE: _image,
}
