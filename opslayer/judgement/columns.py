"""A column as histograms whose bins are learnt on a reference, so that any window can be counted.

Nothing here raises on dirty values: what is no number, infinite or missing is counted apart.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]

NUMBER_BINS = 20
"""Quantile bins of a number. A number of no more distinct values has a bin for each instead."""
LEVELS = 50
"""At most so many levels of a category have a bin of their own, the most frequent, and only …"""
FREQUENT = 10
"""… with so many rows: the share of a level picked for a chance crowd would be too high."""
RARE_BINS = 16
LENGTH_BINS = 8
WORD_BINS = 64
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Column:
    """n values of one input, or of the predictions; None and NaN are missing."""

    values: NDArray[Any]
    kind: Literal["number", "category", "text"]


@dataclass(frozen=True)
class Counted:
    """A column's rows as bins. A text row falls into several bins: one per word."""

    rows: Codes
    """Row of each entry."""
    bins: Codes


@dataclass(frozen=True)
class Profile:
    """One histogram of a column, able to count any other rows in the same bins."""

    part: str
    """"" where the column has one histogram, else "length" or "words"."""
    size: int
    reference: Counted
    count: Callable[[Column], Counted]


def profiles(column: Column) -> list[Profile]:
    """The histograms of a reference column."""
    if column.kind == "number":
        values = numbers(column.values)
        known = values[np.isfinite(values)]
        if len(np.unique(known)) > NUMBER_BINS:
            return [_quantiles(column, known)]
        return [_levels(column, lambda other: list(map(str, numbers(other.values).tolist())))]
    if column.kind == "category":
        return [_levels(column, lambda other: list(map(str, other.values.tolist())))]
    return [_length(column), _words(column)]


def missing(column: Column) -> NDArray[np.bool_]:
    """Which rows have no value the column's kind can use."""
    if column.kind == "number":
        return ~np.isfinite(numbers(column.values))
    return np.array([_is_missing(value) for value in column.values.tolist()], dtype=bool)


def faults(column: Column) -> list[str]:
    """What is wrong with values, in words: infinite, or of another type than the column."""
    if column.kind != "number":
        types = {type(value).__name__ for value in column.values.tolist() if not _is_missing(value)}
        return [f"values of mixed types: {', '.join(sorted(types))}"] if len(types) > 1 else []
    values = numbers(column.values)
    infinite = int(np.count_nonzero(np.isinf(values)))
    found = [f"{infinite:,} infinite values"] if infinite else []
    if column.values.dtype.kind in "fiub":
        return found
    unread = [not _is_missing(value) for value in column.values.tolist()]
    wrong = int(np.count_nonzero(np.isnan(values) & np.array(unread, dtype=bool)))
    return [*found, f"{wrong:,} values that are no numbers"] if wrong else found


def numbers(values: NDArray[Any]) -> Reals:
    """Values as floats; NaN where a value is missing or no number."""
    if values.dtype.kind in "fiub":
        return values.astype(float)
    return np.array([_float(value) for value in values.tolist()], dtype=float)


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # whatever it is, it is tried
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _each(bins: Codes) -> Counted:
    return Counted(np.arange(len(bins)), bins)


def _quantiles(column: Column, known: Reals) -> Profile:
    """Bins of about as many rows each. What lies outside the reference falls into the end bins:
    the draws that calibrate never leave it, while an unchanged source now and then does."""
    edges = np.unique(np.quantile(known, np.linspace(0, 1, NUMBER_BINS + 1)[1:-1], method="lower"))
    gone = len(edges) + 1

    def count(other: Column) -> Counted:
        values = numbers(other.values)
        return _each(np.where(np.isfinite(values), np.searchsorted(edges, values), gone))

    return Profile("", gone + 1, count(column), count)


def _levels(column: Column, names_of: Callable[[Column], list[str]]) -> Profile:
    """A bin for each frequent level, missing, and hashed bins that rare and new levels share.

    So a new level among few is a change, while in a column of ever new ids the next ids fall where
    the last ones did; and such a column stuck at one value is a change again.
    """
    there = zip(names_of(column), missing(column).tolist(), strict=True)
    counts = Counter(name for name, gone in there if not gone).most_common(LEVELS)
    frequent = [name for name, rows in counts if rows >= FREQUENT]
    known = {name: place for place, name in enumerate(frequent)}
    last = len(frequent) + RARE_BINS

    def count(other: Column) -> Counted:
        names = names_of(other)
        place = known | {
            name: len(frequent) + _hashed(name, RARE_BINS) for name in set(names) - known.keys()
        }
        bins = np.array([place[name] for name in names], dtype=np.int64)
        return _each(np.where(missing(other), last, bins))

    return Profile("", last + 1, count(column), count)


def _hashed(text: str, bins: int) -> int:
    return zlib.crc32(text.encode("utf-8", "replace")) % bins


def _length(column: Column) -> Profile:
    """Words per text, in quantile bins; missing apart."""
    known = _lengths(column)
    edges = np.unique(np.quantile(known[known >= 0], np.linspace(0, 1, LENGTH_BINS + 1)[1:-1]))

    def count(other: Column) -> Counted:
        lengths = _lengths(other)
        place = np.searchsorted(edges, lengths, side="left")
        return _each(np.where(lengths >= 0, place, len(edges) + 1))

    return Profile("length", len(edges) + 2, count(column), count)


def _lengths(column: Column) -> Codes:
    """Words per row, -1 where there is no text."""
    words = [
        -1 if _is_missing(value) else len(WORD.findall(str(value)))
        for value in column.values.tolist()
    ]
    return np.array(words, dtype=np.int64)


def _words(column: Column) -> Profile:
    """Which words are used, hashed into 64 bins; a text without words has a bin of its own."""

    def count(other: Column) -> Counted:
        rows: list[int] = []
        bins: list[int] = []
        place: dict[str, int] = {}
        for row, value in enumerate(other.values.tolist()):
            words = [] if _is_missing(value) else WORD.findall(str(value).lower())
            for word in words:
                if word not in place:
                    place[word] = _hashed(word, WORD_BINS)
                rows.append(row)
                bins.append(place[word])
            if not words:
                rows.append(row)
                bins.append(WORD_BINS)
        return Counted(np.array(rows, dtype=np.int64), np.array(bins, dtype=np.int64))

    return Profile("words", WORD_BINS + 1, count(column), count)
