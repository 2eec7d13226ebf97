"""Python values, from a database or from JSON, as one column."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType

import pyarrow as pa


def column_of(values: Sequence[object]) -> pa.Array:
    """Values of one kind as that kind; a mixture as text, each value as it is written."""
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([_text(value) for value in values], pa.string())


def part_of(values: Sequence[object]) -> pa.Array | Sequence[object]:
    """A part of a column: as an array where that says all of it, all numbers with a point or all
    texts; as it is otherwise.
    """
    kinds = {*map(type, values)} - {NoneType}
    if not kinds:
        return pa.nulls(len(values))
    if kinds == {float}:
        return pa.array(values, pa.float64())
    return pa.array(values, pa.string()) if kinds == {str} else values


def joined(parts: Sequence[pa.Array | Sequence[object]]) -> pa.Array:
    """Parts of a column as `column_of` makes it of all their values."""
    arrays = [part for part in parts if isinstance(part, pa.Array)]
    kinds = {part.type for part in arrays} - {pa.null()}
    if arrays and len(arrays) == len(parts) and len(kinds) <= 1:
        kind = kinds.pop() if kinds else pa.null()
        try:
            return pa.concat_arrays([part.cast(kind) for part in arrays])
        except pa.ArrowInvalid:  # more text than one array holds
            pass
    return column_of([value for part in parts for value in _values(part)])


def _values(part: pa.Array | Sequence[object]) -> Sequence[object]:
    values: Sequence[object] = part.to_pylist() if isinstance(part, pa.Array) else part
    return values


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
