"""Forget models that had learnt from somebody who was erased, once nothing needs them any more."""

from __future__ import annotations

from collections.abc import Iterable

from opslayer.records import Erasure
from opslayer.stores import Stores


def forget(erasure: Erasure, stores: Stores) -> Erasure:
    """Remove the files of the models that a receipt names, as far as none of them may answer
    anybody; returns the receipt with their numbers. Raises StoreError."""
    forgotten = {name: list(numbers) for name, numbers in erasure.forgotten.items()}
    serving = still_serving([erasure], stores)
    for name, numbers in erasure.models.items():
        for number in set(numbers) - serving.get(name, set()) - set(forgotten.get(name, ())):
            stores.models.forget(stores.ledger.versions.get(name, number))
            forgotten.setdefault(name, []).append(number)
    told = {name: tuple(sorted(numbers)) for name, numbers in forgotten.items()}
    return stores.ledger.erasures.keep(erasure.model_copy(update={"forgotten": told}))


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
