"""One capability: how it stands, who gets what, and everything that was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.desk import Desk
from console.pages import overview
from console.parts import places, verdicts
from opslayer.errors import StoreError
from opslayer.records import VerdictKind
from opslayer.reports.page import Markup, heading, paragraph, table
from opslayer.steps.told import Count, facet_counts

SHOWN = 50
"""Verdicts of any kind, at most."""
LATELY = timedelta(days=30)
VALUES = 12
"""Values of one facet, at most."""


def parts(desk: Desk, name: str, now: datetime) -> list[str]:
    """The page's parts; NotFound for no such capability."""
    capability = desk.capability(name)
    alarms = desk.stores.ledger.verdicts.list(name, VerdictKind.ALARM, 10)
    everything = desk.stores.ledger.verdicts.list(name, limit=SHOWN)
    return [
        places(name),
        overview.summary(desk, capability, now),
        heading("Quality"),
        overview.quality(desk, capability),
        heading("Traffic"),
        overview.traffic(desk, name, now - timedelta(days=1), "The last 24 hours"),
        overview.traffic(desk, name, now - LATELY, "The last 30 days"),
        heading("What calls were like"),
        *_like(desk, name, now - LATELY),
        heading("Alarms"),
        verdicts(alarms, f"Alarms of {name}") if alarms else Markup("<p>None.</p>"),
        heading("Everything that was judged"),
        verdicts(everything, f"Judgements of {name}"),
    ]


def _like(desk: Desk, name: str, since: datetime) -> list[str]:
    """How often each value of each facet came."""
    try:
        counted = facet_counts(desk.stores, name, since)
    except StoreError:
        return [paragraph("The lake can't be read now.", "soft")]
    if not counted:
        way = "Nothing is tagged in the last 30 days: each ingest tags what the log has gained."
        return [paragraph(way, "soft")]
    calls = desk.stores.traffic.calls(name, since)
    return [_facet(facet, counts, calls) for facet, counts in counted.items()]


def _facet(facet: str, counts: Sequence[Count], calls: int) -> Markup:
    """One facet's values. The calls of the first hour are counted whole, so that a share is never
    above all of them."""
    rows = [
        (one.value, one.calls, f"{one.calls / max(calls, one.calls):.1%}")
        for one in counts[:VALUES]
    ]
    more = len(counts) - VALUES
    rest = paragraph(f"And {more:,} rarer ones.", "soft") if more > 0 else ""
    title = facet.capitalize()
    return Markup(
        heading(title, 3)
        + table(f"{title}, the last 30 days", (title, "#Calls", "#Of all calls"), rows)
        + rest
    )
