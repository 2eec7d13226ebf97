"""The upstreams of one worker: one session, and deployments that outlive a release."""

from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp

from gateway.prompts import Renderer
from gateway.upstreams.budget import RetryBudget
from gateway.upstreams.deployment import Deployment
from gateway.upstreams.pool import Pool
from opslayer.capability import Capability, Upstream
from opslayer.reach import Reach

HEADERS = 64 * 2**10
"""Bytes of a line of an answer's head, at most."""


@dataclass(slots=True)
class Upstreams:
    """Makes pools; a deployment that a changed file still declares keeps its breaker and load."""

    reach: Reach
    """Where they may be."""
    _session: aiohttp.ClientSession | None = None
    _deployments: dict[str, Deployment] = field(default_factory=dict)
    _budgets: dict[tuple[str, str], RetryBudget] = field(default_factory=dict)

    def pool(self, capability: Capability, name: str, renderer: Renderer | None) -> Pool:
        """A pool of the capability's upstreams as a variant."""
        declared = [one for one in capability.upstreams if one.pool == name]
        deployments = [
            self._deployment(f"{capability.name}/{one.model_dump_json()}", one) for one in declared
        ]
        budget = self._budgets.setdefault((capability.name, name), RetryBudget())
        return Pool(capability, name, deployments, renderer, budget)

    def session(self) -> aiohttp.ClientSession:
        """The session that all calls share; made at the first, in the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0, ttl_dns_cache=30, socket_factory=self.reach.socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                max_line_size=HEADERS,
                max_field_size=HEADERS,
            )
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    def _deployment(self, key: str, upstream: Upstream) -> Deployment:
        if key not in self._deployments:
            self._deployments[key] = Deployment(upstream, self.session)
        return self._deployments[key]
