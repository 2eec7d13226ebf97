"""Secrets reach nobody who is not to have them, and one that did would be found."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.canary_secrets import Secrets, call, common, elsewhere, machine, watched


def test_a_gateway_tells_and_keeps_no_secret_whatever_fails(tmp_path: Path) -> None:
    secrets = Secrets()
    with elsewhere(secrets) as url, watched(secrets):
        first = machine(secrets, tmp_path / "first", url, common(secrets, url))
        call(first)
        first.search()
    assert len(secrets.given) == 11
    sinks = {name for name, _ in secrets.sinks}
    assert {"metrics", "command lines", "sent to /v1/chat/completions"} <= sinks
    assert any(name.endswith("serve.log") for name in sinks)
    assert secrets.found() == {}


@pytest.mark.parametrize("hide", [bytes, base64.b64encode, gzip.compress])
def test_a_secret_that_is_told_would_be_found(hide: Callable[[bytes], bytes]) -> None:
    secrets = Secrets()
    word = secrets.new("somewhere", "whsec_")
    secrets.keep("page.gz", hide(b"before it " + word.encode() + b" and after"))
    assert secrets.found() == {"page.gz": ["somewhere"]}
