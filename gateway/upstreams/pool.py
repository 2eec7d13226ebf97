"""A pool of deployments as one variant: asks the least loaded, then the next, within a budget."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.exchange import Failure, FailureKind, Question, Said
from gateway.prompts import Renderer
from gateway.structure import Check, checker
from gateway.upstreams.budget import RetryBudget
from gateway.upstreams.deployment import Deployment, read_all
from gateway.upstreams.faults import PAID
from gateway.upstreams.reading import Streamed, completion, pictures
from gateway.upstreams.wire import cost_of, usage_of
from opslayer.capability import Capability, Kind
from opslayer.records import Attempt, Usage

TRIES = 3
"""Deployments asked for one answer, at most."""
SLOW = 3.0
"""A deployment is an outlier at so many times its pool's median latency …"""
SLOW_SECONDS = 1.0
"""… and at least so many seconds."""


@dataclass(slots=True)
class Pool:
    """An `Answerer` that asks upstreams."""

    capability: Capability
    name: str
    deployments: Sequence[Deployment]
    renderer: Renderer | None
    budget: RetryBudget = field(default_factory=RetryBudget)

    async def say(self, question: Question) -> Said:
        """The first usable answer of a deployment; raises Failure with every attempt."""
        call = PoolCall(self, question)
        while (deployment := call.next()) is not None:
            try:
                said = await self._ask(deployment, call)
            except Failure as failure:
                call.failed(deployment, failure)
                continue
            return call.succeeded(deployment, said)
        raise call.failure()

    async def stream(self, question: Question) -> AsyncIterator[str | Said]:
        """As `say`, piece by piece; once a piece has left, no other deployment is asked."""
        call = PoolCall(self, question)
        if question.options.get("response_format") or question.options.get("tools"):
            said = await self.say(question)  # what has to be checked as a whole comes as a whole
            if said.output.get("reply"):
                yield str(said.output["reply"])
            yield said
            return
        while (deployment := call.next()) is not None:
            streamed = Streamed(deployment.upstream.name)
            try:
                async for piece in self._flow(deployment, call, streamed):
                    yield piece
            except Failure as failure:
                call.failed(deployment, failure, streamed.text)
                if streamed.text:
                    raise call.failure() from failure
                continue
            yield call.succeeded(deployment, self._priced(deployment, streamed.said(call.messages)))
            return
        raise call.failure()

    async def _ask(self, deployment: Deployment, call: PoolCall) -> Said:
        if self.capability.kind is Kind.IMAGE:
            return await self._ask_images(deployment, call)
        said = await self._complete(deployment, call, call.messages)
        wrong = await call.wrong_with(said)
        if wrong is None:
            return said
        # One chance to mend it: cheaper than a fallback, and it mostly works.
        mended = await self._complete(deployment, call, [
            *call.messages,
            {"role": "assistant", "content": said.output["reply"]},
            {"role": "user", "content": f"This does not fit the schema: {wrong}. Answer again with "
                                        "JSON alone."},
        ])  # fmt: skip
        still = await call.wrong_with(mended)
        cost = said.cost + mended.cost
        if still is not None:
            attempt = call.attempt(deployment, FailureKind.SCHEMA.value, cost)
            raise Failure(
                FailureKind.SCHEMA, f"the answer breaks its schema: {still}", attempts=(attempt,)
            )
        usage = Usage(
            input=said.usage.input + mended.usage.input,
            output=said.usage.output + mended.usage.output,
            estimated=said.usage.estimated or mended.usage.estimated,
        )
        return Said(mended.output, usage=usage, cost=cost, finish=mended.finish)

    async def _complete(
        self, deployment: Deployment, call: PoolCall, messages: list[dict[str, Any]]
    ) -> Said:
        body = call.body(deployment, messages)
        name = deployment.upstream.name
        async with deployment.ask("/chat/completions", body, call.question) as reply:
            said = completion(reply, await read_all(reply), messages, name)
        return self._priced(deployment, said)

    async def _ask_images(self, deployment: Deployment, call: PoolCall) -> Said:
        question = call.question
        body = {
            **call.options,
            "model": deployment.upstream.model,
            "prompt": question.input["prompt"],
            "n": question.input.get("n") or 1,
        }
        async with deployment.ask("/images/generations", body, question) as reply:
            images = pictures(reply, await read_all(reply), deployment.upstream.name)
        cost = len(images) * deployment.upstream.price.image
        return Said({"images": images}, cost=cost)

    async def _flow(
        self, deployment: Deployment, call: PoolCall, streamed: Streamed
    ) -> AsyncIterator[str]:
        body = {**call.body(deployment, call.messages), "stream": True}
        body["stream_options"] = {"include_usage": True}
        idle = deployment.upstream.timeouts.idle.total_seconds()
        async with deployment.ask("/chat/completions", body, call.question) as reply:
            if "json" in reply.content_type:  # it does not stream, or says what is wrong
                yield streamed.take_whole(
                    completion(reply, await read_all(reply), [], streamed.name)
                )
                return
            streamed.check_kind(reply)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(idle) as limit:
                async for raw in reply.content.iter_any():
                    for piece in streamed.feed(raw):
                        limit.reschedule(loop.time() + idle)
                        if piece:
                            yield piece
                    if streamed.done:
                        break
            streamed.finish()

    def _priced(self, deployment: Deployment, said: Said) -> Said:
        said.cost = cost_of(said.usage, deployment.upstream.price)
        return said

    def choose(self, tried: Sequence[Deployment], now: float) -> Deployment | None:
        """The least loaded deployment that may be asked and was not; one of equals by chance."""
        if len(self.deployments) == 1:
            only = self.deployments[0]
            return only if only not in tried and only.breaker.allows(now) else None
        free = [one for one in self.deployments if one not in tried and one.breaker.allows(now)]
        slow = self._outliers(free)
        fit = [one for one in free if one not in slow] or free
        return min(fit, key=lambda one: (one.load, random.random()), default=None)  # noqa: S311

    def _outliers(self, free: Sequence[Deployment]) -> list[Deployment]:
        """Deployments much slower than their neighbours: at most half of them, and each is asked
        now and then, so that it can show that it has become better."""
        known = sorted(one.latency for one in free if one.latency)
        if len(known) < 2:
            return []
        median = known[(len(known) - 1) // 2]
        bound = max(SLOW * median, SLOW_SECONDS)
        slow = [one for one in free if one.latency > bound and random.random() > 0.02]  # noqa: S311
        return slow[: len(free) // 2]


@dataclass(slots=True)
class PoolCall:
    """One call of a pool: what was tried, and what came of it."""

    pool: Pool
    question: Question
    messages: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    check: Check | None = None
    attempts: list[Attempt] = field(default_factory=list)
    tried: list[Deployment] = field(default_factory=list)
    last: Failure | None = None
    begun: float = 0.0

    def __post_init__(self) -> None:
        options = self.question.options
        self.options = {name: value for name, value in options.items() if name != "metadata"}
        self.messages = list(self.question.input.get("messages") or ())
        if self.pool.renderer is not None:
            said = self.pool.renderer.render(options.get("metadata"))
            self.messages = [{"role": "system", "content": said}, *self.messages]
        self.check = checker(options.get("response_format"))

    async def wrong_with(self, said: Said) -> str | None:
        """Why a reply has not the structure that was asked for; looked at beside other calls."""
        if self.check is None:
            return None
        return await asyncio.to_thread(self.check, str(said.output.get("reply") or ""))

    def next(self) -> Deployment | None:
        """The deployment to ask now; None where one has answered all there is to ask, or time or
        retries are used up."""
        now, pool = asyncio.get_running_loop().time(), self.pool
        if not self.tried:
            pool.budget.called()
        if now >= self.question.deadline:
            self.last = self.last or Failure(
                FailureKind.TIMEOUT, "the time for an answer is over", status=504
            )
            return None
        if len(self.tried) >= TRIES:
            return None
        deployment = self._next(now)
        if deployment is None or (self.tried and not pool.budget.take()):
            return None
        self.tried.append(deployment)
        self.begun = now
        self.question.trace.ask(deployment.upstream)
        return deployment

    def _next(self, now: float) -> Deployment | None:
        last = self.last
        if last is None or last.kind.falls_back:
            return self.pool.choose(self.tried, now)
        if last.kind is FailureKind.BAD_REQUEST:  # perhaps too long, and another takes more
            context = self.tried[-1].upstream.context or 0
            smaller = [
                one
                for one in self.pool.deployments
                if not (context and (one.upstream.context or 0) > context)
            ]
            return self.pool.choose([*self.tried, *smaller], now)
        return None

    def failed(self, deployment: Deployment, failure: Failure, sent: str = "") -> None:
        """Note an attempt in vain, and what it has cost all the same."""
        self.last = failure
        self.question.trace.heard(failure.kind.value)
        if failure.attempts:
            self.attempts += failure.attempts
            return
        cost = 0.0
        if sent or failure.kind in PAID:
            cost = cost_of(usage_of(None, self.messages, sent), deployment.upstream.price)
        self.attempts.append(self.attempt(deployment, failure.kind.value, cost))

    def succeeded(self, deployment: Deployment, said: Said) -> Said:
        """The answer, with everything that was tried for it."""
        self.question.trace.heard("ok", said)
        self.attempts.append(self.attempt(deployment, "ok", said.cost))
        said.attempts = tuple(self.attempts)
        said.cost = sum(attempt.cost for attempt in self.attempts)
        return said

    def attempt(self, deployment: Deployment, outcome: str, cost: float) -> Attempt:
        """A record of one try."""
        took = (asyncio.get_running_loop().time() - self.begun) * 1000
        return Attempt.trusted(
            variant=self.pool.name,
            upstream=deployment.upstream.name,
            outcome=outcome,
            latency_ms=round(took, 3),
            cost=cost,
        )

    def failure(self) -> Failure:
        """The last failure, with every attempt."""
        last = self.last or Failure(
            FailureKind.OUTAGE, f"no upstream of {self.pool.name} can be asked now", status=503
        )
        last.attempts = tuple(self.attempts)
        return last

    def body(self, deployment: Deployment, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """What is sent for a completion."""
        return {**self.options, "model": deployment.upstream.model, "messages": messages}
