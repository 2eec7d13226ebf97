"""What serves a capability, and what served it before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from sqlalchemy import Connection, select

from opslayer.errors import NotFound, StaleParent
from opslayer.records import Release, Verdict
from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.tables import releases
from opslayer.stores.ledger.verdicts import add_verdict


@dataclass(frozen=True, slots=True)
class Releases:
    """A capability's history of releases: it only grows, by one at a time."""

    url: str

    def newest(self, capability: str) -> Release | None:
        """The last one decided, from which the next follows; None where there is none yet.

        It may start later than now: `serving` says what serves.
        """
        with reading(self.url) as connection:
            return _newest(connection, capability)

    def serving(self, capability: str, at: datetime | None = None) -> Release | None:
        """What serves now, or served at a moment by what is known now; None before the first."""
        now = datetime.now(UTC)
        with reading(self.url) as connection:
            for release in _newest_first(connection, capability):
                begins = release.starts if at is None else release.starts or release.at
                if begins is None or begins <= (at or now):
                    return release
        return None

    def previous(self, release: Release) -> Release | None:
        """The newest one before a release that had another champion."""
        with reading(self.url) as connection:
            for earlier in _newest_first(connection, release.capability, release.number):
                if earlier.champion.name != release.champion.name:
                    return earlier
        return None

    def streak(self, release: Release, alike: Callable[[Release], bool]) -> list[Release]:
        """A release and those before it, as far back as all are alike; oldest first."""
        found = [release]
        with reading(self.url) as connection:
            earlier = _newest_first(connection, release.capability, release.number)
            found += takewhile(alike, earlier)
        return found[::-1]

    def get(self, capability: str, number: int) -> Release:
        """One release; NotFound says which there are."""
        with reading(self.url) as connection:
            found = connection.scalar(
                select(releases.c.record).where(
                    releases.c.capability == capability, releases.c.number == number
                )
            )
            newest = _newest(connection, capability)
        if found is not None:
            return Release.model_validate(found)
        there_are = f"there are 1 to {newest.number}" if newest else "nothing was released yet"
        raise NotFound(f"{capability} has no release {number}: {there_are}")

    def all(self, capability: str) -> list[Release]:
        """Every release, oldest first."""
        with reading(self.url) as connection:
            rows = connection.scalars(
                select(releases.c.record)
                .where(releases.c.capability == capability)
                .order_by(releases.c.number)
            )
            return [Release.model_validate(row) for row in rows]

    def for_cause(self, capability: str, cause: str) -> Release | None:
        """The one release that a cause has led to; None where it led to none yet."""
        with reading(self.url) as connection:
            return _of_cause(connection, capability, cause)

    def publish(self, release: Release, verdict: Verdict | None = None) -> Release:
        """Make a release the newest, if its parent still is, and keep the verdict with it.

        A cause leads to one release: where it did already, that one is returned and nothing is
        written. Raises StaleParent where another release came first.
        """
        with transaction(self.url) as connection:
            newest = _newest(connection, release.capability)
            number = newest.number if newest else 0
            follows = release.parent == number and release.number == number + 1
            earlier = _of_cause(connection, release.capability, release.cause)
            if earlier is None and follows and add_new(connection, releases, _row(release)):
                if verdict is not None:
                    add_verdict(connection, verdict)
                return release
            # PostgreSQL may have let another promotion of this cause come first just now.
            earlier = earlier or _of_cause(connection, release.capability, release.cause)
        if earlier is None:
            raise _stale(release, newest)
        return earlier


def _row(release: Release) -> dict[str, object]:
    return {
        "capability": release.capability,
        "number": release.number,
        "cause": release.cause,
        "record": release.model_dump(mode="json"),
    }


def _newest(connection: Connection, capability: str) -> Release | None:
    found = connection.scalar(
        select(releases.c.record)
        .where(releases.c.capability == capability)
        .order_by(releases.c.number.desc())
        .limit(1)
    )
    return None if found is None else Release.model_validate(found)


def _newest_first(
    connection: Connection, capability: str, below: int | None = None
) -> Iterator[Release]:
    """One row at a time: nearly always the first one is the one that is looked for."""
    query = select(releases.c.record).where(releases.c.capability == capability)
    while True:
        earlier = query if below is None else query.where(releases.c.number < below)
        found = connection.scalar(earlier.order_by(releases.c.number.desc()).limit(1))
        if found is None:
            return
        release = Release.model_validate(found)
        yield release
        below = release.number


def _of_cause(connection: Connection, capability: str, cause: str | None) -> Release | None:
    if cause is None:
        return None
    found = connection.scalar(
        select(releases.c.record).where(
            releases.c.capability == capability, releases.c.cause == cause
        )
    )
    return None if found is None else Release.model_validate(found)


def _stale(release: Release, newest: Release | None) -> StaleParent:
    now = f"release {newest.number} by {newest.by}" if newest else "nothing"
    return StaleParent(
        f"{release.capability}: release {release.number} was made from parent {release.parent}, "
        f"and what serves now is {now}: look at it and decide again from there"
    )
