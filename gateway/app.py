"""The gateway as an ASGI application: one door through which every call goes.

Admission, then the route, then the key and its role, then the route's handler. A path that is not
in the table of routes does not exist, and a route can't be written without saying what it needs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway import logs
from gateway.access import Access, Denied, Limits, Purse
from gateway.admission import Admission
from gateway.answer import Answered, Answering, Trail, headers_of, later
from gateway.body import BodyError
from gateway.call import LEAVES, UNASKED, Call, HttpError, Receive, Scope, Send
from gateway.errors import reply_error
from gateway.exchange import UNTRACED, Failure, Question, Trace
from gateway.guarding import Guarding, refusal
from gateway.idempotency import Once, Turn, body_digest, unanswered
from gateway.ids import Ids
from gateway.journal import Capture, Overloaded
from gateway.metrics import Metrics
from gateway.protocols.openai import Chat, Images
from gateway.route import Plan
from gateway.routes import Needs, Route, Routes, Shape
from gateway.serving import Board, Serving
from gateway.shadow import Shadows
from gateway.spending import worst_cost
from gateway.table import table
from gateway.tracing import Tracing
from opslayer.errors import StoreError
from opslayer.guards.looked import Blocked
from opslayer.records import Interaction, Role, Status, Usage
from opslayer.stores import Stores
from opslayer.stores.ledger.idempotency import Wanted
from opslayer.stores.secret import subject_hash

log = logging.getLogger("opslayer.gateway")

Ask = Chat | Images
SUBJECT = 512
"""Characters of a subject, at most."""
KEY = 255
"""Characters of an idempotency key, at most."""


@dataclass(slots=True)
class Parts:
    """What a gateway is made of."""

    stores: Stores
    secret: bytes
    board: Board
    access: Access
    admission: Admission
    capture: Capture
    limits: Limits
    purse: Purse
    once: Once
    metrics: Metrics
    tracing: Tracing


class Gateway:
    """Answers every call of the API. `start` before the first call, `stop` after the last."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.stores, self.board, self.metrics = parts.stores, parts.board, parts.metrics
        self.access, self.admission, self.once = parts.access, parts.admission, parts.once
        self.ids = Ids(parts.secret)
        shadows = Shadows(parts.capture, lambda: self.admission.under_way, self.metrics.shadow)
        self.answering = Answering(parts.capture, self._note, shadows)
        self.exposed: dict[str, None] = {}
        """Ids of exposures that this worker has kept, oldest first."""
        self.routes = Routes(table(self))

    async def start(self) -> None:
        """Read keys and releases, and load what serves."""
        self.admission.start()
        self.parts.tracing.start()
        self.parts.purse.start()
        await self.access.start()
        await self.board.start()

    async def stop(self) -> None:
        """Follow no more news, and make durable what is still to be written."""
        self.admission.stop()
        await self.board.stop()
        await self.access.stop()
        await self.parts.purse.stop()
        await self.board.builder.close()
        await self.parts.capture.close()
        self.parts.limits.close()
        await self.parts.tracing.stop()

    def waiting(self) -> list[str]:
        """Why a call would not be answered now; empty where it would."""
        servings = list(self.board)
        found = [f"{one.capability.name}: {one.reason}" for one in servings if not one.ready]
        return found if servings else ["no capability is loaded"]

    def faults(self) -> list[str]:
        """What is not well although calls are answered."""
        found = [f"{place}: {said}" for place, said in self.board.faults.items()]
        if self.access.fault:
            found.append(f"keys: {self.access.fault}")
        if self.parts.capture.failure:
            found.append(f"capture: {self.parts.capture.failure}")
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = Call(scope, receive, send)
        call.headers = dict(scope["headers"])
        found = self.routes.find(scope["path"])
        route = found[0].get(scope["method"]) if found else None
        shape = route.errors if route else shape_of(scope["path"])
        try:
            if found is None or route is None:
                raise absent(found[0] if found else None)
            call.params = found[1]
            await self._admit(call, route)
        except Exception as error:  # the door: whatever happens, the caller gets an answer
            await self._refuse(call, shape, error)
        finally:
            call.trace.end(call.status, call.error)

    async def _admit(self, call: Call, route: Route) -> None:
        """Let a call in, if it may come and there is room, to its route's handler."""
        if not route.sheds:
            await self._check(call, route)
            await route.handler(call)
            return
        self.admission.under_way += 1
        call.aside = lambda: self.admission.aside(call.caller.tenant)
        call.full = self.admission.crowded if UNASKED in call.scope else None
        try:
            await self._check(call, route)
            if b"content-encoding" in call.headers:
                raise HttpError(415, "unsupported_encoding", "send the body as it is, not packed")
            await route.handler(call)
        finally:
            self.admission.done()

    async def _check(self, call: Call, route: Route) -> None:
        if route.needs is Needs.PUBLIC:
            self.access.check_origin(call.headers)
            return
        role = route.needs if isinstance(route.needs, Role) else None
        call.caller = await self.access.admit(call.headers, role)
        self.parts.limits.take(self.access.terms(call.caller))

    async def _refuse(self, call: Call, shape: Shape, error: Exception) -> None:
        known = as_http(error)
        call.error = known.code if known else "internal_error"
        if call.status:  # the reply has begun: it can only be broken off
            log.error("a reply broke off: %s", type(error).__name__)
            raise error
        if known is None:
            log.error("internal error: %s", type(error).__name__, exc_info=error)
            known = HttpError(500, "internal_error", "this is a fault of the gateway; it is logged")
        self.metrics.refused(known.code, known.status)
        await reply_error(call, known, shape)

    async def ask(self, call: Call, serving: Serving, raw: bytes, ask: Ask) -> None:
        """Answer one chat or image call, once for its idempotency key."""
        guarding = Guarding.of(serving)
        question = self.question(call, serving, ask.user)
        question.stream, question.options = ask.stream, ask.options
        try:
            question.input = await self.admission.line.run(lambda: ask.input(guarding))
        except Blocked as blocked:
            raise await self._blocked(question, guarding, serving.plan, blocked) from None
        turn = await self._turn(call, question, raw)
        if turn is None or turn.mine:
            with self.once.going(turn) if turn else nullcontext():
                await self._answer(call, serving.plan, guarding, question, ask)
            return
        earlier = await self._earlier(question, turn, 1)
        if earlier:
            await ask.again(guarding.again(earlier[0]))
            return
        retaken = question.id != turn.id
        plan = serving.plan if retaken else serving.plan.once()
        await self._answer(call, plan, guarding, question, ask)

    async def _answer(
        self, call: Call, plan: Plan, guarding: Guarding, question: Question, ask: Ask
    ) -> None:
        self.parts.capture.check()
        terms = self.access.terms(call.caller)
        hold = await self.parts.purse.hold(terms, worst_cost(question) if terms else 0.0)
        try:
            call.scope[LEAVES] = asyncio.current_task() if plan.waits else None
            if isinstance(ask, Chat) and question.stream:
                await self.answering.stream(question, plan, guarding, ask)
            else:
                await ask.whole(await self.answering.answer(question, plan, guarding))
        finally:
            call.scope[LEAVES] = None
            if hold.account is not None:
                later(self.parts.purse.settle(hold, question.cost))

    async def predict(
        self, call: Call, serving: Serving, rows: Sequence[Mapping[str, Any]], raw: bytes
    ) -> list[Answered]:
        """Answer rows of input columns, each as an interaction of its own.

        Raises HttpError 400 with everything that is wrong with any row, and nothing is answered.
        """
        guarding = Guarding.of(serving)
        first = self.question(call, serving, None)
        try:
            inputs = await self.admission.line.run(lambda: guarding.rows(rows))
        except Blocked as blocked:
            raise await self._blocked(first, guarding, serving.plan, blocked) from None
        turn = await self._turn(call, first, raw)
        if turn is not None and not turn.mine:
            earlier = await self._earlier(first, turn, len(rows))
            if earlier:
                return [guarding.again(one) for one in earlier]
        questions = [
            replace(first, id=self.ids.nth(first.id, place), input=given)
            for place, given in enumerate(inputs)
        ]
        for question in questions[1:]:  # one span for the call, not one for each of its rows
            question.trace = UNTRACED
        plan = serving.plan
        self.parts.capture.check()
        with self.once.going(turn) if turn and turn.mine else nullcontext():
            if len(questions) == 1:
                return [await self.answering.answer(questions[0], plan, guarding)]
            asked = (self.answering.answer(one, plan, guarding) for one in questions)
            # The key is held until every row has ended, well or not: a repeat must find them all.
            answered = await asyncio.gather(*asked, return_exceptions=True)
        failed = [one for one in answered if isinstance(one, BaseException)]
        if failed:
            raise failed[0]
        return [one for one in answered if isinstance(one, Answered)]

    def question(self, call: Call, serving: Serving, user: str | None) -> Question:
        """A question of this call, without its input."""
        capability, tenant = serving.capability, call.caller.tenant
        deadline = asyncio.get_running_loop().time() + capability.answer.deadline.total_seconds()
        call.trace = self.parts.tracing.begin(call.headers, capability)
        return Question(
            id=self.ids.new(capability.name, tenant),
            capability=capability,
            at=datetime.now(UTC),
            caller=call.caller,
            input={},
            subject=self._subject(call, user),
            deadline=deadline,
            trace=call.trace,
        )

    def _subject(self, call: Call, user: str | None) -> str | None:
        """The keyed hash of whom the answer is for: the header, or OpenAI's `user`."""
        said = call.header(b"x-opslayer-subject") or user
        if not said:
            return None
        if len(said) > SUBJECT:
            raise HttpError(
                400, "invalid_subject", f"the subject is longer than {SUBJECT} characters"
            )
        return subject_hash(self.parts.secret, call.caller.tenant, said)

    async def _turn(self, call: Call, question: Question, raw: bytes) -> Turn | None:
        """This call's turn at its idempotency key; None where it has none."""
        key = call.header(b"idempotency-key")
        if key is None:
            return None
        if not 1 <= len(key) <= KEY or not key.isprintable():
            raise HttpError(
                400, "invalid_key", f"Idempotency-Key: write 1 to {KEY} visible characters"
            )
        digest = body_digest(call.scope["path"], question.subject, raw)
        turn = await self.once.claim(Wanted(call.caller.tenant, key, digest, question.id))
        question.id = turn.id
        return turn

    async def _earlier(self, question: Question, turn: Turn, rows: int) -> list[Interaction]:
        """What the first call with a key was answered.

        Empty where nobody knows, and where it came to no answer, in which case the question gets an
        id of its own. Raises HttpError 409 where another repeat was quicker to try again.
        """
        ids = [self.ids.nth(turn.id, place) for place in range(rows)]
        found = await self.once.first(turn, ids, question.deadline)
        if not any(map(unanswered, found)):
            return found
        fresh = self.ids.new(question.capability.name, question.caller.tenant)
        if not await self.once.retake(turn, fresh):
            raise HttpError(
                409, "in_progress", "this call is being tried again already", retry_after=1
            )
        question.id = fresh
        return []

    async def _blocked(
        self, question: Question, guarding: Guarding, plan: Plan, blocked: Blocked
    ) -> HttpError:
        """Keep that a guard refused an input, which itself is not kept; what the caller hears."""
        trail = Trail(question, plan, guarding)
        interaction = trail.interaction(Status.REFUSED, {}, Usage())
        await self.answering.keep(trail, interaction)
        error = refusal(blocked.looked)
        error.headers = tuple(headers_of(interaction))
        return error

    def _note(self, interaction: Interaction, trace: Trace) -> None:
        self.metrics.interaction(interaction)
        logs.line(interaction, trace.id)
        trace.answered(interaction)


