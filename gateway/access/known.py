"""The keys as a worker has them in memory: read often, replaced as a whole, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.exchange import Caller
from opslayer.records import Key


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, and who calls with it."""

    key: Key
    caller: Caller


@dataclass(frozen=True, slots=True)
class Known:
    """What one reading of the ledger, or of its copy, says."""

    by_digest: Mapping[str, Entry] = field(default_factory=dict)
    by_id: Mapping[str, Key] = field(default_factory=dict)
    read_at: float = float("-inf")
    """When it was read, on the clock of whoever read it; never, at first."""

    @classmethod
    def of(cls, keys: Iterable[Key], read_at: float) -> Known:
        """What these keys say."""
        by_id = {key.id: key for key in keys}
        return cls({key.digest: Entry(key, _caller(key)) for key in by_id.values()}, by_id, read_at)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key, the expired and the revoked too."""
        return tuple(self.by_id.values())


def _caller(key: Key) -> Caller:
    return Caller(tenant=key.tenant, key=key.id, roles=frozenset(key.roles))
