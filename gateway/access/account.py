"""What one worker has in hand of one key's budget."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from opslayer.records import Key
from opslayer.stores.ledger.keys import Advance
from opslayer.stores.ledger.money import billionths

SLICES = 100
"""An advance takes at most this part of a budget: what a killed worker had in hand is lost."""


@dataclass(slots=True)
class Account:
    """Money in billionths. Every change is made by the event loop, so that none is half made."""

    id: str
    """The key's."""
    budget: int | None
    """None where the key may cost anything; its account only adds up what it did cost."""
    balance: int = 0
    """Taken from the budget and not yet spent; below 0, spent and not yet taken."""
    used_at: float = 0.0
    left: int = 0
    """What was left of the budget in the ledger when it was last asked."""
    asked_at: float = float("-inf")
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Those who need an advance wait in order, and most find that the one before took enough."""
    drawing: asyncio.Future[Advance] | None = None
    """An advance that is being taken; it is credited though nobody waits for it any more."""

    @classmethod
    def of(cls, key: Key) -> Account:
        """An empty account for a key."""
        return cls(key.id, None if key.budget is None else billionths(key.budget))

    @property
    def slice(self) -> int:
        """What an advance takes at most, unless one call needs more."""
        return (self.budget or 0) // SLICES

    def surplus(self, idle: bool) -> int:
        """What is better given back, for other workers: all of it where nobody calls."""
        if self.budget is None:
            return 0
        return max(0, self.balance if idle else self.balance - 2 * self.slice)
