"""What a Prefect run page shows of a run: its verdicts, its drift, and where to read on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from opslayer.records import Verdict


def show_verdicts(capability: str, verdicts: Sequence[Verdict]) -> None:
    """A row per verdict: what was judged, how it came out, and why in one sentence."""
    rows = [
        {
            "judged": verdict.kind.value,
            "about": verdict.about,
            "outcome": verdict.outcome,
            "why": verdict.reason,
            "stated error rate": verdict.error_rate,
        }
        for verdict in verdicts
    ]
    if rows:
        create_table_artifact(rows, key=f"verdicts-{capability}", description="Verdicts")


def show_drift(capability: str, verdict: Verdict) -> None:
    """A row per column: how far the window is from what the champion learnt from."""
    columns: Mapping[str, Mapping[str, Any]] = verdict.numbers.get("columns", {})
    rows = [{"column": name, **numbers} for name, numbers in columns.items()]
    if rows:
        create_table_artifact(rows, key=f"drift-{capability}", description=verdict.reason)


def show_links(capability: str, links: Mapping[str, str]) -> None:
    """Where the pages of this run lie."""
    lines = [f"- {title}: `{address}`" for title, address in links.items()]
    if lines:
        create_markdown_artifact("\n".join(lines), key=f"pages-{capability}", description="Pages")
