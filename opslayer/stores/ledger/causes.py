"""Why retrains run: one run per cause, ever, whoever dies in the middle of it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, Select, select, update

from opslayer.capability import Retrain
from opslayer.errors import CauseTaken, NotFound, NotNow, StoreError
from opslayer.records import Cause, CauseKind
from opslayer.stores.ledger.database import add_new, moment_text, reading, transaction
from opslayer.stores.ledger.room import earliest
from opslayer.stores.ledger.tables import causes, versions

LEASE = 15.0
"""Seconds for which a claim holds without being renewed."""

SILENCE = 0.5
"""Share of a lease for which a dead holder must have been silent; the living renew each third."""

_seen: dict[tuple[str, str], tuple[str, float]] = {}
"""Each lease as this process last saw it, and since when it has looked so (monotonic clock)."""

Status = Literal["open", "claimed", "done", "refused"]


def new_owner() -> str:
    """A name for one attempt to work on causes, unlike that of any other thread or process."""
    host = socket.gethostname()[:20]
    return f"{host}-{os.getpid()}-{threading.get_ident():x}-{time.time_ns():x}"


@dataclass(frozen=True, slots=True)
class CauseRow:
    """A cause and how far its run has come."""

    cause: Cause
    status: Status
    owner: str | None
    lease_until: datetime | None
    """Wall clock; past it, another worker may take the cause over."""
    attempts: int
    """How many workers have held it."""
    result: str | None


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes of an installation. Leases alone read the clock, here and nowhere else."""

    url: str
    lease: float = LEASE

    def open(self, cause: Cause) -> bool:
        """Write a cause down; False where it was there already, whatever became of it.

        Asked for again while it still waits, the later moment counts: who was told to ask again
        after the cool-down gets the run then.
        """
        record = cause.model_dump(mode="json")
        row = {
            "id": cause.id,
            "capability": cause.capability,
            "at": moment_text(cause.at),
            "status": "open",
            "attempts": 0,
            "record": record,
        }
        with transaction(self.url) as connection:
            added = add_new(connection, causes, row)
            if not added:
                waits = (causes.c.status == "open") & (causes.c.at < row["at"])
                connection.execute(
                    update(causes)
                    .where(causes.c.id == cause.id, waits)
                    .values(at=row["at"], record=record)
                )
        return added

    def get(self, id: str) -> CauseRow:
        """One cause; raises NotFound."""
        with reading(self.url) as connection:
            return _cause_row(_find(connection, id))

    def list(self, capability: str, status: Status | None = None) -> Listed:
        """A capability's causes, oldest first, of one status or of all."""
        query = select(causes).where(causes.c.capability == capability)
        if status is not None:
            query = query.where(causes.c.status == status)
        with reading(self.url) as connection:
            rows = connection.execute(query.order_by(causes.c.at, causes.c.id)).mappings().all()
        for row in rows:
            _silence(self.url, row)  # a claim that follows need not wait as long
        return [_cause_row(row) for row in rows]

    def claim(self, id: str, owner: str, rules: Retrain) -> Cause:
        """Hold a cause, so that its run may start; the lease must be renewed to be kept.

        Its trainings count at the cause's own moment. A lapsed lease is taken over only once this
        process has seen it unrenewed for `SILENCE`, longer than a living holder ever leaves it: a
        clock that jumps takes no cause from anyone. Who never saw it before waits here for that.

        Raises CauseTaken (finished, or held by a living worker) and NotNow (cool-down or budget;
        the cause stays open).
        """
        waited = False
        while True:
            with transaction(self.url) as connection:
                row = _lock(connection, id)
                _refuse_finished(row)
                if row["status"] == "open":
                    _need_room(connection, Cause.model_validate(row["record"]), rules)
                wait = self._wait(row, owner)
                if wait <= 0:
                    self._take(connection, row, owner)
                    return Cause.model_validate(row["record"])
            if waited:
                raise _held(row)
            waited = True
            time.sleep(wait)

    def renew(self, id: str, owner: str) -> None:
        """Hold a cause for another lease; nothing for a cause that this owner has finished.

        Raises CauseTaken where another worker has taken it over.
        """
        with transaction(self.url) as connection:
            renewed = connection.execute(
                update(causes)
                .where(causes.c.id == id, causes.c.owner == owner, causes.c.status == "claimed")
                .values(lease_until=self._lease_end())
            )
            if not renewed.rowcount:
                row = _find(connection, id)
                if row["owner"] != owner:
                    raise _held(row)

    def finish(self, id: str, owner: str, status: Literal["done", "refused"], result: str) -> None:
        """Close a cause for good with one sentence on what came of it.

        Raises CauseTaken where another worker has taken it over or finished it.
        """
        with transaction(self.url) as connection:
            finished = connection.execute(
                update(causes)
                .where(causes.c.id == id, causes.c.owner == owner, causes.c.status == "claimed")
                .values(status=status, result=result, lease_until=None)
            )
            if not finished.rowcount:
                row = _find(connection, id)
                if (row["owner"], row["status"], row["result"]) != (owner, status, result):
                    raise _held(row)

    def refuse(self, id: str, owner: str, result: str) -> bool:
        """Close a cause that still waits, without a run; False where it waits no more."""
        with transaction(self.url) as connection:
            refused = connection.execute(
                update(causes)
                .where(causes.c.id == id, causes.c.status == "open")
                .values(status="refused", owner=owner, result=result)
            )
            return bool(refused.rowcount)

    @contextmanager
    def hold(self, id: str, owner: str) -> Iterator[None]:
        """Renew a claimed cause while the block runs.

        Raises CauseTaken where the lease was lost on the way, whatever else went wrong then: who
        took the cause over clears the block's attempt away from under it.
        """
        over = threading.Event()
        renewing = threading.Thread(target=self._renew_until, args=(id, owner, over), daemon=True)
        renewing.start()
        try:
            yield
        except Exception as error:
            if lost := self._lost(id, owner):
                raise lost from error
            raise
        finally:
            over.set()
            renewing.join()
        self.renew(id, owner)

    def _lost(self, id: str, owner: str) -> CauseTaken | None:
        """What to say where another worker has taken a cause over, as far as can be known."""
        with suppress(StoreError), reading(self.url) as connection:
            row = _find(connection, id)
            if row["owner"] != owner:
                return _held(row)
        return None

    def _renew_until(self, id: str, owner: str, over: threading.Event) -> None:
        while not over.wait(self.lease / 3):
            try:
                self.renew(id, owner)
            except CauseTaken:
                return
            except StoreError:
                continue  # the database may come back before the lease ends

    def _lease_end(self) -> str:
        return moment_text(datetime.now(UTC) + timedelta(seconds=self.lease))

    def _wait(self, row: RowMapping, owner: str) -> float:
        """Seconds after which the cause may be taken over; CauseTaken while its lease lasts."""
        if row["status"] != "claimed" or row["owner"] == owner:
            return 0
        silence = _silence(self.url, row)
        if not self._looks_lapsed(row):
            raise _held(row)
        return SILENCE * self.lease - silence

    def _looks_lapsed(self, row: RowMapping) -> bool:
        # A lease that ends later than any lease given now was given by a clock that differs.
        left = datetime.fromisoformat(row["lease_until"]) - datetime.now(UTC)
        return not timedelta(0) < left <= timedelta(seconds=self.lease)

    def _take(self, connection: Connection, row: RowMapping, owner: str) -> None:
        _seen.pop((self.url, row["id"]), None)
        attempts = row["attempts"] + (0 if row["owner"] == owner else 1)
        connection.execute(
            update(causes)
            .where(causes.c.id == row["id"])
            .values(status="claimed", owner=owner, lease_until=self._lease_end(), attempts=attempts)
        )


