"""How every capability is doing, on one page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from console import chart
from console.desk import Desk
from console.parts import moment, verdicts
from console.shell import link
from opslayer.capability import Capability
from opslayer.records import VerdictKind
from opslayer.reports.page import Markup, facts, heading, paragraph, table, text
from opslayer.steps.status import status

WINDOWS = 60
"""Judged windows that the picture of quality shows, at most."""
DECISIONS = 5
LOOKED_AT = 60
"""Newest verdicts among which decisions are looked for."""
DECIDING = frozenset(
    {
        VerdictKind.HARM, VerdictKind.POLICY, VerdictKind.GATE, VerdictKind.PROMOTION,
        VerdictKind.CANARY, VerdictKind.EXPERIMENT, VerdictKind.SHADOW,
    }
)  # fmt: skip


def parts(desk: Desk, now: datetime) -> list[str]:
    """The page's parts."""
    capabilities, wrong = desk.capabilities()
    found: list[str] = [
        Markup(f'<p class="notice">{text(name)}: {text(said)}</p>') for name, said in wrong.items()
    ]
    if not capabilities:
        way = f"Nothing is declared yet: write {desk.settings.configs}/capabilities/NAME.yaml."
        return [*found, paragraph(way, "empty")]
    for capability in capabilities:
        found += standing(desk, capability, now)
    return found


def standing(desk: Desk, capability: Capability, now: datetime) -> list[str]:
    """One capability on the overview."""
    name = capability.name
    return [
        Markup(f"<section><h2>{link(f'/capabilities/{name}', name)}</h2>"),
        summary(desk, capability, now),
        quality(desk, capability),
        traffic(desk, name, now - timedelta(days=1), "Calls in the last 24 hours"),
        decisions(desk, name, DECISIONS),
        Markup("</section>"),
    ]


def summary(desk: Desk, capability: Capability, now: datetime) -> Markup:
    """What serves, how well, and what comes next."""
    row = status(capability, desk.stores.ledger, now)
    if row["release"] is None:
        way = f"Nothing is released yet: run `opslayer run train_model {capability.name}`."
        return paragraph(way, "empty")
    return facts(
        [
            ("Serves", f"{row['variant']}, release {row['release']}"),
            ("On trial", row["on_trial"]),
            ("Experiments", ", ".join(row["experiments"]) or None),
            ("Last alarm", moment(row["last_alarm"])),
            ("Kept for", _kept(row)),
            ("Looked at next", moment(row["next_run"])),
        ]
    )


def _kept(row: dict[str, Any]) -> str | None:
    """How old what is kept may grow, and when that was last seen to; None where no age is given."""
    if not row["retention"]:
        return None
    ages = ", ".join(f"{what} {age}" for what, age in row["retention"].items())
    return f"{ages}; last removed {moment(row['last_expired']) or 'never'}"


def quality(desk: Desk, capability: Capability) -> Markup:
    """Quality over the judged windows with its confidence band, and the newest one in words."""
    verdicts = desk.stores.ledger.verdicts.list(capability.name, VerdictKind.QUALITY, WINDOWS)
    judged = [one.numbers for one in reversed(verdicts) if "value" in one.numbers]
    if not judged:
        if capability.training is None:
            return Markup("")
        return paragraph("No window's labels are in yet, so that its quality isn't known.", "soft")
    last = judged[-1]
    points = [chart.Point(one["value"], one.get("low"), one.get("high")) for one in judged]
    said = _said(last)
    label = f"{last['metric']} over {len(judged)} windows; the newest: {said}"
    return Markup(f"{chart.over_time(points, label)}{paragraph(f'Quality: {said}.')}")


def _said(numbers: dict[str, Any]) -> str:
    band = ""
    if numbers.get("low") is not None:
        band = f" (95 % sure to lie between {numbers['low']:.4g} and {numbers['high']:.4g})"
    since = datetime.fromisoformat(numbers["start"])
    rows = f"{numbers['labelled']:,} labelled rows"
    return f"{numbers['metric']} {numbers['value']:.4g}{band} on {rows} from {moment(since)}"


def traffic(desk: Desk, name: str, since: datetime, caption: str) -> Markup:
    """Calls by variant from a moment on."""
    found = desk.stores.traffic.by_variant(name, since)
    if not found:
        return paragraph(f"{caption}: none.", "soft")
    total = sum(one.calls for one in found)
    rows = [
        (
            one.variant, one.calls, f"{one.calls / total:.1%}", one.unanswered, one.fallbacks,
            f"{one.latency_ms:.1f}", f"{one.cost:.4g}",
        )
        for one in found
    ]  # fmt: skip
    heads = (
        "Variant", "#Calls", "#Share", "#Unanswered", "#Fallbacks", "#Mean ms", "#Cost",
    )  # fmt: skip
    return Markup(f"{heading(caption, 3)}{table(f'{caption}: {name}', heads, rows)}")


def decisions(desk: Desk, name: str, most: int) -> Markup:
    """The newest decisions, and why."""
    newest = desk.stores.ledger.verdicts.list(name, limit=max(LOOKED_AT, most))
    found = [one for one in newest if one.kind in DECIDING][:most]
    if not found:
        return paragraph("Nothing was decided yet.", "soft")
    return Markup(f"{heading('Decisions', 3)}{verdicts(found, f'Decisions: {name}')}")
