"""Erase a subject: find it in every store, remove it, and name what had learnt from it.

The receipt is kept before anything is removed and every removal can be repeated, so that whoever
was killed asks again and it is done. From the receipt on, nothing of the subject from before it is
taken in again, wherever it is replayed from; what it does later is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from opslayer.capability import Capability
from opslayer.engine import lent
from opslayer.errors import OpslayerError, Refused
from opslayer.records import Erasure, digest_of
from opslayer.sources.interactions import NAME
from opslayer.steps.intake import Intake
from opslayer.steps.snapshot import mend
from opslayer.steps.topics import forget
from opslayer.stores import Stores
from opslayer.stores.events import Event, fields_of
from opslayer.stores.journal import blank, drain
from opslayer.stores.lake import TABLES, literal
from opslayer.stores.ledger.database import forget_removed
from opslayer.stores.ledger.erasures import CALLS

AT_ONCE = 200
"""Lines in one condition of the lake."""

Find = Callable[[str], Capability]
"""From a capability's name to what its file declares."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants a subject erased, why, and since when it is."""

    by: str
    reason: str
    at: datetime


def erase(subject: str, find: Find, stores: Stores, order: Order) -> Erasure:
    """Erase everything that is kept of a subject, named by its hash; returns the receipt.

    Raises Refused where a capability that it had asked is declared no more, StoreError where a
    store is away: asking again goes on from there.
    """
    drain(stores.journal, stores.events)
    id = digest_of("erasure", subject, order.at.isoformat())
    wanted = Erasure(id=id, subject=subject, at=order.at, by=order.by, reason=order.reason)
    erasure = stores.ledger.erasures.begin(wanted)
    named = stores.events.of_subject(subject)
    calls = [event.id for event in named if event.kind in CALLS]
    ids = stores.ledger.erasures.add_ids(erasure, calls)
    gone = _once([*named, *stores.events.about(ids)])
    asked = sorted({*erasure.capabilities, *_capabilities(gone)})
    erasure = erasure.model_copy(update={"capabilities": tuple(asked)})
    work = _Work(stores, _declared(erasure, find), sorted(ids), gone)
    erasure = stores.ledger.erasures.keep(work.trained(work.held(erasure)))
    for place, count in work.remove(subject):
        erasure = _note(erasure, place, count, stores)
    work.mend(erasure)
    erasure = work.trained(erasure)  # with what was trained until then; what comes later is refused
    done = stores.ledger.erasures.keep(erasure.model_copy(update={"done": True}))
    forget_removed(stores.events.url)
    return done


@dataclass(frozen=True, slots=True)
class _Work:
    """What one run has to remove."""

    stores: Stores
    declared: Sequence[Capability]
    ids: Sequence[str]
    """Of the interactions."""
    gone: Sequence[Event]

    def held(self, erasure: Erasure) -> Erasure:
        """The receipt with every snapshot that holds such rows."""
        snapshots = {name: set(digests) for name, digests in erasure.snapshots.items()}
        for one in self.declared:
            found = self.stores.lake.holders(one, self.ids)
            snapshots.setdefault(one.name, set()).update(found)
        kept = {name: tuple(sorted(digests)) for name, digests in snapshots.items() if digests}
        return erasure.model_copy(update={"snapshots": kept})

    def trained(self, erasure: Erasure) -> Erasure:
        """The receipt with every model that was trained on one of its snapshots."""
        versions = self.stores.ledger.versions
        models = {
            name: tuple(one.version for one in versions.all(name) if one.snapshot in digests)
            for name, digests in erasure.snapshots.items()
        }
        trained = {name: numbers for name, numbers in models.items() if numbers}
        return erasure.model_copy(update={"models": trained})

    def remove(self, subject: str) -> Iterator[tuple[str, int]]:
        """Remove it place by place; each with how many records or files it had there."""
        stores, ids = self.stores, self.ids
        yield from self._from_lake()
        yield "idempotency keys", stores.ledger.idempotency.forget_of(ids)
        yield "reviews", stores.reviews.forget(ids)
        yield "topics", sum(forget(one, stores, self.gone) for one in self.declared)
        yield "events", len(self.gone)
        stores.events.remove(self.gone)
        # Once more: an ingest that read the log before may have written meanwhile.
        yield from self._from_lake()
        yield "journal", blank(stores.journal, subject, set(ids))

    def mend(self, erasure: Erasure) -> None:
        """Say in the ledger what is left of each snapshot that held such rows."""
        for one in self.declared:
            mend(one, erasure.snapshots.get(one.name, ()), self.stores)

    def _from_lake(self) -> Iterator[tuple[str, int]]:
        """Remove rows, answers, tags and members of snapshots, and what was put into quarantine;
        what an ingest is about to write is shut out first."""
        for one in self.declared:
            Intake(one, self.stores, datetime.now(UTC)).clear()
        lent.clear(self.stores.lake_address, datetime.now(UTC))
        for table in TABLES:
            aside = table == "quarantine"
            which = {"where": list(self._by_place())} if aside else {"ids": self.ids}
            counts = [self.stores.lake.remove(one, table, **which) for one in self.declared]
            yield f"lake/{table}", sum(counts)

    def _by_place(self) -> Iterator[str]:
        """Entries that were put into quarantine stand there by writer and number."""
        by_writer: dict[str, list[int]] = {}
        for one in self.gone:
            by_writer.setdefault(one.writer, []).append(one.number)
        for writer, numbers in by_writer.items():
            for start in range(0, len(numbers), AT_ONCE):
                lines = ", ".join(map(str, numbers[start : start + AT_ONCE]))
                place = f"source = {literal(NAME)} AND file = {literal(writer)}"
                yield f"{place} AND line IN ({lines})"


def _once(events: Sequence[Event]) -> list[Event]:
    return list({(one.writer, one.number): one for one in events}.values())


def _capabilities(gone: Sequence[Event]) -> set[str]:
    """Those that entries belong to; feedback that came first belongs to none yet."""
    return {str(fields_of(one.text).get("capability", "")) for one in gone} - {""}


def _declared(erasure: Erasure, find: Find) -> list[Capability]:
    """The capabilities that the subject had asked. Raises Refused with all that are not there."""
    found, missing = [], []
    for name in erasure.capabilities:
        try:
            found.append(find(name))
        except OpslayerError as error:
            missing.append(str(error))
    if missing:
        raise Refused(
            "rows of the subject belong to capabilities whose files can't be read: put them back "
            f"and ask again: {'; '.join(missing)}"
        )
    return found


def _note(erasure: Erasure, place: str, count: int, stores: Stores) -> Erasure:
    """The receipt with what was removed in a place; what an attempt that was killed had removed
    there stays in it."""
    known = max(count, erasure.removed.get(place, 0))
    removed = {**erasure.removed, place: known}
    return stores.ledger.erasures.keep(erasure.model_copy(update={"removed": removed}))
