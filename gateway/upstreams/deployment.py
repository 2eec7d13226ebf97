"""One deployment of a model, and how it does at the moment."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from gateway.exchange import Failure, FailureKind, Question
from gateway.upstreams.breaker import Breaker
from gateway.upstreams.faults import from_exception, from_status
from opslayer.capability import Upstream

log = logging.getLogger("opslayer.gateway")

LARGEST = 32 * 2**20
"""Bytes of an answer, at most; ten large pictures are about as much."""
AN_ERROR = 64 * 2**10
"""Bytes that are read of an error's body."""
ALPHA = 0.2
"""Weight of the newest call in the mean latency."""

NETWORK = (aiohttp.ClientError, OSError, ValueError, msgspec.DecodeError)
"""What may go wrong between here and an upstream, and in reading what it says."""

Session = Callable[[], aiohttp.ClientSession]


@dataclass(slots=True)
class Deployment:
    """An upstream with its live state."""

    upstream: Upstream
    session: Session
    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    latency: float = 0.0
    """Exponential mean of whole calls, in seconds; 0 before the first."""

    @property
    def load(self) -> float:
        """Calls under way per weight, were one more sent here."""
        return (self.in_flight + 1) / self.upstream.weight

    def ask(self, path: str, body: dict[str, Any], question: Question) -> Asking:
        """An answer of 200, whose body is read inside the block. Raises Failure, and tells the
        breaker how it went."""
        return Asking(self, path, body, question)

    def post(self, asking: Asking) -> Any:
        """The request, for what is left of the question's time."""
        remaining = asking.question.deadline - asking.begun
        times = self.upstream.timeouts
        timeout = aiohttp.ClientTimeout(
            total=max(0.001, min(times.total.total_seconds(), remaining)),
            sock_connect=times.connect.total_seconds(),
            sock_read=times.first_byte.total_seconds(),
        )
        return self.session().post(
            self.upstream.base_url + asking.path,
            data=msgspec.json.encode(asking.body),
            headers=self._headers(asking.question.trace.traceparent),
            timeout=timeout,
            allow_redirects=False,
        )

    def _headers(self, traceparent: str | None) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        variable = self.upstream.api_key_env
        if variable is not None:
            key = os.environ.get(variable)
            if not key:
                log.error("upstream %s: %s is not set", self.upstream.name, variable)
                said = f"upstream {self.upstream.name} has no key: set {variable}"
                raise Failure(FailureKind.DENIED, said, status=503)
            headers["authorization"] = f"Bearer {key}"
        return headers

    def answered(self, took: float) -> None:
        """It answered, within so many seconds."""
        self.breaker.succeeded()
        self.latency = took if not self.latency else self.latency + ALPHA * (took - self.latency)

    def note(self, failure: Failure, now: float) -> None:
        """Tell the breaker, unless it was the request's own fault."""
        if failure.kind is FailureKind.DENIED:
            log.error("upstream %s refuses our key: look at its configuration", self.upstream.name)
        if not failure.kind.falls_back or failure.kind is FailureKind.SCHEMA:
            self.breaker.left()
            return
        self.breaker.failed(now)
        if failure.retry_after:
            self.breaker.hold(now + failure.retry_after)


@dataclass(slots=True)
class Asking:
    """One call of a deployment, as a context that holds its answer."""

    deployment: Deployment
    path: str
    body: dict[str, Any]
    question: Question
    begun: float = 0.0
    reply: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> aiohttp.ClientResponse:
        one = self.deployment
        self.begun = asyncio.get_running_loop().time()
        one.in_flight += 1
        one.breaker.begin(self.begun)
        try:
            reply: aiohttp.ClientResponse = await one.post(self)
            self.reply = reply
            if reply.status != 200:
                said = await reply.content.read(AN_ERROR)
                raise from_status(reply.status, reply.headers, said, one.upstream.name)
        except BaseException as error:
            found = self._failed(error)
            if found is error:
                raise
            raise found from error
        return reply

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            assert self.reply is not None
            self.reply.release()
            self.deployment.in_flight -= 1
            self.deployment.answered(asyncio.get_running_loop().time() - self.begun)
            return
        found = self._failed(error)
        if found is not error:
            raise found from error

    def _failed(self, error: BaseException) -> BaseException:
        """Let go of the connection, and tell the breaker; the error as a Failure where it is one
        of the network's."""
        one, now = self.deployment, asyncio.get_running_loop().time()
        one.in_flight -= 1
        if self.reply is not None:
            self.reply.close()  # what was not read to its end takes its connection with it
        if isinstance(error, NETWORK):
            error = from_exception(error, one.upstream.name)
        if isinstance(error, Failure):
            one.note(error, now)
        else:  # the caller has gone
            one.breaker.left()
        return error


async def read_all(reply: aiohttp.ClientResponse) -> bytes:
    """A whole body, bounded; raises ValueError where it is longer."""
    parts, size = [], 0
    async for part in reply.content.iter_any():
        size += len(part)
        if size > LARGEST:
            raise ValueError("the answer is too long")
        parts.append(part)
    return b"".join(parts)
