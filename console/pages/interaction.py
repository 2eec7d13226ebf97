"""One answer: what was asked and said, why, by which release, and from which data."""

from __future__ import annotations

from typing import Any

from console.desk import Desk
from console.shell import form, words
from opslayer.errors import NotFound
from opslayer.reports.page import Markup, facts, heading, paragraph, table, text
from opslayer.steps.explain import explain

NESTED = 6
"""Levels of nested values that are laid out; deeper ones are shown as they are."""


def search() -> list[str]:
    """A field for an id."""
    way = (
        "Every reply of the API carries its id in the header X-Opslayer-Interaction. Type it in "
        "to see what answered, why, and from which data."
    )
    return [paragraph(way), form("/interactions", [words("id", "Interaction")], "Show")]


def parts(desk: Desk, id: str) -> list[str]:
    """The page's parts; NotFound for no such interaction."""
    found = explain(desk.stores, id)
    if found is None:
        raise NotFound(
            f"there is no interaction {id[:64]!r}: it may have been erased, or have expired"
        )
    said = {name: found.pop(name) for name in ("input", "output", "why", "facets", "feedback")}
    return [
        facts((name.replace("_", " "), shown(value)) for name, value in found.items()),
        heading("What was asked"),
        shown(said["input"]),
        heading("What was answered"),
        shown(said["output"]),
        heading("What it was like"),
        _like(said["facets"]),
        heading("Why"),
        shown(said["why"]),
        heading("What was said about it"),
        shown(said["feedback"]) if said["feedback"] else paragraph("Nothing yet.", "soft"),
    ]


def _like(facets: list[dict[str, Any]] | None) -> Markup:
    """What the taggers said of it."""
    if facets is None:
        return paragraph("The lake can't be read now.", "soft")
    if not facets:
        return paragraph("Nothing is tagged: each ingest tags what the log has gained.", "soft")
    heads = ("Facet", "Value", "#How sure", "By")
    rows = [(one["name"], one["value"], f"{one['confidence']:.0%}", one["by"]) for one in facets]
    return table("What it was like", heads, rows)


def shown(value: Any, depth: int = 0) -> Markup:
    """Any value laid out: what has names as a list of them."""
    if isinstance(value, dict) and value and depth < NESTED:
        return facts((str(name), shown(one, depth + 1)) for name, one in value.items())
    if isinstance(value, list) and value and depth < NESTED:
        return Markup("".join(f"<div>{shown(one, depth + 1)}</div>" for one in value))
    if isinstance(value, str) and ("\n" in value or len(value) > 80):
        return Markup(f"<pre>{text(value)}</pre>")
    return text(None if value in ({}, []) else value)
