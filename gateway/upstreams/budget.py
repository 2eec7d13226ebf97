"""A retry budget: retries are a share of the calls, so that they never multiply a bad hour."""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.1
"""Retries per call."""
MOST = 10.0
"""Retries that may be saved up; also what there is at the start, so that a lone call may retry."""


@dataclass(slots=True)
class RetryBudget:
    """The retries that one pool may make."""

    saved: float = MOST

    def called(self) -> None:
        """A call was made, which earns a share of a retry."""
        self.saved = min(MOST, self.saved + SHARE)

    def take(self) -> bool:
        """Whether a retry may be made; if so, it is spent."""
        if self.saved < 1:
            return False
        self.saved -= 1
        return True
