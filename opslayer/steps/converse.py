"""Ask a pool of upstreams outside any call: for flows, a few conversations at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslayer.capability import Capability, Upstream
from opslayer.errors import NotFound, StoreError

if TYPE_CHECKING:
    import httpx

AT_ONCE = 4
"""Conversations under way: what calls need of the upstream's quota is not for flows."""
ATTEMPTS = 3
MILLION = 1_000_000

Messages = Sequence[Mapping[str, Any]]


class Busy(Exception):
    """The upstream can't answer now, and may in a moment."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one conversation was answered."""

    text: str
    cost: float
    """By the upstream's price and what it says it has used."""


def converse(
    capability: Capability, pool: str, conversations: Sequence[Messages]
) -> list[Reply | None]:
    """An answer to each conversation by the pool's heaviest deployment; None where there is none.

    Raises NotFound for a pool that the file does not declare, and StoreError where not a single
    conversation was answered.
    """
    import httpx

    upstream = _deployment(capability, pool)
    times = upstream.timeouts
    timeout = httpx.Timeout(times.first_byte.total_seconds(), connect=times.connect.total_seconds())
    with httpx.Client(timeout=timeout) as client, ThreadPoolExecutor(AT_ONCE) as threads:
        said = list(threads.map(lambda one: _ask(client, upstream, one), conversations))
    replies = [one if isinstance(one, Reply) else None for one in said]
    if conversations and not any(replies):
        raise StoreError(
            f"upstream {upstream.name} at {upstream.base_url} answers nothing: {said[0]}"
        )
    return replies


def _deployment(capability: Capability, pool: str) -> Upstream:
    found = [one for one in capability.upstreams if one.pool == pool]
    if not found:
        there = ", ".join(capability.pools) or "none"
        raise NotFound(f"{capability.name} has no pool {pool}; there are {there}")
    return max(found, key=lambda one: one.weight)


def _ask(client: httpx.Client, upstream: Upstream, messages: Messages) -> Reply | str:
    """The reply, or why there is none; in words that hold nothing of what was said."""
    import httpx
    import stamina

    headers = {}
    if upstream.api_key_env is not None:
        headers["authorization"] = f"Bearer {os.environ.get(upstream.api_key_env, '')}"
    body = {"model": upstream.model, "messages": list(messages)}
    url = f"{upstream.base_url}/chat/completions"
    try:
        for attempt in stamina.retry_context(on=Busy, attempts=ATTEMPTS, wait_initial=0.2):
            with attempt:
                reply = client.post(url, json=body, headers=headers)
                if reply.status_code in (429, 500, 502, 503, 504):
                    raise Busy(f"status {reply.status_code}")
        return _read(upstream, reply.json()) if reply.is_success else f"status {reply.status_code}"
    except (Busy, httpx.HTTPError) as error:
        return str(error) or type(error).__name__
    except (ValueError, KeyError, IndexError, TypeError):
        return "an answer in no form that is known"


def _read(upstream: Upstream, said: dict[str, Any]) -> Reply | str:
    text = said["choices"][0]["message"]["content"]
    if not isinstance(text, str) or not text.strip():
        return "an empty answer"
    usage = said.get("usage") or {}
    price = upstream.price
    cost = price.input * int(usage.get("prompt_tokens") or 0)
    cost += price.output * int(usage.get("completion_tokens") or 0)
    return Reply(text, cost / MILLION)
