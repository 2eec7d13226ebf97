"""Dirty windows are findings: no crash, and each fault named (promise P32 at small size)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.dirty_windows import WINDOWS, Dirty, clean, storable, through


@pytest.mark.parametrize("dirty", WINDOWS, ids=lambda dirty: dirty.name)
def test_a_dirty_window_is_named_on_every_way(dirty: Dirty) -> None:
    seen = dict(through(dirty))
    assert len(seen) == 2 + storable(dirty.make(clean()))
    for way, became in seen.items():
        assert not became.crash, way
        assert became.named, way


def test_a_hundred_thousand_levels_are_named() -> None:
    (many,) = [dirty for dirty in WINDOWS if dirty.name == "a level per row"]
    assert all(became.named for _, became in through(many, 100_000))


def test_a_clean_window_is_none_of_these() -> None:
    dirty = next(dirty for dirty in WINDOWS if dirty.name == "label copy as level")
    tame = replace(dirty, make=lambda rows: rows)
    assert [became.named for _, became in through(tame)] == [False, False, False]
