"""How long a server asks to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from time import time


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, 10.2.3); None where there is none.

    Never below 0, and without an upper bound: whoever believes it sets one.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 (NaN)
