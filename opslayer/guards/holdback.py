"""A stream's end is held back until what follows it was looked at too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 4096
"""Characters without a space that are held back, at most: no form of personal data is as long."""
STEP = 64
"""New characters that are waited for before the text is looked at again."""

Look = Callable[[str], str]
"""The text with masks in it; raises Blocked."""


@dataclass(slots=True)
class HoldBack:
    """Lets text go in stretches, each looked at together with `hold` characters behind it.

    A stretch ends at a space, so that no word is looked at in two halves; and where the text up to
    there, looked at alone, comes out as it does within the whole, so that nothing that was found is
    cut in two.
    """

    look: Look
    hold: int
    """Characters; 0 where nothing has to be looked at."""
    _waiting: str = ""
    _looked: int = 0

    def feed(self, piece: str) -> str:
        """What may leave now; raises Blocked."""
        if not self.hold:
            return self.look(piece)
        self._waiting += piece
        if len(self._waiting) < self.hold + STEP or len(self._waiting) - self._looked < STEP:
            return ""
        self._looked = len(self._waiting)
        whole = self.look(self._waiting)
        cut = len(self._waiting) - self.hold
        while cut > 0:
            cut = self._space_before(cut)
            head, rest = self._waiting[:cut], self._waiting[cut:]
            if head and self.look(head) + self.look(rest) == whole:
                self._waiting, self._looked = rest, len(rest)
                return self.look(head)
            cut -= 1
        return ""

    def end(self) -> str:
        """All that is left; raises Blocked."""
        rest, self._waiting = self._waiting, ""
        return self.look(rest) if rest else ""

    def _space_before(self, cut: int) -> int:
        space = self._waiting.rfind(" ", 0, cut)
        if space >= 0:
            return space + 1
        return cut if len(self._waiting) > LONGEST else 0
