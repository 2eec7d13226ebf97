"""One capability: how it stands, who gets what, and everything that was decided."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.desk import Desk
from console.pages import overview
from console.parts import places, verdicts
from opslayer.records import VerdictKind
from opslayer.reports.page import Markup, heading

SHOWN = 50
"""Verdicts of any kind, at most."""


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
        overview.traffic(desk, name, now - timedelta(days=30), "The last 30 days"),
        heading("Alarms"),
        verdicts(alarms, f"Alarms of {name}") if alarms else Markup("<p>None.</p>"),
        heading("Everything that was judged"),
        verdicts(everything, f"Judgements of {name}"),
    ]
