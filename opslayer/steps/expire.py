"""Remove what has grown older than a capability's `retention`, wherever the same bytes rest.

Horizons move on first: from there on nothing older is taken in, whoever replays it. Every removal
can be repeated, and rows go last, by which all that follows from them is found: whoever was killed
runs again and it is done. What is left of a training set is held to a digest of its own, so that it
is read, watched against and explained on; a model stays a while longer than what it learnt from
(`retention.models`), and the run's record names it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opslayer.capability import Capability, written
from opslayer.errors import NotFound
from opslayer.records import Expired, Expiry, digest_of
from opslayer.sources.interactions import NAME as LOG
from opslayer.steps.forget import let_go
from opslayer.steps.intake import Intake
from opslayer.steps.memory import recall
from opslayer.steps.snapshot import mend
from opslayer.stores import Stores
from opslayer.stores.events import UNKNOWN
from opslayer.stores.journal import blank_absent, drain
from opslayer.stores.lake import listed, literal, moment
from opslayer.stores.ledger.database import forget_removed
from opslayer.stores.ledger.expiries import INTERACTIONS, MODELS, REPORTS, ROWS
from opslayer.stores.ledger.forgotten import Gone

HOUR = timedelta(hours=1)
"""Horizons stand at whole hours, so that who looks every minute does not do it all every minute."""


def expire(capability: Capability, stores: Stores, as_of: datetime) -> Expiry | None:
    """Remove what is older than its age at `as_of`; returns the run's record.

    None where the file names no age: nothing is removed. Where the hour's run was done already,
    its record. Raises StoreError where a store is away: the next run goes on from there.
    """
    ages = capability.retention.ages
    if not ages:
        return None
    run = _run(capability.name, ages, as_of)
    newest = next(iter(stores.ledger.expiries.of(capability.name)), None)
    if newest and newest.done and run.since.items() <= newest.since.items():
        return newest
    drain(stores.journal, stores.events)
    work = _Work(capability, stores, stores.ledger.expiries.begin(run))
    return stores.ledger.expiries.finish(work.done())


def expire_aside(
    capabilities: Sequence[Capability], stores: Stores, as_of: datetime
) -> Expiry | None:
    """Remove feedback that has waited for its interaction for longer than any capability keeps its
    own; returns the run's record. None where one keeps them for ever. Raises StoreError."""
    ages = [one.retention.interactions for one in capabilities]
    longest = max((age for age in ages if age is not None), default=None)
    if longest is None or None in ages:
        return None
    run = stores.ledger.expiries.begin(_run(UNKNOWN, {INTERACTIONS: longest}, as_of))
    removed = dict(_from_log(run, stores))
    blank_absent(stores.journal, stores.events, None)
    return stores.ledger.expiries.finish(run.model_copy(update={"removed": removed}))


def _from_log(run: Expiry, stores: Stores) -> Iterator[tuple[str, int]]:
    """Remove a capability's entries from the log, and the keys by which they were asked for."""
    events, name, since, keys = stores.events, run.capability, run.since[INTERACTIONS], 0
    yield "events", events.count_older(name, since)
    while portion := events.older(name, since):
        keys += stores.ledger.idempotency.forget_of([one.id for one in portion])
        events.remove(portion)
    yield "idempotency keys", keys


def _run(name: str, ages: Mapping[str, timedelta], as_of: datetime) -> Expiry:
    return Expiry(
        id=digest_of("expiry", name, as_of.isoformat()),
        capability=name,
        at=as_of,
        ages={what: written(age) for what, age in ages.items()},
        since={what: _hour(as_of, age) for what, age in ages.items()},
    )


def _hour(as_of: datetime, age: timedelta) -> datetime:
    return (as_of - age).replace(minute=0, second=0, microsecond=0)


