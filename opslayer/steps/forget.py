"""Forget models that had learnt from somebody who was erased, once nothing needs them any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from opslayer.records import Erasure, Version
from opslayer.stores import Stores
from opslayer.stores.ledger.forgotten import Gone


def forget(erasure: Erasure, stores: Stores) -> Erasure:
    """Remove the files of the models that a receipt names, as far as none of them may answer
    anybody; returns the receipt with their numbers. Gateways elsewhere let go of their copies as
    they hear of it. Raises StoreError.
    """
    forgotten = {name: list(numbers) for name, numbers in erasure.forgotten.items()}
    serving = still_serving([erasure], stores)
    for name, numbers in erasure.models.items():
        for number in set(numbers) - serving.get(name, set()) - set(forgotten.get(name, ())):
            why = f"it had learnt from somebody who was erased (receipt {erasure.id})"
            let_go(stores.ledger.versions.get(name, number), stores, Gone(datetime.now(UTC), why))
            forgotten.setdefault(name, []).append(number)
    told = {name: tuple(sorted(numbers)) for name, numbers in forgotten.items()}
    return stores.ledger.erasures.keep(erasure.model_copy(update={"forgotten": told}))


def let_go(version: Version, stores: Stores, gone: Gone) -> None:
    """Remove a model's files, and say so first: nothing may serve, score or compare it from here
    on. Can be repeated. Raises StoreError."""
    stores.ledger.forgotten.add(version.capability, version.version, gone)
    stores.models.forget(version)
    stores.shelf.drop(version)


def still_serving(erasures: Iterable[Erasure], stores: Stores) -> dict[str, set[int]]:
    """By capability, the models that receipts name and by which somebody may be answered now."""
    found: dict[str, set[int]] = {}
    for one in erasures:
        for name, numbers in one.models.items():
            release = stores.ledger.releases.serving(name)
            needed = set(numbers) & (release.model_versions if release else set())
            if needed:
                found.setdefault(name, set()).update(needed)
    return found
