"""Which name was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?` for the known name nearest to a mistyped one, or nothing."""
    names = list(known)
    near = get_close_matches(name.lower(), names, n=1)
    near = near or [known for known in names if name and known.startswith(name.lower())][:1]
    return f"; did you mean {near[0]}?" if near else ""