Listed = list[CauseRow]


def _silence(url: str, row: RowMapping) -> float:
    """For how many seconds this process has seen the lease unrenewed; forgets ended ones."""
    key, mark, now = (url, row["id"]), f"{row['owner']} {row['lease_until']}", time.monotonic()
    if row["status"] != "claimed":
        _seen.pop(key, None)
        return 0
    seen, since = _seen.get(key, (mark, now))
    _seen[key] = (mark, since if seen == mark else now)
    return now - _seen[key][1]


def _cause_row(row: RowMapping) -> CauseRow:
    until = row["lease_until"]
    return CauseRow(
        cause=Cause.model_validate(row["record"]),
        status=row["status"],
        owner=row["owner"],
        lease_until=None if until is None else datetime.fromisoformat(until),
        attempts=row["attempts"],
        result=row["result"],
    )


def _find(connection: Connection, id: str) -> RowMapping:
    return _only(connection, select(causes).where(causes.c.id == id), id)


def _only(connection: Connection, query: Select[Any], id: str) -> RowMapping:
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"there is no cause {id}")
    return row


def _lock(connection: Connection, id: str) -> RowMapping:
    """The cause, with every unfinished cause of its capability locked against other claims.

    SQLite's one write lock does that already; PostgreSQL needs FOR UPDATE, in one order.
    """
    capability = _find(connection, id)["capability"]
    connection.execute(
        select(causes.c.id)
        .where(causes.c.capability == capability, causes.c.status.in_(("open", "claimed")))
        .order_by(causes.c.id)
        .with_for_update()
    ).all()
    return _find(connection, id)


