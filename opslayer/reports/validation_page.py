"""The page of one data contract check, drawn from its JSON result alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opslayer.reports.page import (
    Markup,
    facts,
    heading,
    mark,
    name,
    page,
    paragraph,
    table,
    text,
)

HEADS = ("Check", "Column", "Result", "~What was found", "#Observed", "Allowed")


def draw(result: Mapping[str, Any]) -> str:
    """The page as HTML. `result` is what `opslayer.steps.validate` keeps as JSON.

    It holds counts, shares and the contract's own words, never a value of the data.
    """
    checks = result["checks"]
    passed = [check for check in checks if check["result"] == "passed"]
    others = sorted(
        (check for check in checks if check["result"] != "passed"),
        key=lambda check: ("failed", "warning", "not judged").index(check["result"]),
    )
    title = f"Data check: {result['capability']}"
    return page(
        title,
        heading(title, 1),
        paragraph(_lead(result), "lead"),
        facts(_facts(result)),
        *_open(others),
        *_closed(passed),
        paragraph(
            "Counts and shares only: no value of the data is on this page. "
            "A failed check stops training; a warning does not.",
            "soft",
        ),
    )


def _lead(result: Mapping[str, Any]) -> Markup:
    word = mark(result["outcome"].capitalize(), stands_out=result["outcome"] != "passed")
    return Markup(f"{word}. {text(result['reason'])}")


def _facts(result: Mapping[str, Any]) -> list[tuple[str, object]]:
    reference = result["reference"] or "none: nothing was trained before"
    return [
        ("Snapshot", result["snapshot"]),
        ("Rows", result["rows"]),
        ("Event times", f"{_time(result['since'])} to {_time(result['until'])}"),
        ("Labels known by", _time(result["as_of"])),
        ("Compared with", reference),
    ]


def _time(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def _open(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not checks:
        return []
    return [heading("To look at"), table("Checks to look at", HEADS, map(_row, checks))]


def _closed(checks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not checks:
        return []
    return [
        f"<details><summary><h2>Passed: {len(checks):,}</h2></summary>",
        table("Passed checks", HEADS, map(_row, checks)),
        "</details>",
    ]


def _row(check: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        check["code"],
        name(check["column"]) if check["column"] else None,
        mark(check["result"], stands_out=check["result"] in ("failed", "warning")),
        check["sentence"],
        check["observed"],
        check["allowed"],
    )
