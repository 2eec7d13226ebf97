"""Records that are built without a look at their values are no different ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from opslayer.records import Attempt, Interaction, Record, Status, Usage

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ATTEMPT: dict[str, Any] = {
    "variant": "champion",
    "upstream": "main",
    "outcome": "ok",
    "latency_ms": 1.5,
    "cost": 0.25,
}
CALL: dict[str, Any] = {
    "id": "a" * 44,
    "capability": "desk",
    "subject": None,
    "event_time": AT,
    "input": {"messages": [{"role": "user", "content": "hello"}]},
    "output": {"reply": "hi"},
    "variant": "champion",
    "release": 3,
    "assigned": "champion",
    "arms": {"colour": "b"},
    "ruled": False,
    "guards": ("pii:input:masked:email=1",),
    "latency_ms": 2.5,
    "cost": 0.25,
    "tenant": "",
    "status": Status.ANSWERED,
    "fallback": None,
    "attempts": (Attempt(**ATTEMPT),),
    "usage": Usage(input=3, output=1),
    "stream": False,
}


@pytest.mark.parametrize(("kind", "values"), [(Attempt, ATTEMPT), (Interaction, CALL)])
def test_a_trusted_record_is_the_one_that_is_checked(
    kind: type[Record], values: dict[str, Any]
) -> None:
    checked, trusted = kind(**values), kind.trusted(**values)
    assert trusted == checked
    assert trusted.model_dump_json() == checked.model_dump_json()
    assert trusted.model_copy(update={"latency_ms": 9.0}).latency_ms == 9.0  # type: ignore[attr-defined]


def test_a_trusted_record_lacks_no_field() -> None:
    with pytest.raises(TypeError, match="Attempt has cost, too"):
        Attempt.trusted(**{name: ATTEMPT[name] for name in ATTEMPT if name != "cost"})
