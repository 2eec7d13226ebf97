"""The language of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from math import exp

SHORTEST = 12
"""Characters below which a text tells no language."""
SURE = 0.5
"""Probability from which on a language is told."""


@lru_cache(maxsize=64)
def language(text: str) -> tuple[str, float] | None:
    """The ISO 639 code of a text's language and its probability; None where the text is too short
    or the language not clear."""
    if len(text) < SHORTEST:
        return None
    scores = _identifier()(text)
    best, top = scores[0]
    # Scores are log-probabilities up to a constant.
    chance = 1 / sum(exp(max(-700.0, float(score) - float(top))) for _, score in scores)
    if chance < SURE or best == "zxx":  # no linguistic content
        return None
    return best, min(chance, 0.999)


@cache
def _identifier() -> Callable[[str], Sequence[tuple[str, float]]]:
    from py3langid import rank

    ranked: Callable[[str], Sequence[tuple[str, float]]] = rank
    return ranked
