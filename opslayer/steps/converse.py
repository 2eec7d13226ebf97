"""Ask a pool of upstreams outside any call: for flows, a few conversations at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opslayer.capability import Capability, Upstream
from opslayer.errors import NotFound, StoreError
from opslayer.settings import Settings

if TYPE_CHECKING:
    import aiohttp

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
    upstream = _deployment(capability, pool)
    said = asyncio.run(_ask_all(upstream, conversations))
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


async def _ask_all(upstream: Upstream, conversations: Sequence[Messages]) -> list[str | Unanswered]:
    import aiohttp

    # Read here and handed on by nobody: what flows pass to steps is seen by others.
    reach, headers = Settings().upstream_reach, {}
    if upstream.api_key_env is not None:
        headers["authorization"] = f"Bearer {os.environ.get(upstream.api_key_env, '')}"
    times = upstream.timeouts
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, socket_factory=reach.socket),
        timeout=aiohttp.ClientTimeout(
            total=None,
            sock_connect=times.connect.total_seconds(),
            sock_read=times.first_byte.total_seconds(),
        ),
        headers=headers,
        trust_env=False,
    ) as session:
        return await asyncio.gather(*(_ask(session, upstream, one) for one in conversations))


async def _ask(
    session: aiohttp.ClientSession, upstream: Upstream, messages: Messages
) -> str | Unanswered:
    import aiohttp
    import stamina

    body = {"model": upstream.model, "messages": list(messages)}
    url = f"{upstream.base_url}/chat/completions"
    try:
        async for attempt in stamina.retry_context(on=Busy, attempts=ATTEMPTS, wait_initial=0.2):
            with attempt:
                async with session.post(url, json=body, allow_redirects=False) as reply:
                    if reply.status in (429, 500, 502, 503, 504):
                        raise Busy(f"status {reply.status}")
                    if not 200 <= reply.status < 300:
                        return Unanswered(f"status {reply.status}")
                    said = await reply.json(content_type=None)
        text = said["choices"][0]["message"]["content"]
    except (Busy, aiohttp.ClientError, OSError) as error:
        return Unanswered(str(error) or type(error).__name__)
    except (ValueError, KeyError, IndexError, TypeError):
        return Unanswered("an answer in no form that is known")
    if not isinstance(text, str) or not text.strip():
        return Unanswered("an empty answer")
    return text
