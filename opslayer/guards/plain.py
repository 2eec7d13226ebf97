"""Text as a guard reads it: what only looks different is made the same, and places are kept."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

INVISIBLE = frozenset("\u00ad\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\ufeff")
"""Characters that nobody sees, and that would keep a pattern from matching."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A text and where each of its characters stands in the original."""

    text: str
    places: list[int] | None
    """Place in the original by place here; None where they are equal."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A stretch of this text as one of the original."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def plain(text: str) -> Plain:
    """A text without invisible characters, its digits and letters in their plainest form."""
    if text.isascii():
        return Plain(text, None)
    seen = text.translate(_table())
    if not INVISIBLE.intersection(seen):
        return Plain(seen, None)
    places = [place for place, letter in enumerate(seen) if letter not in INVISIBLE]
    return Plain("".join(seen[place] for place in places), places)


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    """One character for one: compatibility forms of ASCII, every kind of digit, space and dash."""
    table: dict[int, str] = {}
    for code in range(0x80, sys.maxunicode + 1):
        letter = chr(code)
        if "\ud800" <= letter <= "\udfff":
            continue
        kind = unicodedata.category(letter)
        folded = unicodedata.normalize("NFKC", letter)
        if kind == "Nd":
            table[code] = str(unicodedata.digit(letter))
        elif kind == "Zs":
            table[code] = " "
        elif kind == "Pd":
            table[code] = "-"
        elif len(folded) == 1 and folded.isascii():
            table[code] = folded
    return table