@dataclass(slots=True)
class _Work:
    """One run, and what is known of it by now."""

    capability: Capability
    stores: Stores
    run: Expiry

    def done(self) -> Expiry:
        """The record with all numbers, once everything is removed."""
        if {INTERACTIONS, ROWS} & self.run.since.keys():
            Intake(self.capability, self.stores, self.run.at).clear()
            ids = sorted(self._row_ids())
            self._learn(ids)
            self._note(self._remove(ids))
            self._mend()
        self._note(self._remove_files())
        forget_removed(self.stores.events.url)
        return self.run

    def _note(self, removed: Iterator[tuple[str, int]]) -> None:
        """Keep what each place had, and what an attempt that was killed had removed there."""
        for place, count in removed:
            known = max(count, self.run.removed.get(place, 0))
            self._keep(removed={**self.run.removed, place: known})

    def _keep(self, **known: object) -> None:
        self.run = self.stores.ledger.expiries.keep(self.run.model_copy(update=known))

    def _row_ids(self) -> set[str]:
        """Rows that have expired, and those that are gone and have left something behind."""
        since = self.run.since
        ids = self._ids("rows", f"FROM rows AS one WHERE {self._old}")
        without = "LEFT ANTI JOIN rows ON one.row_id = rows.row_id WHERE one.event_time <"
        last = moment(max(since[what] for what in (INTERACTIONS, ROWS) if what in since))
        ids |= self._ids("snapshots", f"FROM snapshots AS one {without} {last}")
        if INTERACTIONS in since:
            # What a source states is written before its rows: those may be on their way.
            told = listed(source.name for source in self.capability.sources)
            said = f"NOT (one.source = 'outcome' AND one.\"by\" IN ({told}))"
            before = f"{without} {moment(since[INTERACTIONS])} AND {said}"
            ids |= self._ids("tags", f"FROM tags AS one {before}")
        return ids

    @property
    def _old(self) -> str:
        """Which rows of the lake's `rows` have expired."""
        signs = {INTERACTIONS: "=", ROWS: "<>"}
        return " OR ".join(
            f"(source {sign} {literal(LOG)} AND event_time < {moment(self.run.since[what])})"
            for what, sign in signs.items()
            if what in self.run.since
        )

    def _ids(self, table: str, which: str) -> set[str]:
        return set(self._look(f"SELECT one.row_id {which}", table, "rows")["row_id"])

    def _look(self, sql: str, *tables: str) -> dict[str, list[str]]:
        """What a query finds, by column; empty where nothing was taken in yet."""
        try:
            found = self.stores.lake.look(self.capability.name, sql, dict.fromkeys(tables))
        except NotFound:
            return defaultdict(list)
        return dict(found.to_pydict())

    def _learn(self, ids: list[str]) -> None:
        """Note every snapshot that holds such rows, and every model trained on one."""
        held = self.stores.lake.holders(self.capability, ids)
        snapshots = sorted({*self.run.snapshots, *held})
        versions = self.stores.ledger.versions.all(self.capability.name)
        models = tuple(one.version for one in versions if one.snapshot in snapshots)
        self._keep(snapshots=tuple(snapshots), models=models)

    def _remove(self, ids: list[str]) -> Iterator[tuple[str, int]]:
        """Remove records place by place; each with how many it had there."""
        stores, one, since = self.stores, self.capability, self.run.since
        reviewed = sorted(stores.reviews.rows(one.name).intersection(ids))
        yield "reviews", stores.reviews.forget(reviewed, one.name)
        yield "lake/snapshots", stores.lake.remove(one, "snapshots", ids=ids)
        yield "lake/tags", stores.lake.remove(one, "tags", ids=ids)
        if INTERACTIONS in since:
            before = [f"event_time < {moment(since[INTERACTIONS])}"]
            yield "lake/answers", stores.lake.remove(one, "answers", before)
            yield "lake/facets", stores.lake.remove(one, "facets", before)
        yield "lake/quarantine", stores.lake.remove(one, "quarantine", self._quarantined())
        yield from self._remove_entries(ids)
        # Counted before: who is killed behind it would find none.
        yield "lake/rows", len(self._ids("rows", f"FROM rows AS one WHERE {self._old}"))
        stores.lake.remove(one, "rows", [self._old])

    def _quarantined(self) -> list[str]:
        """Conditions; none for a table that was made before its rows had a time."""
        there = self._look("SELECT * FROM quarantine LIMIT 0", "quarantine")
        return [self._old] if "event_time" in there else []

    def _remove_entries(self, ids: list[str]) -> Iterator[tuple[str, int]]:
        """Remove what the log, the journal and the gateway's keys hold."""
        events, since = self.stores.events, self.run.since.get(INTERACTIONS)
        if since is not None:
            yield from _from_log(self.run, self.stores)
        said = events.said_of(self.capability.name, ids)
        yield "events/about rows", len(said)
        events.remove(said)
        yield "journal", blank_absent(self.stores.journal, events, since)

    def _mend(self) -> None:
        kept = {what: age for what, age in self.run.ages.items() if what in (INTERACTIONS, ROWS)}
        expired = Expired(rows=0, at=self.run.at, ages=kept)
        mend(self.capability, self.run.snapshots, self.stores, expired)

    def _remove_files(self) -> Iterator[tuple[str, int]]:
        """Remove model files and pages."""
        since, name = self.run.since, self.capability.name
        if MODELS in since:
            yield "models", self._forget_models(since[MODELS])
        if REPORTS in since:
            yield "reports", self.stores.reports.expire(name, since[REPORTS])

    def _forget_models(self, since: datetime) -> int:
        """Remove the files of model versions that are old and that nobody may ask any more."""
        name, ledger = self.capability.name, self.stores.ledger
        gone = ledger.forgotten.of(name).keys()
        old = {one.version: one for one in ledger.versions.all(name) if one.trained_at < since}
        forgotten = sorted(old.keys() - gone - self._needed())
        for number in forgotten:
            why = "it was older than the file's retention.models"
            let_go(old[number], self.stores, Gone(self.run.at, why))
        self._keep(
            forgotten=tuple(sorted({*self.run.forgotten, *forgotten})),
            models=tuple(sorted(set(self.run.models) - gone - set(forgotten))),
        )
        return len(forgotten)

    def _needed(self) -> set[int]:
        """Model versions that a release on duty, or to come, or the one before it, may ask, and the
        policy's pool."""
        releases, memory = self.stores.ledger.releases, recall(self.capability, self.stores)
        newest, serving = (ask(self.capability.name) for ask in (releases.newest, releases.serving))
        former = releases.previous(serving) if serving else None
        chosen = [release.model_versions for release in (newest, serving, former) if release]
        pool = {member.version for member in memory.state.pool} if memory else set()
        return pool.union(*chosen)
