"""What an upstream says, as far as it matters here, and what that costs."""

from __future__ import annotations

from typing import Any

import msgspec

from opslayer.capability import Price
from opslayer.records import Usage

CHARACTERS = 4
"""Of a token, on average, where the upstream does not count: the rule of thumb for English."""


class Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct):
    message: Message = msgspec.field(default_factory=Message)
    delta: Message = msgspec.field(default_factory=Message)
    finish_reason: str | None = None


class Picture(msgspec.Struct):
    b64_json: str | None = None


class Reply(msgspec.Struct):
    """A completion, one chunk of a stream, or pictures."""

    choices: list[Choice] = msgspec.field(default_factory=list)
    data: list[Picture] = msgspec.field(default_factory=list)
    usage: Counts | None = None
    error: Any = None


decode = msgspec.json.Decoder(Reply).decode


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return (len(text) + CHARACTERS - 1) // CHARACTERS


def prompt_tokens(messages: list[dict[str, Any]]) -> int:
    """About how many tokens a conversation is."""
    return sum(tokens(text_of(message)) + CHARACTERS for message in messages)


def text_of(message: dict[str, Any]) -> str:
    """A message's text, of whatever parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def usage_of(counts: Counts | None, messages: list[dict[str, Any]], said: str) -> Usage:
    """What was paid for: as the upstream counts, else as estimated here."""
    if counts is not None and (counts.prompt_tokens or counts.completion_tokens):
        return Usage(input=max(0, counts.prompt_tokens), output=max(0, counts.completion_tokens))
    return Usage(input=prompt_tokens(messages), output=tokens(said), estimated=True)


def cost_of(usage: Usage, price: Price) -> float:
    """Money for tokens."""
    return (usage.input * price.input + usage.output * price.output) / 1_000_000
