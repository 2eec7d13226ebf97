"""`opslayer explain`: what answered a call, why, and from which data."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, emit, show
from opslayer.errors import NotFound

FIELDS = (
    "capability", "event_time", "tenant", "variant", "status", "fallback", "input", "output",
    "arms", "guards", "latency_ms", "cost",
)  # fmt: skip


def explain(
    interaction: Annotated[str, Parameter(help="The id that came with the answer.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say what answered a call, why, and from which data."""
    from opslayer.steps.explain import explain as step

    found = step(context().stores, interaction)
    if found is None:
        raise NotFound(
            f"the log has no interaction {interaction[:64]}: it is the header "
            "X-Opslayer-Interaction of an answer"
        )
    if as_json:
        emit(found)
        return
    why = found["why"]
    show(_fields({name: found[name] for name in FIELDS}), False, f"Interaction {found['id']}")
    show(_fields(why), False, "Why it was answered so")
    attempts = found["attempts"]
    show(attempts, False, "Who was asked", empty="nobody had to be")
    columns = ("kind", "value", "by", "known_time")
    show(found["feedback"], False, "What was said about it", columns, empty="nothing yet")


def _fields(values: dict[str, Any]) -> list[dict[str, Any]]:
    known = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    return [{"": name.replace("_", " "), "value": value} for name, value in known.items()]
