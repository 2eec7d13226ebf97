"""How one portion of a source reaches the lake once, whatever is killed and whoever else writes.

A portion is read, converted and sifted, then recorded in the ledger as the capability's next
batch, then written table by table under its number, then marked done. Delta keeps each number of
a writer once. Bad rows, tags and answers go before their rows, so that whoever sees a row sees all
that was said of it.

After a kill the next run reads the same portion again and finishes the batch under its number.
Where that portion is no longer there (the file was rewritten), the batch is shut out of every
table first, so that no slow writer can follow, and what it had written before its rows is found
again by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.errors import StoreError
from opslayer.records import Verdict, VerdictKind
from opslayer.sources.interactions import NAME as LOG
from opslayer.sources.part import Feed, Part, Refusal
from opslayer.sources.sift import Counts, Sieve, Sifted
from opslayer.stores import Stores
from opslayer.stores.lake import Once, schema
from opslayer.stores.ledger.batches import UNDER_WAY, Batch, Batches
from opslayer.stores.ledger.expiries import INTERACTIONS, ROWS

ORDER = ("quarantine", "tags", "answers", "rows")
"""The rows last: with them a batch is complete."""
ROUNDS = 100
"""Times a source is planned again because another ingest was faster."""
CONFLICTS = 20
"""Times an append is tried again because another commit came first."""

GONE = "it was cut off, and what it read is not there any more as it was"


@dataclass(slots=True)
class Taken:
    """What one source brought."""

    counts: Counts = field(default_factory=Counts)
    refused: dict[str, Refusal] = field(default_factory=dict)
    """By file."""


@dataclass(frozen=True, slots=True)
class Intake:
    """One run over a capability's sources."""

    capability: Capability
    stores: Stores
    as_of: datetime

    @property
    def batches(self) -> Batches:
        """The ledger's batches."""
        return self.stores.ledger.batches

    def ordered(self, feeds: Sequence[Feed]) -> list[Feed]:
        """The feeds, the one whose batch is under way first. A batch whose source is not in the
        configuration any more is shut out: nobody could finish it.
        """
        newest = self.batches.newest(self.capability.name)
        if not newest or newest.status not in UNDER_WAY:
            return list(feeds)
        if newest.source not in {feed.name for feed in feeds}:
            self._shut_out(newest, "its source is not configured any more")
        return sorted(feeds, key=lambda feed: feed.name != newest.source)

    def clear(self) -> None:
        """Shut out whatever is under way, also what was read and is no batch yet: nothing of it is
        written from here on, and the next ingest reads anew. Raises StoreError."""
        for _ in range(ROUNDS):
            newest = self.batches.newest(self.capability.name)
            if newest and newest.status in UNDER_WAY:
                self._shut_out(newest, "something was erased, or expired, meanwhile")
            elif self.batches.divide(self.capability.name):
                return
        raise StoreError(f"{self.capability.name} is ingested all the time: ask again")

    def ever_took(self, feeds: Sequence[Feed]) -> bool:
        """Whether any batch of these feeds was ever done."""
        return any(
            batch.status == "done"
            for feed in feeds
            for batch in self.batches.of(self.capability.name, feed.name)
        )

    def take(self, feed: Feed) -> Taken:
        """Take everything new of one source. Raises StoreError."""
        taken = Taken()
        for _ in range(ROUNDS):
            if self._round(feed, taken):
                return taken
        raise StoreError(f"{feed.name}: other ingests of it come first all the time: run one")

    def _round(self, feed: Feed, taken: Taken) -> bool:
        """Plan once and take what was planned; False where planning must start again."""
        newest = self.batches.newest(self.capability.name)
        if newest and newest.status == "closing":
            self._shut_out(newest, newest.reason or "")
            return False
        last = newest.number - (newest.status == "begun") if newest else 0
        history = self.batches.of(self.capability.name, feed.name)
        with closing(feed.parts(history)) as parts:
            for part in parts:
                if isinstance(part, Refusal):
                    number = self._refuse(part, last, taken)
                else:
                    number = self._store(feed, part, last, taken)
                if number is None:
                    return False
                last = number
        return self._nothing_left(feed, newest)

    def _nothing_left(self, feed: Feed, planned: Batch | None) -> bool:
        """Whether the batch that was under way at planning is not any more."""
        newest = self.batches.newest(self.capability.name)
        if not newest or newest.status not in UNDER_WAY or newest.source != feed.name:
            return True
        if planned and planned.number == newest.number:
            self._shut_out(newest, GONE)
        return False

    def _refuse(self, refusal: Refusal, last: int, taken: Taken) -> int | None:
        """Record a refused version; the newest batch's number then, None for plan again."""
        taken.refused[refusal.file] = refusal
        if refusal.begin is None:
            return last
        name = self.capability.name
        verdict = Verdict(
            capability=name,
            kind=VerdictKind.INGEST,
            about=f"{refusal.source}:{refusal.file}:{refusal.begin['sha256']}",
            outcome="refused",
            reason=str(refusal),
            at=self.as_of,
        )
        self.stores.ledger.verdicts.record(verdict)
        batch = Batch(name, refusal.source, refusal.begin, {}, {}, "refused", refusal.reason)
        kept = self._add(batch, last)
        return kept.number if kept else None

    def _store(self, feed: Feed, part: Part, last: int, taken: Taken) -> int | None:
        """Write one portion; the newest batch's number then, None for plan again."""
        since = self._since(feed)
        sieve = Sieve(self.capability, self.stores.lake, feed.name, self.as_of, since)
        sifted = sieve.sift(part.typed)
        counts = sifted.counts
        if not (part.settled and sifted.empty):
            batch = Batch(self.capability.name, feed.name, part.begin, part.end, asdict(counts))
            kept = self._add(batch, last)
            if kept is None or not self._write(kept, sifted):
                return None
            last, counts = kept.number, Counts.of(kept.counts)
            self._compact()
        taken.counts += counts
        return last

    def _since(self, feed: Feed) -> datetime | None:
        """The horizon of what a feed brings. Asked for each portion: what was planned before it
        moved on is shut out (`clear`)."""
        what = INTERACTIONS if feed.name == LOG else ROWS
        return self.stores.ledger.expiries.horizons(self.capability.name).get(what)

    def _add(self, batch: Batch, last: int) -> Batch | None:
        kept = self.batches.add(batch, last)
        if kept is None:
            newest = self.batches.newest(self.capability.name)
            if newest and newest.status in UNDER_WAY and newest.number == last + 1:
                self._shut_out(newest, GONE)
        return kept

    def _write(self, batch: Batch, sifted: Sifted) -> bool:
        """Write what was sifted, and mark the batch done; False if it was shut out meanwhile."""
        for table in ORDER:
            data: pa.Table = getattr(sifted, table)
            if len(data) or table == "rows":
                self._append(batch, table, data)
        return self.batches.finish(batch)

    def _append(self, batch: Batch, table: str, data: pa.Table) -> None:
        from deltalake.exceptions import CommitFailedError, DeltaError

        once = Once(f"ingest/{batch.source}", batch.number)
        for attempt in range(CONFLICTS):
            try:
                self.stores.lake.append(self.capability, table, data, once)
                return
            except (DeltaError, OSError) as error:
                # Another commit came first: look again. Anything else is for a person.
                if not isinstance(error, CommitFailedError) or attempt == CONFLICTS - 1:
                    raise StoreError(f"{table} of {self.capability.name}: {error}") from error

    def _shut_out(self, batch: Batch, reason: str) -> None:
        """Leave a batch unfinished for good: its number is marked as used in every table, so that
        a process that still writes it writes nothing, and learns of it from the ledger.
        """
        self.batches.close(batch, reason)
        for table in ORDER:
            self._append(batch, table, schema(self.capability, table).empty_table())
        self.batches.interrupt(batch)

    def _compact(self) -> None:
        from deltalake.exceptions import CommitFailedError

        # Another process compacts, or writes at this moment: it is done after a later batch.
        with suppress(CommitFailedError):
            self.stores.lake.compact(self.capability)
