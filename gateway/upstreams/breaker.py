"""A circuit breaker: who keeps failing is left alone for a while, then asked once, then trusted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CONSECUTIVE = 5
"""Failures in a row that open it."""
WINDOW, SHARE = 20, 0.5
"""Of so many last calls, the share of failures that opens it too."""
FIRST, LONGEST = 1.0, 30.0
"""Seconds that it stays open: doubled each time the probe fails, at most the second."""


@dataclass(slots=True)
class Breaker:
    """One deployment's breaker. Times are the event loop's, in seconds."""

    open_until: float = 0.0
    pause: float = FIRST
    probing: bool = False
    """Whether it is half open, with its one call under way."""
    _row: int = 0
    _last: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def allows(self, now: float) -> bool:
        """Whether a call may be made now: when closed, or as the one probe of a half-open one."""
        if not self.open_until:
            return True
        return now >= self.open_until and not self.probing

    def begin(self, now: float) -> None:
        """A call is made."""
        if self.open_until and now >= self.open_until:
            self.probing = True

    def succeeded(self) -> None:
        """A call came to an answer: it closes."""
        self.open_until, self.pause, self.probing, self._row = 0.0, FIRST, False, 0
        self._last.append(False)

    def failed(self, now: float) -> None:
        """A call failed."""
        self._row += 1
        self._last.append(True)
        if self.probing:
            self.pause = min(LONGEST, 2 * self.pause)
            self._open(now)
        elif self._row >= CONSECUTIVE or self._fails_often():
            self._open(now)

    def left(self) -> None:
        """A call was given up, and tells nothing about the deployment."""
        self.probing = False

    def hold(self, until: float) -> None:
        """The deployment itself has said when to come again."""
        self.open_until = max(self.open_until, until)
        self.probing = False

    def _fails_often(self) -> bool:
        return len(self._last) == WINDOW and sum(self._last) >= SHARE * WINDOW

    def _open(self, now: float) -> None:
        self.open_until, self.probing, self._row = now + self.pause, False, 0
        self._last.clear()
