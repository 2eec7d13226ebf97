"""A guard that looks by patterns and by a model that the loop trains.

Patterns are few and sure: they hold from the first minute, and against what is hidden from the
model. The model judges the text as a whole, window by window where it is long, since an attack in
the middle of a document is an attack all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opslayer.guards.hidden import hidden
from opslayer.guards.looked import Action, GuardUnavailable, Looked
from opslayer.guards.plain import plain
from opslayer.guards.signs import FOLDS, Signs, bare, joined

Score = Callable[[Sequence[str]], Sequence[float]]
"""The probability of harm for each text, given by its words and signs, 0 to 1."""

WINDOW, STEP = 600, 450
"""Characters of a window, and from one to the next: a sentence is never only in two halves."""
WINDOWS = 40
"""Windows of one text, at most; of a longer one the beginning, the end, and what lies between at
even distances."""
LONGEST = 64 * 2**10
"""Characters that patterns look at: what is longer is looked at in its windows alone."""
LATIN, CYRILLIC = "aeopcyxisdghnqwABEKMHOPCTX", "аеорсухіѕԁɡһոԛԝАВЕКМНОРСТХ"
HOMOGLYPHS = str.maketrans(CYRILLIC, LATIN)
LOOKALIKES = frozenset(CYRILLIC)
WORD = re.compile(r"\w+")
LETTERS = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Trained:
    """The guard."""

    code: str
    sentence: str
    patterns: tuple[str, ...]
    """RE2, over text in lower case."""
    signs: Signs
    """What the model looks at."""
    score: Score | None
    threshold: float
    """The probability from which a text is blocked."""

    def look(self, text: str) -> Looked:
        """Blocked or passed; raises GuardUnavailable without a model, unless a pattern blocks."""
        seen = latin(plain(text).text)
        also = hidden(seen)
        if self._matches(seen, also):
            return Looked(self.code, Action.BLOCKED, "", {"pattern": 1}, score=1.0)
        if self.score is None:
            raise GuardUnavailable(
                f"{self.code} has no model yet: opslayer run train_model guard-{self.code}"
            )
        behind = [part for one in also for part in windows(one)][: WINDOWS // 2]
        parts = [*behind, *windows(seen, WINDOWS - len(behind))]
        found = max(self.score([self.signs.read(part) for part in parts]), default=0.0)
        if found >= self.threshold:
            return Looked(self.code, Action.BLOCKED, "", {"model": 1}, score=found)
        return Looked(self.code, Action.PASSED, text, score=found)

    def _matches(self, seen: str, also: Sequence[str]) -> bool:
        pattern = _compiled(self.patterns)
        return any(pattern.search(view) for one in (seen, *also) for view in views(one))


def latin(text: str) -> str:
    """A text with Latin letters for their Cyrillic look-alikes, in words of Latin letters.

    A word in which only such look-alikes stand is Latin too, unless the text is a Cyrillic one.
    """
    if text.isascii() or LOOKALIKES.isdisjoint(text):
        return text
    western = 2 * len(LETTERS.findall(text)) > len(text) - text.count(" ")

    def read(match: re.Match[str]) -> str:
        word = match.group()
        if word.isascii():
            return word
        seen = word.translate(HOMOGLYPHS)
        return seen if LETTERS.search(word) or (western and seen.isascii()) else word

    return WORD.sub(read, text)


def views(text: str) -> Iterator[str]:
    """A text as it is, and as it reads without accents, leetspeak and spaces between letters."""
    lower = " ".join(text[:LONGEST].lower().split())
    seen = {lower}
    yield lower
    for view in (
        bare(lower),
        lower.translate(FOLDS),
        " ".join(joined(text[:LONGEST].lower()).split()),
    ):
        if view not in seen:
            seen.add(view)
            yield view


def windows(text: str, most: int = WINDOWS) -> list[str]:
    """A text in overlapping windows, at most so many: itself, where it is short."""
    if len(text) <= WINDOW:
        return [text]
    starts = list(range(0, len(text) - WINDOW + STEP, STEP))
    if len(starts) > most:
        starts = [starts[place * (len(starts) - 1) // (most - 1)] for place in range(most)]
    return [text[start : start + WINDOW] for start in starts]


@lru_cache(maxsize=8)
def _compiled(patterns: tuple[str, ...]) -> Any:
    import re2

    return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns))
