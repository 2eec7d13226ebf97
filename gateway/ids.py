"""Interaction ids that say, to us alone, which capability answered which tenant.

Feedback names nothing but an id, and may come before the interaction has reached the database. The
mark at the id's end tells whose it is without a look into any store, and nobody else can make one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest

from uuid_utils import uuid7

MARK = 12
"""Hex digits of the mark: 48 bits."""
LENGTH = 32 + MARK
MARKED = re.compile(f"[0-9a-f]{{{LENGTH}}}")
KNOWN = 10_000
"""Marks that are kept at hand, at most."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Makes and reads ids with the installation's secret."""

    secret: bytes
    _marks: dict[tuple[str, str], str] = field(default_factory=dict)

    def new(self, capability: str, tenant: str) -> str:
        """A new id; later ones sort after earlier ones."""
        return uuid7().hex + self._mark(capability, tenant)

    def nth(self, id: str, place: int) -> str:
        """The id of a later row of the call whose first row has this id."""
        if not place:
            return id
        return f"{(int(id[:32], 16) + place) % 2**128:032x}{id[32:]}"

    def capability(self, id: str, tenant: str, names: Iterable[str]) -> str | None:
        """Which of the capabilities the id was made for, for this tenant; None for none."""
        if not is_marked(id):
            return None
        mark = id[-MARK:]
        return next((one for one in names if compare_digest(mark, self._mark(one, tenant))), None)

    def _mark(self, capability: str, tenant: str) -> str:
        mark = self._marks.get((capability, tenant))
        if mark is None:
            words = f"{capability}\x1f{tenant}".encode()
            mark = blake2b(words, key=self.secret[:64], digest_size=MARK // 2).hexdigest()
            if len(self._marks) < KNOWN:
                self._marks[capability, tenant] = mark
        return mark


def is_marked(id: str) -> bool:
    """Whether an id has the form of those made here, so that its mark says whose it is."""
    return MARKED.fullmatch(id) is not None
