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

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import tee
from typing import Any

import pyarrow as pa

from opslayer.capability import Capability
from opslayer.engine import HERE, Executor
from opslayer.errors import StoreError
from opslayer.records import Verdict, VerdictKind
from opslayer.sources.interactions import NAME as LOG
from opslayer.sources.part import Feed, Part, Piece, Refusal
from opslayer.sources.sift import Counts, Sieve
from opslayer.steps.prepare import Known, Preparation, Prepared
from opslayer.stores import Stores
from opslayer.stores.lake import Once, Staged, schema
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
    executor: Executor = HERE

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
        written from here on, what was laid ahead of its turn goes, and the next ingest reads anew.
        Raises StoreError."""
        lake = self.stores.lake
        laid = lake.laid_ahead(self.capability)  # an ingest that begins from here on may lay more
        for _ in range(ROUNDS):
            newest = self.batches.newest(self.capability.name)
            if newest and newest.status in UNDER_WAY:
                self._shut_out(newest, "something was erased, or expired, meanwhile")
            elif self.batches.divide(self.capability.name):
                lake.take_away(self.capability, laid)
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
        under_way = newest and newest.status in UNDER_WAY
        pieces = None if under_way else feed.pieces(history, self.executor.elsewhere)
        if pieces is not None:
            return self._ahead(feed, pieces, last, taken)
        with closing(feed.parts(history)) as parts:
            for part in parts:
                number = self._part(feed, part, last, taken)
                if number is None:
                    return False
                last = number
                if under_way and not isinstance(part, Refusal):
                    return False  # it is finished: what is left may be read in pieces
        return self._nothing_left(feed, newest)

    def _part(self, feed: Feed, part: Part | Refusal, last: int, taken: Taken) -> int | None:
        """Take what was read, or note that it is refused; the newest batch's number then, None for
        plan again."""
        if isinstance(part, Refusal):
            return self._refuse(part, last, taken)
        return self._store(feed, part, last, taken)

    def _ahead(self, feed: Feed, pieces: Iterable[Piece], last: int, taken: Taken) -> bool:
        """Take pieces that are prepared ahead of their turn; False for plan again."""
        since = self._since(feed)
        how = Preparation(self.capability, self.stores.lake, feed.name, self.as_of, since)
        known = Known.of(self.capability, self.stores.lake, feed.name)
        asked, turn = tee(pieces)
        with closing(self.executor.map(how.of, asked)) as ready:
            for prepared, piece in zip(ready, turn, strict=False):
                number = self._piece((feed, piece), (prepared, known, since), last, taken)
                if number is None:
                    return False
                last = number
        self._compact()
        return True

    def _piece(
        self,
        read: tuple[Feed, Piece],
        ready: tuple[Sequence[Prepared | Refusal], Known, datetime | None],
        last: int,
        taken: Taken,
    ) -> int | None:
        """Take one piece in its turn; the newest batch's number then, None for plan again."""
        (feed, piece), (prepared, known, since) = read, ready
        number: int | None = last
        for at, one in enumerate(prepared):
            if isinstance(one, Refusal):
                number = self._refuse(one, last, taken)
            elif not known.meets(one) and one.fit and self._since(feed) == since:
                number = self._store_prepared(feed, one, last, taken)
            else:
                rest = [later for later in prepared[at:] if isinstance(later, Prepared)]
                for later in rest:
                    known.meets(later)  # of what is read again, too, everything is known from here
                    self._discard(later.staged)
                return self._again((feed, piece), one.begin, last, taken)
            if number is None:
                return None
            last = number
        return number

    def _again(
        self, read: tuple[Feed, Piece], begin: Mapping[str, Any], last: int, taken: Taken
    ) -> int | None:
        """Read a piece again from one of its portions on, and sift it against the lake."""
        (feed, piece), number = read, None
        with closing(piece.parts()) as parts:
            for part in parts:
                if number is None and (isinstance(part, Refusal) or part.begin != begin):
                    continue
                number = self._part(feed, part, last, taken)
                if number is None:
                    return None
                last = number
        return number

    def _store_prepared(self, feed: Feed, one: Prepared, last: int, taken: Taken) -> int | None:
        """Take a portion as prepared; the newest batch's number then, None for plan again."""
        sieve = Sieve(self.capability, self.stores.lake, feed.name, self.as_of)
        bad = sieve.quarantine(one.faults)
        held = one.counts.present + len(one.faults) - len(bad)
        counts = replace(one.counts, present=held, quarantined=len(bad))
        if not (one.settled and not one.staged and not len(bad)):
            batch = Batch(self.capability.name, feed.name, one.begin, one.end, asdict(counts))
            kept = self._add(batch, last)
            if kept is None or not self._write(kept, {**one.staged, "quarantine": bad}):
                self._discard(one.staged)
                return None
            last, counts = kept.number, Counts.of(kept.counts)
        taken.counts += counts
        return last

    def _discard(self, staged: Mapping[str, Staged]) -> None:
        """Take away what was laid beside the tables and is not wanted."""
        for table, file in staged.items():
            self.stores.lake.discard(self.capability, table, [file])

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
            if kept is None or not self._write(kept, sifted.tables):
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

    def _write(self, batch: Batch, tables: Mapping[str, pa.Table | Staged]) -> bool:
        """Write what is to go into each table, and mark the batch done; False if it was shut out
        meanwhile."""
        for table in ORDER:
            data = tables.get(table, schema(self.capability, table).empty_table())
            if isinstance(data, Staged) or len(data) or table == "rows":
                self._append(batch, table, data)
        return self.batches.finish(batch)

    def _append(self, batch: Batch, table: str, data: pa.Table | Staged) -> None:
        from deltalake.exceptions import CommitFailedError, DeltaError

        once = Once(f"ingest/{batch.source}", batch.number)
        for attempt in range(CONFLICTS):
            try:
                if not isinstance(data, Staged):
                    self.stores.lake.append(self.capability, table, data, once)
                elif not self.stores.lake.commit(self.capability, table, [data], once):
                    self._discard({table: data})  # another process has written the same
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
