"""The predictive dashboard: what was answered beside what turned out to be true, and what would be
answered to other inputs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from console import chart
from console.desk import Desk
from console.pages import what_if
from console.parts import moment, places
from opslayer.capability import Capability, Kind
from opslayer.reports.page import heading, paragraph, table
from opslayer.steps.champion import champion
from opslayer.steps.observe import Observed, Span, observe
from opslayer.steps.predict import score
from opslayer.stores.lake import moment as literal

DAYS = timedelta(days=7)
DRAWN = 500
"""Newest rows that are drawn, at most."""
LISTED = 24


def parts(desk: Desk, name: str, now: datetime, form: Mapping[str, str] | None = None) -> list[str]:
    """The page's parts, with what a what-if form asks; NotFound for no such capability."""
    capability, there = desk.capability(name), places(name)
    if capability.task not in (Kind.REGRESSION, Kind.CLASSIFICATION) or not capability.inputs:
        return [there, paragraph(f"{name} predicts no value, so that none can be drawn.", "empty")]
    # A chat or an image answers with more than a value.
    plain = capability.kind is capability.task
    asked = what_if.answered(desk, capability, form) if plain and form is not None else []
    until = _newest(desk, capability, now)
    if until is None:
        way = f"There is no row yet: run `opslayer run ingest_data {name}`, or call the API."
        return [there, paragraph(way, "empty"), *asked]
    rows = observe(capability, desk.stores, Span(until - DAYS, until + timedelta(seconds=1)), now)
    said = _said(desk, capability, rows)
    if plain and len(rows) and not asked:
        asked = what_if.parts(capability, rows.features.iloc[-1].to_dict())
    return [there, *_drawn(capability, rows, said), *asked]


def _newest(desk: Desk, capability: Capability, now: datetime) -> datetime | None:
    sql = f"SELECT max(event_time) AS newest FROM rows WHERE event_time <= {literal(now)}"  # noqa: S608 - a time
    found = desk.stores.lake.query(capability, sql, ("rows",))["newest"][0].as_py()
    return found if isinstance(found, datetime) else None


def _said(desk: Desk, capability: Capability, rows: Observed) -> pd.Series[Any]:
    """What was answered; where nobody asked, what the champion says."""
    version = champion(capability, desk.stores)
    if version is None or not len(rows):
        return rows.served
    scored = pd.Series(score(capability, version, rows.features, desk.stores).values)
    return rows.served.where(rows.served.notna(), scored)


def _drawn(capability: Capability, rows: Observed, said: pd.Series[Any]) -> list[str]:
    title = f"{capability.target}: the last {len(rows):,} rows"
    found: list[str] = [heading(title)]
    if capability.task is Kind.REGRESSION:
        truth, answers = _numbers(rows.label), _numbers(said)
        found += [
            chart.together(truth, answers, f"{title}; the newest ones stand in the table below"),
            paragraph("Grey: what was true. In the accent: what was answered.", "soft"),
        ]
    listed = range(max(0, len(rows) - LISTED), len(rows))
    cells = [
        (
            moment(rows.event_time.iloc[place].to_pydatetime()),
            _cell(said.iloc[place]),
            _cell(rows.label.iloc[place]),
        )
        for place in reversed(listed)
    ]
    heads = ("When", "#Answered", "#True")
    return [*found, table(f"The newest {len(cells)} rows", heads, cells)]


def _numbers(values: pd.Series[Any]) -> list[float | None]:
    newest = pd.to_numeric(values.iloc[-DRAWN:], errors="coerce")
    return [None if pd.isna(one) else float(one) for one in newest]


def _cell(value: Any) -> object:
    if value is None or pd.isna(value):
        return None
    return float(value) if isinstance(value, (int, float)) else str(value)
