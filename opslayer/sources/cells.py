"""Cells of one column to one type: nothing is guessed, rounded, cut or made missing in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import ColumnType, Input

NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?$"
EXACT = 2.0**53
"""Whole numbers up to here are exact in a float64."""
EDGE = r"^[+-]?0*9007199254740992(\.0*)?$"
"""What 2**53 looks like; other texts that end there were rounded."""
BOOLEANS = {"true": 1.0, "t": 1.0, "yes": 1.0, "false": 0.0, "f": 0.0, "no": 0.0}


@dataclass(frozen=True, slots=True)
class Cells:
    """A column converted. A cell with a fault has no value."""

    values: pa.Array
    faults: tuple[tuple[np.ndarray, str], ...] = ()
    """Which cells (row indices) are wrong, and why; one reason for each cell."""

    def fault(self, wrong: pa.Array, reason: str) -> Cells:
        """Say why some cells are wrong, and drop their values. `wrong` is one boolean a cell;
        null means no.
        """
        indices = np.flatnonzero(wrong.fill_null(False).to_numpy(zero_copy_only=False))
        if not len(indices):
            return self
        kept = pc.if_else(wrong.fill_null(False), pa.scalar(None, self.values.type), self.values)
        return Cells(kept, (*self.faults, (indices, reason)))

    def with_values(self, values: pa.Array) -> Cells:
        """The same faults with other values."""
        return replace(self, values=values)

    @property
    def wrong(self) -> np.ndarray:
        """Which cells are wrong, as booleans."""
        mask = np.zeros(len(self.values), dtype=bool)
        for indices, _ in self.faults:
            mask[indices] = True
        return mask


def convert(cells: pa.Array, column: Input) -> Cells:
    """A column by its contract: float64, or string for category and text; null is missing.

    An empty cell is missing, in text too. Spaces around a number are no part of it.
    """
    done = CONVERSIONS[column.type](cells)
    done = _ranged(done, column) if column.type.numeric else _worded(done, column)
    if column.missing:
        return done
    absent = pc.and_(pc.is_null(done.values), pa.array(~done.wrong))
    return done.fault(absent, "missing")


def numbers(cells: pa.Array) -> Cells:
    """Numbers as float64: finite, and exact where they are whole."""
    kind = cells.type
    if pa.types.is_null(kind):
        return Cells(cells.cast(pa.float64()))
    if pa.types.is_floating(kind):
        return _finite(Cells(cells.cast(pa.float64())))
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _written_numbers(Cells(cells.cast(pa.string())))
    if _is_text(kind):
        return _written_numbers(text_of(cells))
    return _refused(cells, pa.float64(), "no number")


INEXACT = "beyond 2**53, where a whole number can't be held exactly: declare it as text"


def _written_numbers(text: Cells) -> Cells:
    written = _emptied(pc.utf8_trim_whitespace(text.values))
    numeric = pc.match_substring_regex(written, NUMBER)
    values = pc.if_else(numeric, written, None).cast(pa.float64())
    # "1e400" overflows to infinity, "1e-400" to zero; both would be a silent change.
    mantissa = pc.extract_regex(written, r"^(?P<m>[^eE]*)").field(0)
    vanished = pc.and_(pc.equal(values, 0.0), pc.match_substring_regex(mantissa, "[1-9]"))
    whole = pc.invert(pc.match_substring(written, "e", ignore_case=True))
    inexact = pc.and_(pc.and_(pc.greater(pc.abs(values), EXACT), whole), pc.is_finite(values))
    rounded = pc.and_not(pc.equal(pc.abs(values), EXACT), pc.match_substring_regex(written, EDGE))
    return (
        text.with_values(values)
        .fault(pc.invert(numeric), "no number")
        .fault(pc.is_inf(values), "too large for a number")
        .fault(vanished, "too small for a number")
        .fault(pc.or_(inexact, rounded), INEXACT)
    )


def _finite(done: Cells) -> Cells:
    values = done.values
    return done.fault(pc.is_nan(values), "NaN").fault(pc.is_inf(values), "infinite")


def integers(cells: pa.Array) -> Cells:
    """Whole numbers as float64; `5.0` is one."""
    done = numbers(cells)
    values = done.values
    return done.fault(pc.not_equal(values, pc.floor(values)), "no whole number").fault(
        pc.greater(pc.abs(values), EXACT), INEXACT
    )


def booleans(cells: pa.Array) -> Cells:
    """0 and 1 as float64, from true, t, yes, 1, 1.0 and their opposites in any case."""
    if pa.types.is_boolean(cells.type):
        return Cells(cells.cast(pa.float64()))
    if _is_text(cells.type):
        text = text_of(cells)
        words = pc.utf8_lower(pc.utf8_trim_whitespace(text.values))
        for word, value in BOOLEANS.items():
            words = pc.if_else(pc.equal(words, word), str(value), words)
        cells = pc.if_else(pc.invert(pa.array(text.wrong)), words, "nothing")
    done = numbers(cells)
    known = pc.is_in(done.values, pa.array([0.0, 1.0, None]))
    faults = done.wrong | ~known.to_numpy(zero_copy_only=False)
    return Cells(done.values).fault(pa.array(faults), "no boolean: write true or false")


def texts(cells: pa.Array) -> Cells:
    """Text as it stands; empty is missing. Whole numbers and booleans are taken as written."""
    done = text_of(cells)
    values = _emptied(done.values)
    return done.with_values(values).fault(pc.match_substring(values, "\0"), "NUL character")


def text_of(cells: pa.Array) -> Cells:
    """Any simple column as strings: true and false, whole numbers without a point."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return text_of(cells.dictionary_decode())
    if _is_text(kind):
        return _encoded(cells)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        whole = integers(cells)
        return Cells(whole.values.cast(pa.int64()).cast(pa.string()), whole.faults)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return Cells(cells.cast(pa.string()))
    return _refused(cells, pa.string(), f"no text: the source holds {kind}")


def _encoded(cells: pa.Array) -> Cells:
    text = cells.cast(pa.string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        values = [_decoded(value) for value in cells.cast(pa.large_binary()).to_pylist()]
        text, absent = pa.array(values, pa.string()), pc.is_null(cells)
        return Cells(text).fault(pc.and_not(pc.is_null(text), absent), "broken encoding: no UTF-8")
    return Cells(text)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _refused(cells: pa.Array, kind: pa.DataType, reason: str) -> Cells:
    return Cells(pa.nulls(len(cells), kind)).fault(pc.is_valid(cells), reason)


def _emptied(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)


def _ranged(done: Cells, column: Input) -> Cells:
    if column.min is not None:
        done = done.fault(pc.less(done.values, column.min), f"below {column.min:g}")
    if column.max is not None:
        done = done.fault(pc.greater(done.values, column.max), f"above {column.max:g}")
    return done


def _worded(done: Cells, column: Input) -> Cells:
    long = pc.greater(pc.utf8_length(done.values), column.max_length)
    done = done.fault(long, f"longer than {column.max_length} characters")
    if column.choices is None:
        return done
    chosen = pc.is_in(done.values, pa.array([*column.choices, None], pa.string()))
    return done.fault(pc.invert(chosen), f"none of {', '.join(column.choices)}")


CONVERSIONS: dict[ColumnType, Callable[[pa.Array], Cells]] = {
    ColumnType.NUMBER: numbers,
    ColumnType.INTEGER: integers,
    ColumnType.BOOLEAN: booleans,
    ColumnType.CATEGORY: texts,
    ColumnType.TEXT: texts,
}
