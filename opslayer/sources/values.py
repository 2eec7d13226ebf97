"""Python values, from a database or from JSON, as one column."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


def column_of(values: Sequence[object]) -> pa.Array:
    """Values of one kind as that kind; a mixture as text, each value as it is written."""
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
