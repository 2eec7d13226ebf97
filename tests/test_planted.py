"""Personal data with a form reaches no sink, whichever way it comes (P13, small)."""

from __future__ import annotations

import base64
import gzip
from urllib.parse import quote

import pytest

from benchmarks.planted import leaked, run, strings


def test_what_is_planted_in_every_way_in_is_found_nowhere() -> None:
    count, found, broken = run(120)
    assert count == 120
    assert (found, broken) == ({}, 0)


@pytest.mark.parametrize(
    ("name", "hide"),
    [
        ("plain", bytes),
        ("url", lambda raw: quote(raw, safe="").encode()),
        ("base64", base64.b64encode),
        ("escaped", lambda raw: b"".join(b"\\u%04x" % byte for byte in raw)),
        ("packed.gz", gzip.compress),
    ],
)
def test_the_search_finds_what_is_hidden(name: str, hide: object) -> None:
    planted = strings(12)
    sinks = [(name, b"before " + hide(one.encode()) + b" after") for one in planted]  # type: ignore[operator]
    if name.endswith(".gz"):
        sinks = [(name, hide(one.encode())) for one in planted]  # type: ignore[operator]
    assert leaked(sinks, planted) == {name: set(planted)}
