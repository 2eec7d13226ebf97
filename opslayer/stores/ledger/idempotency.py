"""Who answers a call that may come more than once: one claim per tenant and key, whoever races.

A claim is `begun` from the moment it is durable, and `done` once its answer is. The caller's key
itself is not kept, only its digest. Rows grow old: `forget_before` takes them away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from opslayer.errors import StoreError
from opslayer.stores.ledger.database import moment_text, reading, transaction
from opslayer.stores.ledger.tables import idempotency

ATTEMPTS = 20
"""Times a batch of claims starts again because another process took one of its keys first."""
ASKED = 200
"""Claims named in one statement: SQLite and PostgreSQL both bound its length."""
FORGOTTEN = 5_000
"""Claims that one transaction forgets, so that those who claim never wait long for it."""

Status = Literal["begun", "done"]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that wants to be the one that is answered for its key."""

    tenant: str
    key: str
    """What the caller sent as `Idempotency-Key`."""
    body: str
    """Digest of everything that makes the call what it is, at most 64 characters."""
    interaction_id: str
    """The id that its interaction will have."""

    @property
    def digest(self) -> str:
        """SHA-256 of the key in hex."""
        return sha256(self.key.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The one claim that there is for a tenant's key."""

    tenant: str
    digest: str
    interaction_id: str
    """Of the call that holds it, which is the asking call only where it is `new`."""
    owner: str
    """The worker that answers or answered it."""
    status: Status
    new: bool = False
    """Whether the asking call has it, and is to be answered."""
    conflict: bool = False
    """Whether the call that has it had another body."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The claims of all tenants. What is written is durable when a method returns.

    Every method raises StoreError where the database is away.
    """

    url: str

    def claim(self, wanted: Wanted, owner: str) -> Claim:
        """Claim a key for a call that the worker `owner` is about to answer, or learn who has it.

        The outcome is one of `new`, `conflict`, and an earlier call's claim in its status.
        """
        return self.claim_many([wanted], owner)[0]

    def claim_many(self, wanted: Sequence[Wanted], owner: str) -> list[Claim]:
        """Claim many keys with one commit, each as `claim` does and in the order given."""
        for attempt in range(ATTEMPTS):
            try:
                with transaction(self.url) as connection:
                    return _claim(connection, wanted, owner)
            except IntegrityError:  # only where a database lets two transactions write at once
                time.sleep(0.01 * attempt)
        raise StoreError(f"claims of {owner} lost every race: a key is used far too often at once")

    def retake(self, claim: Claim, interaction_id: str, owner: str) -> bool:
        """Take over a key whose call came to no answer; False where somebody else has it now."""
        values = {
            "interaction": interaction_id,
            "owner": owner,
            "at": moment_text(datetime.now(UTC)),
            "status": "begun",
        }
        with transaction(self.url) as connection:
            taken = connection.execute(update(idempotency).where(_same(claim)).values(values))
        return bool(taken.rowcount)

    def finish(self, *claims: Claim) -> None:
        """Say that the answers are durable; a claim that was taken over stays as it is."""
        with transaction(self.url) as connection:
            for some in _portions(claims):
                chosen = or_(*map(_same, some))
                connection.execute(update(idempotency).where(chosen).values(status="done"))

    def withdraw(self, *claims: Claim) -> None:
        """Give up keys whose calls were refused before anything was asked: they may come again."""
        begun = idempotency.c.status == "begun"
        with transaction(self.url) as connection:
            for some in _portions(claims):
                chosen = or_(*map(_same, some))
                connection.execute(delete(idempotency).where(chosen, begun))

    def forget_before(self, moment: datetime) -> int:
        """Forget the claims made before a moment; returns how many they were."""
        forgotten = 0
        while (last := self._portion_before(moment)) is not None:
            with transaction(self.url) as connection:
                gone = connection.execute(delete(idempotency).where(idempotency.c.at <= last))
            forgotten += gone.rowcount
        return forgotten

    def forget_of(self, interactions: Sequence[str]) -> int:
        """Forget the claims of interactions; returns how many they were."""
        forgotten = 0
        with transaction(self.url) as connection:
            for some in _portions(interactions):
                its = idempotency.c.interaction.in_(some)
                forgotten += connection.execute(delete(idempotency).where(its)).rowcount
        return forgotten

    def _portion_before(self, moment: datetime) -> str | None:
        """The time of the last claim that one transaction forgets; None where none is that old."""
        old = select(idempotency.c.at).where(idempotency.c.at < moment_text(moment))
        old = old.order_by(idempotency.c.at)
        with reading(self.url) as connection:
            portion: Sequence[str] = connection.scalars(old.limit(FORGOTTEN)).all()
        return portion[-1] if portion else None


def _claim(connection: Connection, wanted: Sequence[Wanted], owner: str) -> list[Claim]:
    held = {(row["tenant"], row["digest"]): row for row in _held(connection, wanted)}
    at = moment_text(datetime.now(UTC))
    fresh: dict[tuple[str, str], dict[str, str]] = {}
    claims = []
    for one in wanted:
        place = (one.tenant, one.digest)
        row = held.get(place) or fresh.get(place)
        if row is None:
            fresh[place] = _row(one, owner, at)
            claims.append(Claim(*place, one.interaction_id, owner, "begun", new=True))
        else:
            claims.append(_earlier(row, one))
    if fresh:
        # In one order, so that of two who claim the same ones none waits for the other for ever.
        connection.execute(insert(idempotency), [fresh[place] for place in sorted(fresh)])
    return claims


def _held(connection: Connection, wanted: Sequence[Wanted]) -> Iterator[Mapping[str, Any]]:
    for some in _portions(wanted):
        # Two lists, not a list of pairs, for which SQLite would read the whole table. Where two
        # tenants are asked for, one's row for the other's key comes too, and nobody looks at it.
        tenants, digests = {one.tenant for one in some}, {one.digest for one in some}
        chosen = and_(idempotency.c.tenant.in_(tenants), idempotency.c.digest.in_(digests))
        for row in connection.execute(select(idempotency).where(chosen)):
            yield row._asdict()


def _row(wanted: Wanted, owner: str, at: str) -> dict[str, str]:
    return {
        "tenant": wanted.tenant,
        "digest": wanted.digest,
        "body": wanted.body,
        "interaction": wanted.interaction_id,
        "owner": owner,
        "at": at,
        "status": "begun",
    }


def _earlier(row: Mapping[str, Any], wanted: Wanted) -> Claim:
    return Claim(
        row["tenant"],
        row["digest"],
        row["interaction"],
        row["owner"],
        row["status"],
        conflict=row["body"] != wanted.body,
    )


def _place(tenant: str, digest: str) -> ColumnElement[bool]:
    return and_(idempotency.c.tenant == tenant, idempotency.c.digest == digest)


def _same(claim: Claim) -> ColumnElement[bool]:
    """The claim's row, as long as nobody has taken it over."""
    mine = idempotency.c.interaction == claim.interaction_id
    return and_(_place(claim.tenant, claim.digest), mine, idempotency.c.owner == claim.owner)


def _portions(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), ASKED):
        yield items[start : start + ASKED]
