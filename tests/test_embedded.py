"""Prefect inside this process: what it is told before and while flows run."""

from __future__ import annotations

import pytest
from prefect.settings import get_current_settings

from flows.embedded import unwatched


def test_the_embedded_server_is_sent_no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    before = get_current_settings().flows.heartbeat_frequency
    with unwatched():
        assert get_current_settings().flows.heartbeat_frequency is None
    assert get_current_settings().flows.heartbeat_frequency == before


def test_a_server_that_was_named_still_hears_from_its_flows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    before = get_current_settings().flows.heartbeat_frequency
    with unwatched():
        assert get_current_settings().flows.heartbeat_frequency == before is not None
