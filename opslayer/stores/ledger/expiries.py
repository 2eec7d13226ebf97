"""What has grown too old: runs that removed it, and horizons, which keep it from coming back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from opslayer.records import Expiry
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.said import Fields, One, said_time
from opslayer.stores.ledger.tables import expiries, horizons
from opslayer.stores.ledger.turns import LOG, take_turn

INTERACTIONS, ROWS, MODELS, REPORTS = "interactions", "rows", "models", "reports"
"""What has a horizon: the keys of a capability's `retention`."""


@dataclass(frozen=True, slots=True)
class Expiries:
    """The runs of an installation. Methods raise StoreError where the database is away."""

    url: str

    def begin(self, wanted: Expiry) -> Expiry:
        """Keep that a run was begun, and its horizons, which never go back; from here on nothing
        older is taken in. A run that was not ended is carried on: what it found is in the answer.
        """
        with transaction(self.url) as connection:
            take_turn(connection, LOG)  # what is being appended now is found afterwards
            since = {what: _raise(connection, wanted, what) for what in wanted.since}
            mine = (expiries.c.capability == wanted.capability, expiries.c.done == 0)
            found = connection.scalar(select(expiries.c.record).where(*mine).limit(1))
            begun = Expiry.model_validate(found) if found is not None else wanted
            run = begun.model_copy(update={"since": since, "at": wanted.at, "ages": wanted.ages})
            _keep(connection, run)
        return run

    def keep(self, run: Expiry) -> Expiry:
        """Keep what is known of a run by now."""
        with transaction(self.url) as connection:
            _keep(connection, run)
        return run

    def finish(self, run: Expiry) -> Expiry:
        """Keep that a run has ended. Of runs that removed nothing, only the last one is kept."""
        done = run.model_copy(update={"done": True})
        with transaction(self.url) as connection:
            _keep(connection, done)
            for other in _of(connection, run.capability):
                if other.done and other.id != run.id and not any(other.removed.values()):
                    connection.execute(delete(expiries).where(expiries.c.id == other.id))
        return done

    def of(self, capability: str) -> list[Expiry]:
        """Every run of a capability, the newest first."""
        with reading(self.url) as connection:
            return _of(connection, capability)

    def horizons(self, capability: str) -> dict[str, datetime]:
        """By key of `retention`, the first moment kept; empty where nothing ever expired."""
        query = select(horizons.c.what, horizons.c.since).where(horizons.c.capability == capability)
        with reading(self.url) as connection:
            rows = connection.execute(query).all()
        return {row.what: datetime.fromisoformat(row.since) for row in rows}


def not_expired(
    connection: Connection, read: Sequence[tuple[One, Fields]]
) -> list[tuple[One, Fields]]:
    """The entries that may be logged: none from before its capability's horizon, whoever replays
    or restores it. What says no time is new."""
    query = select(horizons.c.capability, horizons.c.since).where(horizons.c.what == INTERACTIONS)
    since: dict[str, str] = {row.capability: row.since for row in connection.execute(query)}
    if not since:
        return list(read)
    return [one for one in read if (said_time(one[1]) or "~") >= since.get(one[0].capability, "")]


def _raise(connection: Connection, wanted: Expiry, what: str) -> datetime:
    """Move a horizon on; returns where it is now."""
    since = moment_text(wanted.since[what])
    key = {"capability": wanted.capability, "what": what}
    if not add_new(connection, horizons, {**key, "since": since}):
        mine = (horizons.c.capability == wanted.capability, horizons.c.what == what)
        earlier = update(horizons).where(*mine, horizons.c.since < since)
        connection.execute(earlier.values(since=since))
        since = connection.scalar(select(horizons.c.since).where(*mine)) or since
    return datetime.fromisoformat(since)


def _of(connection: Connection, capability: str) -> list[Expiry]:
    mine = select(expiries.c.record).where(expiries.c.capability == capability)
    return [
        Expiry.model_validate(record)
        for record in connection.scalars(mine.order_by(expiries.c.at.desc()))
    ]


def _keep(connection: Connection, run: Expiry) -> None:
    row = {
        "capability": run.capability,
        "at": moment_text(run.at),
        "done": int(run.done),
        "record": run.model_dump(mode="json"),
    }
    mine = expiries.c.id == run.id
    if not connection.execute(update(expiries).where(mine).values(row)).rowcount:
        connection.execute(insert(expiries).values(id=run.id, **row))
