"""Text as a guard reads it: what only looks different is made the same, and places are kept."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

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
    seen = text.translate(PLAINEST)
    if not INVISIBLE.intersection(seen):
        return Plain(seen, None)
    places = [place for place, letter in enumerate(seen) if letter not in INVISIBLE]
    return Plain("".join(seen[place] for place in places), places)


class _Plainest(dict[int, int | str]):
    """One character for one: compatibility forms of ASCII, every kind of digit, space and dash.

    Each is looked up when it first occurs: all of them at once would keep a caller waiting.
    """

    def __missing__(self, code: int) -> int | str:
        self[code] = _plainest(chr(code))
        return self[code]


def _plainest(letter: str) -> str:
    kind = unicodedata.category(letter)
    if kind == "Nd":
        return str(unicodedata.digit(letter))
    if kind == "Zs":
        return " "
    if kind == "Pd":
        return "-"
    folded = unicodedata.normalize("NFKC", letter)
    return folded if len(folded) == 1 and folded.isascii() else letter


PLAINEST = _Plainest({code: code for code in range(0x80)})