def absent(methods: dict[str, Route] | None) -> HttpError:
    """404 for no such path, 405 for one that takes other methods."""
    if methods is None:
        return HttpError(
            404, "not_found", "there is no such path; /openapi.json lists what there is"
        )
    allowed = ", ".join(sorted(methods))
    header = (b"allow", allowed.encode())
    return HttpError(405, "method_not_allowed", f"this path takes {allowed}", headers=[header])


def shape_of(path: str) -> Shape:
    """The form of errors on a path that no route has."""
    return Shape.OPENAI if path.startswith("/v1/") else Shape.PROBLEM


def as_http(error: Exception) -> HttpError | None:  # noqa: PLR0911 - one line for each kind
    """An error that the caller should read; None for one that nobody foresaw."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, BodyError):
        again = 1.0 if error.status == 503 else None
        return HttpError(error.status, error.code, str(error), retry_after=again)
    if isinstance(error, Denied):
        return HttpError(
            error.status,
            error.code,
            str(error),
            retry_after=error.retry_after,
            headers=error.headers,
        )
    if isinstance(error, Overloaded):
        return HttpError(503, "overloaded", str(error), retry_after=error.retry_after)
    if isinstance(error, Failure):
        return HttpError(error.status, error.kind.value, str(error), retry_after=error.retry_after)
    if isinstance(error, StoreError):
        return HttpError(503, "store_away", "a store does not answer; try again", retry_after=1)
    return None
