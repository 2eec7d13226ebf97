"""The most that a call can cost, before it is made."""

from __future__ import annotations

from gateway.exchange import Question
from gateway.upstreams.pool import TRIES
from opslayer.capability import Kind

ANSWER = 4_096
"""Tokens of an answer where the request sets no bound."""
CHARACTERS = 2
"""Of a token, at worst in languages that are priced by it."""


def worst_cost(question: Question) -> float:
    """Money for a call whose every try is paid for in full."""
    upstreams = question.capability.upstreams
    tries = min(TRIES, len(upstreams))
    if not tries:
        return 0.0
    if question.capability.kind is Kind.IMAGE:
        pictures = int(question.input.get("n") or 1)
        return tries * pictures * max(one.price.image for one in upstreams)
    asked = question.options.get("max_completion_tokens") or question.options.get("max_tokens")
    answer = asked if isinstance(asked, int) and asked > 0 else ANSWER
    prompt = len(str(question.input.get("messages", ""))) / CHARACTERS
    each = ((prompt * one.price.input + answer * one.price.output) / 1_000_000 for one in upstreams)
    return tries * max(each)
