"""The keys of the API: who may call, and what each may cost.

A key is shown once, when it is made; what is kept is its hash. A key is never deleted, only
revoked, so that nobody takes an installation whose keys are all revoked for one that never had any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import Connection, Text, cast, or_, select, update

from opslayer.capability import PRINTABLE
from opslayer.errors import NotFound, StoreError
from opslayer.records import Key, Record, Role, Time
from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.money import LARGEST, amount_of, billionths
from opslayer.stores.ledger.tables import keys

PREFIX = "ops_"
"""By which people, and scanners of repositories, know a key of Opslayer."""
ID_LENGTH = 12
"""First characters of a key that name it in public; 208 random bits stay secret."""
SHARE = 8
"""An advance takes at most this part of what is left, so that advances shrink as a budget ends."""

State = Literal["active", "expired", "revoked"]


class Terms(Record):
    """What a new key is for."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=PRINTABLE)]
    tenant: Annotated[str, Field(max_length=64, pattern=r"^([A-Za-z0-9][A-Za-z0-9._@-]*)?$")] = ""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)] = (Role.CALL, Role.FEEDBACK)
    per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Calls in any minute, at most."""
    budget: Annotated[float, Field(ge=1e-9, le=LARGEST)] | None = None
    """Money that its calls may cost in all."""
    expires: Time | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, and the only time that its secret is known."""

    key: Key
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key, and what it has cost so far with what workers hold in advance."""

    key: Key
    spent: float


@dataclass(frozen=True, slots=True)
class Advance:
    """Money that was taken from a key's budget before it is spent, in billionths."""

    amount: int
    left: int
    """What is left of the budget after it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of an installation. Every method raises StoreError where the database is away.

    Amounts are in billionths of the money's unit, see `money`.
    """

    url: str

    def create(self, terms: Terms, at: datetime) -> Issued:
        """Make a key at a moment; the secret can never be had again."""
        secret = PREFIX + token_urlsafe(32)
        key = Key(
            **dict(terms),
            id=secret[:ID_LENGTH],
            digest=secret_digest(secret),
            created=at,
        )
        with transaction(self.url) as connection:
            if not add_new(connection, keys, _row(key)):
                raise StoreError(f"another key is named {key.id} by chance: make this one again")
        return Issued(key, secret)

    def all(self) -> list[KeyRow]:
        """Every key that was ever made, the oldest first."""
        query = select(cast(keys.c.record, Text), keys.c.spent)
        with reading(self.url) as connection:
            found = [
                KeyRow(_key(text), amount_of(spent)) for text, spent in connection.execute(query)
            ]
        return sorted(found, key=lambda row: (row.key.created, row.key.id))

    def revoke(self, id: str, at: datetime) -> Key:
        """Take a key out of use for good; one that was revoked before keeps its moment.

        Raises NotFound, which names the keys there are.
        """
        with transaction(self.url) as connection:
            query = select(keys.c.record).where(keys.c.id == id).with_for_update()
            found = connection.scalar(query)
            if found is None:
                raise NotFound(f"there is no key {id}: there are {_ids(connection)}")
            key = Key.model_validate(found)
            if key.revoked is None:
                key = key.model_copy(update={"revoked": at})
                record = key.model_dump(mode="json")
                connection.execute(update(keys).where(keys.c.id == id).values(record=record))
        return key

    def reserve(self, id: str, amount: int) -> bool:
        """Take an amount from a key's budget; False, and nothing taken, where it does not fit."""
        with transaction(self.url) as connection:
            return _reserve(connection, id, amount)

    def advance(self, id: str, least: int, most: int) -> Advance:
        """Take at least one amount and at most another from a key's budget.

        The nearer its end, the less above `least`. Nothing is taken where `least` does not fit.
        """
        with transaction(self.url) as connection:
            query = select(keys.c.budget - keys.c.spent).where(keys.c.id == id).with_for_update()
            left: int = connection.scalar(query) or 0
            amount = max(least, min(most, left // SHARE))
            if not _reserve(connection, id, amount):
                return Advance(0, left)
        return Advance(amount, left - amount)

    def settle(self, id: str, difference: int) -> None:
        """Add to what a key has spent what its calls cost above what was reserved for them;
        below it the difference is negative. What was paid is paid: no budget stops it."""
        with transaction(self.url) as connection:
            spent = keys.c.spent + difference
            connection.execute(update(keys).where(keys.c.id == id).values(spent=spent))


def secret_digest(secret: str | bytes) -> str:
    """By what a key is looked up: SHA-256 in hex. 256 random bits need no salt."""
    return sha256(secret.encode() if isinstance(secret, str) else secret).hexdigest()


def state_of(key: Key, at: datetime) -> State:
    """Whether a key may be used at a moment, and if not, why."""
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and key.expires <= at else "active"


def _reserve(connection: Connection, id: str, amount: int) -> bool:
    fits = or_(keys.c.budget.is_(None), keys.c.spent + amount <= keys.c.budget)
    spend = update(keys).where(keys.c.id == id, fits).values(spent=keys.c.spent + amount)
    return bool(connection.execute(spend).rowcount)


def _row(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "digest": key.digest,
        "tenant": key.tenant,
        "budget": None if key.budget is None else billionths(key.budget),
        "spent": 0,
        "record": key.model_dump(mode="json"),
    }


@lru_cache(maxsize=16_384)
def _key(text: str) -> Key:
    """A key read; every worker asks for all of them each second, and they hardly ever change."""
    return Key.model_validate_json(text)


def _ids(connection: Connection) -> str:
    return ", ".join(connection.scalars(select(keys.c.id).order_by(keys.c.id))) or "none"
