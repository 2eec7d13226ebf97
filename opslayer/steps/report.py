"""Draw what was judged, one folder of pages per window, for a reviewer who was not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslayer.capability import Capability
from opslayer.records import Verdict, VerdictKind
from opslayer.steps import snapshot
from opslayer.steps.monitor import REFERENCE_ROWS
from opslayer.steps.observe import Span, observe
from opslayer.stores import Stores
from opslayer.windows import window_bounds

if TYPE_CHECKING:
    from opslayer.frame import Frame
    from opslayer.reports.drift_report import Facts

MATTERS = ("alarm", "train")
"""Outcomes for which the Evidently page is drawn where the file says `report: on_alarm`."""


def report(capability: Capability, stores: Stores, verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Draw a page for every window with a new alarm verdict; returns addresses by title."""
    alarms = [verdict for verdict in verdicts if verdict.kind is VerdictKind.ALARM]
    learnt = {
        digest: snapshot.load(capability, digest, stores)
        for digest in {alarm.numbers["reference"] for alarm in alarms}
    }
    pages = {}
    for alarm in alarms:
        about = [verdict for verdict in verdicts if _window(verdict) == _window(alarm)]
        subject = Subject(capability, alarm, learnt[alarm.numbers["reference"]])
        pages[f"drift report of {alarm.about}"] = _draw(subject, stores, about).as_uri()
    return pages


@dataclass(frozen=True)
class Subject:
    """What one page is about."""

    capability: Capability
    alarm: Verdict
    learnt: Frame
    """What the alarm compared the window with."""


def _window(verdict: Verdict) -> int | None:
    window = verdict.numbers.get("window")
    return None if window is None else int(window)


def _draw(subject: Subject, stores: Stores, verdicts: Sequence[Verdict]) -> Path:
    from opslayer.reports.drift_report import draw

    capability, alarm, learnt = subject.capability, subject.alarm, subject.learnt
    window = int(alarm.numbers["window"])
    span = Span(*window_bounds(window, capability.monitor.window))
    rows = observe(capability, stores, span, alarm.at)
    reference = learnt.features.assign(**{str(capability.target): learnt.target})
    seen = rows.features.assign(**{str(capability.target): rows.label})
    facts = _facts(capability, verdicts, span, alarm)
    return draw(reference.iloc[-REFERENCE_ROWS:], seen, capability, facts).keep(stores.reports)


def _facts(
    capability: Capability, verdicts: Sequence[Verdict], span: Span, alarm: Verdict
) -> Facts:
    from opslayer.reports.drift_report import Facts

    news = [verdict for verdict in verdicts if not verdict.numbers.get("goes_on")]
    wanted = capability.monitor.report == "always" or any(v.outcome in MATTERS for v in news)
    return Facts(
        window=f"{span.since:%Y-%m-%d}",
        period=f"{span.since:%Y-%m-%d %H:%M} to {span.until:%Y-%m-%d %H:%M} UTC",
        reference=(
            f"training snapshot {alarm.numbers['reference'][:12]}, "
            f"its newest {REFERENCE_ROWS:,} rows at most"
        ),
        verdicts=verdicts,
        with_evidently=wanted,
    )
