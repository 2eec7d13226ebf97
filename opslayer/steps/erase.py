"""Erase a subject: find it in every store, remove it, and name what had learnt from it.

The receipt is kept before anything is removed and every removal can be repeated, so that whoever
was killed asks again and it is done. From the receipt on, nothing of the subject from before it is
taken in again, wherever it is replayed from; what it does later is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from opslayer.records import Erasure, digest_of
from opslayer.stores import Stores
from opslayer.stores.events import Event
from opslayer.stores.journal import blank, drain
from opslayer.stores.lake import TABLES
from opslayer.stores.ledger.database import forget_changes

AT_ONCE = 200
"""Ids in one condition of the lake."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants a subject erased, why, and since when it is."""

    by: str
    reason: str
    at: datetime


def erase(subject: str, stores: Stores, order: Order) -> Erasure:
    """Erase everything that is kept of a subject, named by its hash; returns the receipt.

    Raises StoreError where a store is away: asking again goes on from there.
    """
    drain(stores.journal, stores.events)
    id = digest_of("erasure", subject, order.at.isoformat())
    wanted = Erasure(id=id, subject=subject, at=order.at, by=order.by, reason=order.reason)
    erasure = stores.ledger.erasures.begin(wanted)
    named = stores.events.of_subject(subject)
    ids = stores.ledger.erasures.add_ids(erasure, [event.id for event in named])
    events = _once([*named, *stores.events.about(ids)])
    erasure = stores.ledger.erasures.keep(_learnt(erasure, sorted(ids), stores))
    erasure = _note(erasure, "events", len(events), stores)
    for place, count in _from_lake(sorted(ids), events, stores):
        erasure = _note(erasure, place, count, stores)
    claims = stores.ledger.erasures.forget_claims(sorted(ids))
    erasure = _note(erasure, "idempotency keys", claims, stores)
    erasure = _note(erasure, "reviews", stores.reviews.forget(sorted(ids)), stores)
    stores.events.remove(events)
    erasure = _note(erasure, "journal", blank(stores.journal, subject, ids), stores)
    done = stores.ledger.erasures.keep(erasure.model_copy(update={"done": True}))
    forget_changes(stores.events.url)
    return done


def _note(erasure: Erasure, place: str, count: int, stores: Stores) -> Erasure:
    """The receipt with what was removed in a place; what an attempt that was killed had removed
    there stays in it."""
    known = max(count, erasure.removed.get(place, 0))
    removed = {**erasure.removed, place: known}
    return stores.ledger.erasures.keep(erasure.model_copy(update={"removed": removed}))


def forget_models(erasure: Erasure, stores: Stores) -> Erasure:
    """Remove the files of the models that had learnt from a subject, as far as nothing that serves
    needs them any more; returns the receipt with their numbers."""
    forgotten = {name: list(numbers) for name, numbers in erasure.forgotten.items()}
    for name, numbers in erasure.models.items():
        serving = stores.ledger.releases.serving(name)
        needed = serving.model_versions if serving else set()
        for number in set(numbers) - needed - set(forgotten.get(name, ())):
            stores.models.forget(stores.ledger.versions.get(name, number))
            forgotten.setdefault(name, []).append(number)
    told = {name: tuple(sorted(numbers)) for name, numbers in forgotten.items()}
    return stores.ledger.erasures.keep(erasure.model_copy(update={"forgotten": told}))


def _once(events: Sequence[Event]) -> list[Event]:
    return list({(one.writer, one.number): one for one in events}.values())


def _learnt(erasure: Erasure, ids: Sequence[str], stores: Stores) -> Erasure:
    """The receipt with every snapshot that holds such rows, and every model trained on one."""
    snapshots = {name: set(digests) for name, digests in erasure.snapshots.items()}
    for name in stores.lake.names():
        for where in _conditions(ids):
            snapshots.setdefault(name, set()).update(stores.lake.snapshots_with(name, where))
    held = {name: tuple(sorted(digests)) for name, digests in snapshots.items() if digests}
    models = {
        name: tuple(
            one.version for one in stores.ledger.versions.all(name) if one.snapshot in digests
        )
        for name, digests in held.items()
    }
    learnt = {name: numbers for name, numbers in models.items() if numbers}
    return erasure.model_copy(update={"snapshots": held, "models": learnt})


def _from_lake(
    ids: Sequence[str], events: Sequence[Event], stores: Stores
) -> Iterator[tuple[str, int]]:
    """Remove rows, answers, tags and members of snapshots, and what was put into quarantine."""
    by_id, by_place = list(_conditions(ids)), list(_places(events))
    for table in TABLES:
        where = by_place if table == "quarantine" else by_id
        counts = [stores.lake.remove(name, table, where) for name in stores.lake.names()]
        yield f"lake/{table}", sum(counts)


def _conditions(ids: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(ids), AT_ONCE):
        yield f"row_id IN ({_listed(ids[start : start + AT_ONCE])})"


def _places(events: Sequence[Event]) -> Iterator[str]:
    """Entries that were put into quarantine stand there by writer and number."""
    by_writer: dict[str, list[int]] = {}
    for one in events:
        by_writer.setdefault(one.writer, []).append(one.number)
    for writer, numbers in by_writer.items():
        for start in range(0, len(numbers), AT_ONCE):
            lines = ", ".join(map(str, numbers[start : start + AT_ONCE]))
            yield f"source = 'interactions' AND file = {_listed([writer])} AND line IN ({lines})"


def _listed(words: Sequence[str]) -> str:
    return ", ".join("'" + word.replace("'", "''") + "'" for word in words)
