"""Introduce: the first release of a capability that nothing here is trained for, and its pools."""

from __future__ import annotations

from datetime import datetime

from opslayer.capability import Capability
from opslayer.errors import NotFound
from opslayer.judgement.assignment import named
from opslayer.records import Release, Variant
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores


def introduce(capability: Capability, stores: Stores, at: datetime) -> Release | None:
    """The newest release; where there is none and only upstreams can answer, the first one.

    It names the file's first pool, with the first prompt. None where a model has to be trained
    first. Asking again changes nothing: a changed file is promoted by a person.
    """
    newest = stores.ledger.releases.newest(capability.name)
    if newest is not None or capability.predictor or not capability.pools:
        return newest
    prompt = capability.prompts[0].name if capability.prompts else None
    variant = pool_variant(capability, capability.pools[0], prompt, stores)
    return promote(
        capability,
        variant,
        stores,
        Promotion(
            parent=0,
            by="loop",
            reason="the file's first pool of upstreams: nothing served yet",
            cause="introduced",
            evidence=(),
            at=at,
        ),
    )


def pool_variant(capability: Capability, pool: str, prompt: str | None, stores: Stores) -> Variant:
    """A pool as a variant, with the version of the prompt that the file holds now.

    The prompt is registered where it is new. Raises NotFound for a pool or a prompt that the file
    does not declare, StoreError where MLflow does not answer.
    """
    if pool not in capability.pools:
        there = ", ".join(capability.pools) or "none"
        raise NotFound(f"{capability.name} has no pool {pool}; there are {there}")
    if prompt is None:
        return named(Variant(name="", pool=pool))
    declared = next((one for one in capability.prompts if one.name == prompt), None)
    if declared is None:
        there = ", ".join(one.name for one in capability.prompts) or "none"
        raise NotFound(f"{capability.name} has no prompt {prompt}; there are {there}")
    version = stores.prompts.register(capability.name, declared)
    return named(Variant(name="", pool=pool, prompt=prompt, prompt_version=version))
