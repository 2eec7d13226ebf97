"""`opslayer status`: what serves each capability, how well, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from commands.context import context
from commands.output import AsJson, between, number, show
from opslayer.records import VerdictKind

if TYPE_CHECKING:
    from opslayer.capability import Capability
    from opslayer.records import Verdict
    from opslayer.stores.ledger import Ledger

COLUMNS = ("capability", "release", "variant", "quality", "over", "last_alarm", "next_run")
LOOKED_AT = 1000
"""Verdicts of a kind that are searched for the newest that says something: 19 years of weeks."""


def status(*, as_json: AsJson = False) -> None:
    """What serves, how well, and what comes next: one line per capability.

    Quality is the newest judged window's; the next run is when production is looked at again.
    """
    now, here = datetime.now(UTC), context()
    capabilities = here.capabilities()
    rows = [_row(capability, here.stores.ledger, now) for capability in capabilities]
    if not as_json:
        rows = [_for_a_person(row) for row in rows]
    empty = "no capability yet; declare one in configs/capabilities/NAME.yaml"
    show(rows, as_json, "Status", COLUMNS, empty)


def _row(capability: Capability, ledger: Ledger, now: datetime) -> dict[str, Any]:
    release = ledger.releases.serving(capability.name)
    judged = ledger.verdicts.list(capability.name, VerdictKind.QUALITY, LOOKED_AT)
    alarms = ledger.verdicts.list(capability.name, VerdictKind.ALARM, LOOKED_AT)
    return {
        "capability": capability.name,
        "release": release.number if release else None,
        "variant": release.champion.name if release else None,
        "on_trial": release.canary.variant.name if release and release.canary else None,
        "experiments": [one.name for one in release.experiments] if release else [],
        "window_quality": next((_quality(one) for one in judged if "value" in one.numbers), None),
        "last_alarm": next((one.at for one in alarms if one.outcome == "alarm"), None),
        "next_run": _next_run(capability, now),
    }


def _quality(verdict: Verdict) -> dict[str, Any]:
    names = ("metric", "value", "window", "start", "end", "rows", "labelled", "release")
    return {name: verdict.numbers.get(name) for name in names}


def _next_run(capability: Capability, now: datetime) -> datetime:
    from cronsim import CronSim

    return next(CronSim(capability.monitor.schedule, now))


def _for_a_person(row: dict[str, Any]) -> dict[str, Any]:
    quality = row["window_quality"]
    return row | {
        "release": row["release"] or f"none yet: opslayer run train_model {row['capability']}",
        "quality": quality and f"{quality['metric']} {number(quality['value'])}",
        "over": quality
        and between(*(datetime.fromisoformat(quality[end]) for end in ("start", "end"))),
    }
