"""A column as histograms whose bins are learnt on a reference, so that any window can be counted.

Nothing here raises on dirty values: what is no number, infinite or missing is counted apart.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Reals = NDArray[np.float64]

NUMBER_BINS = 18
"""Quantile bins of a number; with "below", "above" and "missing" 21 in all."""
LEVELS = 50
"""Levels of a category with a bin of their own: the most frequent."""
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


def profiles(column: Column, blocks: Codes) -> list[Profile]:
    """The histograms of a reference column whose row i belongs to block `blocks[i]`."""
    if column.kind == "number":
        return [_number(column)]
    if column.kind == "category":
        return [_category(column, blocks)]
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


def _number(column: Column) -> Profile:
    values = numbers(column.values)
    known = values[np.isfinite(values)]
    bins, size = _few_numbers(known) or _many_numbers(known)

    def count(other: Column) -> Counted:
        there = numbers(other.values)
        finite = np.isfinite(there)
        return _each(np.where(finite, bins(np.where(finite, there, 0.0)), size - 1))

    return Profile("", size, count(column), count)


Bins = tuple[Callable[[Reals], Codes], int]
"""The bin of each finite number, and the number of bins with one for missing, the last."""


def _few_numbers(known: Reals) -> Bins | None:
    """A bin per value, and one for all others, where there are only a few values."""
    levels = np.unique(known)
    if len(levels) > NUMBER_BINS + 1:
        return None

    def bins(values: Reals) -> Codes:
        if not len(levels):
            return np.zeros(len(values), dtype=np.int64)
        place = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
        return np.where(levels[place] == values, place, len(levels))

    return bins, len(levels) + 2


def _many_numbers(known: Reals) -> Bins:
    """Quantile bins, and one each for "below" and "above" all that the reference holds."""
    edges = np.unique(np.quantile(known, np.linspace(0, 1, NUMBER_BINS + 1), method="lower"))

    def bins(values: Reals) -> Codes:
        place = np.searchsorted(edges[:-1], values, side="right")
        return np.where(values > edges[-1], len(edges), place).astype(np.int64)

    return bins, len(edges) + 2


def _category(column: Column, blocks: Codes) -> Profile:
    """Bins: the most frequent levels, rarer ones together, new ones, missing.

    A level met in one block only counts as new in that block: so the share of new levels in the
    reference is what a window of the same source has too (leave one block out), and a column of
    ever new ids is no drift, while a new value in a column of few is.
    """
    names = _names(column)
    levels = {name: place for place, name in enumerate(dict.fromkeys(names))}
    codes = np.array([levels[name] for name in names], dtype=np.int64)
    met = np.unique(codes * (len(names) + 1) + blocks) // (len(names) + 1)
    once = np.bincount(met, minlength=len(levels)) == 1
    largest = np.argsort(-np.bincount(codes, minlength=len(levels)), kind="stable")
    places = np.full(len(levels), LEVELS)
    places[largest[:LEVELS]] = np.arange(len(largest[:LEVELS]))
    gone = LEVELS + 2

    def count(other: Column) -> Counted:
        known = [levels.get(name, -1) for name in _names(other)]
        bins = [LEVELS + 1 if code < 0 else places[code] for code in known]
        return _each(np.where(missing(other), gone, np.array(bins, dtype=np.int64)))

    seen = count(column).bins
    reference = np.where(once[codes] & (seen != gone), LEVELS + 1, seen)
    return Profile("", LEVELS + 3, _each(reference), count)


def _names(column: Column) -> list[str]:
    return [str(value) for value in column.values.tolist()]


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
                    place[word] = zlib.crc32(word.encode("utf-8", "replace")) % WORD_BINS
                rows.append(row)
                bins.append(place[word])
            if not words:
                rows.append(row)
                bins.append(WORD_BINS)
        return Counted(np.array(rows, dtype=np.int64), np.array(bins, dtype=np.int64))

    return Profile("words", WORD_BINS + 1, count(column), count)
