"""Explain an interaction: what answered, why, by which release, and from which data."""

from __future__ import annotations

from typing import Any

from opslayer.judgement.assignment import Who, assign
from opslayer.records import Interaction, Release, Variant
from opslayer.steps.told import facets_of
from opslayer.steps.trace import answerer, lineage
from opslayer.stores import Stores
from opslayer.stores.journal import drain

ID = 64
"""Characters of an id, at most."""


def explain(stores: Stores, id: str, tenant: str | None = None) -> dict[str, Any] | None:
    """Everything that is kept of an interaction, with why it came to be, what it was like and what
    was said of it.

    None where there is none, or where it is not this tenant's. Raises StoreError where the log or
    the ledger is away.
    """
    drain(stores.journal, stores.events)
    found = stores.events.interactions([id[:ID]])
    if not found or tenant not in (None, found[0].tenant):
        return None
    one = found[0]
    return {
        **one.model_dump(mode="json"),
        "why": _why(stores, one),
        "lineage": lineage(stores, one),
        "facets": facets_of(stores, one),
        "feedback": [said.model_dump(mode="json") for said in stores.events.feedback_about(one)],
    }


def _why(stores: Stores, one: Interaction) -> dict[str, Any]:
    """The release that chose the variant, how, and what its model was trained on."""
    if not one.release:
        return {"release": None, "reason": "nothing was released yet"}
    release = stores.ledger.releases.get(one.capability, one.release)
    why: dict[str, Any] = {
        "release": release.number,
        "by": release.by,
        "at": release.at.isoformat(),
        "reason": release.reason,
        "evidence": list(release.evidence),
        "assigned": _assigned(release, one),
    }
    found = answerer(stores, one)
    return why | _made_of(stores, one, found[1]) if found else why


def _assigned(release: Release, one: Interaction) -> str | None:
    """Why the variant was the caller's; None of an answer that no release picked for anybody."""
    if not one.assigned:
        return None
    who = Who(
        unit=one.subject or one.id,
        at=one.event_time,
        tenant=one.tenant,
        segment=one.input,
        named=one.subject is not None,
    )
    got = assign(release, who)
    # A chat's metadata, which its rules may ask for, is not kept.
    return got.why if got.variant.name == one.assigned else f"a rule picked {one.assigned}"


def _made_of(stores: Stores, one: Interaction, variant: Variant) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if variant.model_version is not None:
        version = stores.ledger.versions.get(one.capability, variant.model_version)
        found["model"] = {
            "version": version.version,
            "snapshot": version.snapshot,
            "trained_at": version.trained_at.isoformat(),
            "metrics": version.metrics,
            "run_id": version.run_id,
        }
    if variant.prompt is not None:
        found["prompt"] = {"name": variant.prompt, "version": variant.prompt_version}
    return found
