"""Say how a capability stands: what serves it, how well, and what comes next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opslayer.capability import Capability, written
from opslayer.records import Verdict, VerdictKind
from opslayer.stores.ledger import Ledger


def status(capability: Capability, ledger: Ledger, now: datetime) -> dict[str, Any]:
    """The release that serves, the newest judged window's quality, the last alarm, how old
    what is kept may grow and when that was last seen to, and when production is looked at again.
    What there is not yet is None."""
    release = ledger.releases.serving(capability.name)
    judged = ledger.verdicts.newest(capability.name, VerdictKind.QUALITY, "measured")
    alarm = ledger.verdicts.newest(capability.name, VerdictKind.ALARM, "alarm")
    return {
        "capability": capability.name,
        "release": release.number if release else None,
        "variant": release.champion.name if release else None,
        "on_trial": release.canary.variant.name if release and release.canary else None,
        "experiments": [one.name for one in release.experiments] if release else [],
        "window_quality": _quality(judged) if judged else None,
        "last_alarm": alarm.at if alarm else None,
        "retention": {what: written(age) for what, age in capability.retention.ages.items()},
        "last_expired": _last_expired(capability, ledger),
        "next_run": _next_run(capability, now),
    }


def _quality(verdict: Verdict) -> dict[str, Any]:
    names = ("metric", "value", "window", "start", "end", "rows", "labelled", "release")
    return {name: verdict.numbers.get(name) for name in names}


def _last_expired(capability: Capability, ledger: Ledger) -> datetime | None:
    """When what was too old was last removed, to the end."""
    done = (run.at for run in ledger.expiries.of(capability.name) if run.done)
    return next(done, None)


def _next_run(capability: Capability, now: datetime) -> datetime:
    from cronsim import CronSim

    return next(CronSim(capability.monitor.schedule, now))
