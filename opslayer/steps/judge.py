"""Judge a candidate against the champion on rows that neither was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opslayer.capability import Capability, Gate
from opslayer.records import Cause, CauseKind, Verdict, VerdictKind, Version, verdict_id
from opslayer.steps.champion import champion
from opslayer.steps.evaluate import evaluate
from opslayer.steps.inspect import inspect
from opslayer.steps.succession import succeeds
from opslayer.stores import Stores

if TYPE_CHECKING:
    from opslayer.judgement.checks import Check

FIRST_LABELS = 30
"""Held-back labels that do for a first release, which stands against a constant, and for one in the
place of a model that may not stay: without it nothing would serve."""


def judge(capability: Capability, candidate: Version, cause: Cause, stores: Stores) -> Verdict:
    """The gate's verdict about a candidate, taken once and kept.

    A fresh model of the champion's own recipe is the same model with newer data: it passes unless
    it does harm, and so does one that takes the place of a model which may not stay. Any other
    candidate has to win.
    """
    from opslayer.judgement import gate

    about = f"version {candidate.version}"
    if kept := stores.ledger.verdicts.get(verdict_id(capability.name, VerdictKind.GATE, about)):
        return kept
    serving, release = champion(capability, stores), stores.ledger.releases.newest(capability.name)
    replaces = cause.kind is CauseKind.ERASURE
    result = gate.judge(
        evaluate(capability, candidate, serving, stores),
        _rules(capability, few=serving is None or replaces),
        capability.task,
        mode="no_harm" if replaces or succeeds(capability, candidate, stores) else "win",
    )
    checks = inspect(capability, candidate, serving, stores)
    stopped = _copied(candidate) or _unsound(checks)
    verdict = Verdict(
        capability=capability.name,
        kind=VerdictKind.GATE,
        about=about,
        outcome="keep" if stopped else result.outcome,
        reason=stopped or result.reason,
        at=cause.at,
        numbers={
            **result.numbers,
            "checks": [check.as_dict() for check in checks],
            "version": candidate.version,
            "champion_version": serving.version if serving else None,
            "parent": release.number if release else 0,
        },
        error_rate=result.error_rate,
        cause=cause.id,
    )
    return stores.ledger.verdicts.record(verdict)


def _copied(candidate: Version) -> str:
    """Why a model that draws may not serve, where it draws its training pictures again."""
    from opslayer.steps.pictures import COPIES

    ratio = candidate.metrics.get("nearest_ratio", 1.0)
    if ratio >= COPIES:
        return ""
    return (
        f"its pictures are copies of the training set: their distance to the nearest one is "
        f"{ratio:.2f} of that of real, unseen pictures, and {COPIES} is the least"
    )


def _unsound(checks: Sequence[Check]) -> str:
    """Why the exam's figures, or what was learnt, can't be believed; "" where they can."""
    failed = [str(check) for check in checks if check.result == "failed"]
    return f"the data is not sound: {'; '.join(failed)}" if failed else ""


def _rules(capability: Capability, few: bool) -> Gate:
    assert capability.gate is not None
    return capability.gate.model_copy(update={"min_labels": FIRST_LABELS} if few else {})
