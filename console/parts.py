"""What several pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from console.shell import links
from opslayer.records import Verdict
from opslayer.reports.page import Markup, mark, table

LOUD = frozenset({"alarm", "harm", "rolled_back", "rollback", "guardrail", "sample_ratio", "train"})
"""Outcomes at which a person should look."""


def verdicts(found: Sequence[Verdict], caption: str) -> Markup:
    """Verdicts as a table, the newest first."""
    rows = [
        (
            moment(one.at),
            one.kind.value,
            mark(one.outcome.replace("_", " "), stands_out=one.outcome in LOUD),
            one.reason,
            None if one.error_rate is None else f"{one.error_rate:.1%}",
        )
        for one in found
    ]
    return table(caption, ("When (UTC)", "What", "Outcome", "~Why", "#Wrong at most"), rows)


def moment(at: datetime | None) -> str | None:
    """A time for a person, in UTC."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def places(name: str) -> Markup:
    """Where else one may look at a capability."""
    root = f"/capabilities/{name}"
    return links(
        [
            (root, name), (f"{root}/releases", "Releases"), (f"{root}/experiments", "Experiments"),
            (f"{root}/review", "Review"), (f"{root}/reviews", "How reviews go"),
            (f"{root}/numbers", "Truth and answers"), (f"{root}/reports", "Reports"),
        ],
        f"Pages of {name}",
    )  # fmt: skip
