"""Ask a pool of upstreams outside any call: for flows, a few conversations at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from opslayer.capability import Capability, Upstream
from opslayer.errors import NotFound, StoreError

if TYPE_CHECKING:
    import httpx

AT_ONCE = 4
"""Conversations under way: what calls need of the upstream's quota is not for flows."""
ATTEMPTS = 3

Messages = Sequence[Mapping[str, Any]]


class Busy(Exception):
    """The upstream can't answer now, and may in a moment."""


class Unanswered(NamedTuple):
    """A conversation without a reply."""

    why: str
    """In words that hold nothing of what was said."""


def converse(
    capability: Capability, pool: str, conversations: Sequence[Messages]
) -> list[str | None]:
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
    failed = [one.why for one in said if isinstance(one, Unanswered)]
    if conversations and len(failed) == len(said):
        raise StoreError(
            f"upstream {upstream.name} at {upstream.base_url} answers nothing: {failed[0]}"
        )
    return [None if isinstance(one, Unanswered) else one for one in said]


def _deployment(capability: Capability, pool: str) -> Upstream:
    found = [one for one in capability.upstreams if one.pool == pool]
    if not found:
        there = ", ".join(capability.pools) or "none"
        raise NotFound(f"{capability.name} has no pool {pool}; there are {there}")
    return max(found, key=lambda one: one.weight)


def _ask(client: httpx.Client, upstream: Upstream, messages: Messages) -> str | Unanswered:
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
        if not reply.is_success:
            return Unanswered(f"status {reply.status_code}")
        text = reply.json()["choices"][0]["message"]["content"]
    except (Busy, httpx.HTTPError) as error:
        return Unanswered(str(error) or type(error).__name__)
    except (ValueError, KeyError, IndexError, TypeError):
        return Unanswered("an answer in no form that is known")
    if not isinstance(text, str) or not text.strip():
        return Unanswered("an empty answer")
    return text
