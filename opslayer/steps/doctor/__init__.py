"""Examine an installation: many small checks, each with a code, a sentence and a way out."""

from __future__ import annotations

from opslayer.steps.doctor import declared, machine, services, stored
from opslayer.steps.doctor.check import Check, Finding, Health, Installation

__all__ = ["CHECKS", "Finding", "Health", "Installation", "examine"]

CHECKS: tuple[Check, ...] = (
    *machine.CHECKS,
    *declared.CHECKS,
    *stored.CHECKS,
    *services.CHECKS,
)


def examine(installation: Installation) -> list[Finding]:
    """Every check's findings, in order; one per check at least, save those left out.

    A check is left out where one that it needs has found anything.
    """
    findings: list[Finding] = []
    unfit: set[str] = set()
    for check in CHECKS:
        if not unfit.isdisjoint(check.needs):
            unfit.add(check.code)
            continue
        found = check.examine(installation)
        findings += found
        if any(one.status is not Health.OK for one in found):
            unfit.add(check.code)
    return findings