def _refuse_finished(row: RowMapping) -> None:
    if row["status"] in ("done", "refused"):
        raise CauseTaken(f"cause {row['id']} has had its one run: {row['result']}")


def _held(row: RowMapping) -> CauseTaken:
    if row["status"] in ("done", "refused"):
        return CauseTaken(f"cause {row['id']} was finished by {row['owner']}: {row['result']}")
    return CauseTaken(
        f"cause {row['id']} is held by {row['owner']} until {row['lease_until']} "
        f"(attempt {row['attempts']}): wait for it to finish, or ask again after that time"
    )


def _need_room(connection: Connection, cause: Cause, rules: Retrain) -> None:
    others = _trainings(connection, cause)
    if not others or cause.kind is CauseKind.ERASURE:  # the first of all, or a person's right
        return
    when = earliest(cause.at, len(cause.recipes), others, rules)
    budget = f"at most {rules.budget.runs} trainings per {_span(rules.budget.per)}"
    if when is None:
        raise NotNow(
            f"cause {cause.id} wants {len(cause.recipes)} trainings, and the budget allows "
            f"{budget}: raise retrain.budget.runs"
        )
    if when > cause.at:
        raise NotNow(
            f"cause {cause.id}: {cause.capability} allows one training round per "
            f"{_span(rules.cooldown)} and {budget}, and has used that up around "
            f"{cause.at:%Y-%m-%d %H:%M} UTC: ask again from {when:%Y-%m-%d %H:%M} UTC on"
        )


def _span(span: timedelta) -> str:
    for name, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if span.total_seconds() >= seconds and span.total_seconds() % seconds == 0:
            return f"{int(span.total_seconds() // seconds)}{name}"
    return f"{span.total_seconds():g}s"


def _trainings(connection: Connection, cause: Cause) -> list[datetime]:
    """When the other causes' trainings count: those done, and those that claimed causes owe."""
    done = connection.execute(
        select(versions.c.cause, versions.c.trained_at).where(
            versions.c.capability == cause.capability, versions.c.cause != cause.id
        )
    ).all()
    claimed = connection.execute(
        select(causes.c.id, causes.c.at, causes.c.record).where(
            causes.c.capability == cause.capability,
            causes.c.status == "claimed",
            causes.c.id != cause.id,
        )
    ).all()
    times = [trained_at for _, trained_at in done]
    for id, at, record in claimed:
        owed = len(record["recipes"]) - sum(trained == id for trained, _ in done)
        times += [at] * max(0, owed)
    return [datetime.fromisoformat(time) for time in times]
