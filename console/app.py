"""The console as an ASGI application: every page, and which role it needs.

The table is the one source of what there is. A page that is not in it does not exist, none can be
written without saying what it needs, and none is shown before it is known who looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from console.desk import Desk
from console.entry import COOKIE, LASTS, Denied, Reviewer, admit, check_sender, sign_in
from console.pages import (
    capability,
    experiments,
    interaction,
    numbers,
    overview,
    releases,
    reports,
    review,
)
from console.shell import HEADERS, SCRIPT, SHEET, document, form, sent, words
from opslayer.errors import NotFound, OpslayerError, StoreError
from opslayer.records import Role
from opslayer.reports.page import paragraph

log = logging.getLogger("opslayer.console")

FORM = 64 * 1024
"""Bytes of a form, at most."""
FIELDS = 1_000
"""Fields of a form, at most: a what-if form has one for each input column."""
WITHIN = 30.0
"""Seconds within which a form has come."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page, once it is known who asks."""

    desk: Desk
    who: Reviewer
    path: dict[str, str]
    form: dict[str, str]
    now: datetime

    @property
    def name(self) -> str:
        """The capability's."""
        return self.path["name"]

    def page(self, title: str, parts: list[str]) -> Response:
        """A page for whoever asks."""
        return document(title, parts, self.who)


Handler = Callable[[Asked], Response]


@dataclass(frozen=True, slots=True)
class Page:
    """One page or decision."""

    method: str
    path: str
    role: Role
    handler: Handler


def _found(asked: Asked) -> Response:
    return _go(f"/interactions/{quote(asked.form.get('id', '').strip()[:64], safe='')}")


def _promoted(asked: Asked) -> Response:
    releases.decide(asked.desk, asked.name, asked.who, asked.form, asked.now)
    return _go(f"/capabilities/{asked.name}/releases")


def _reviewed(asked: Asked) -> Response:
    review.decide(asked.desk, asked.name, asked.who, asked.form, asked.now)
    return _go(f"/capabilities/{asked.name}/review")


def _went_back(asked: Asked) -> Response:
    releases.go_back(asked.desk, asked.name, asked.who, asked.form, asked.now)
    return _go(f"/capabilities/{asked.name}/releases")


ROOT = "/capabilities/{name}"
PAGES = (
    Page("GET", "/", Role.REVIEW,
         lambda one: one.page("Overview", overview.parts(one.desk, one.now))),
    Page("GET", ROOT, Role.REVIEW,
         lambda one: one.page(one.name, capability.parts(one.desk, one.name, one.now))),
    Page("GET", f"{ROOT}/releases", Role.REVIEW,
         lambda one: one.page(f"Releases of {one.name}",
                              releases.parts(one.desk, one.name, one.who))),
    Page("POST", f"{ROOT}/releases/promote", Role.RELEASE, _promoted),
    Page("POST", f"{ROOT}/releases/rollback", Role.RELEASE, _went_back),
    Page("GET", f"{ROOT}/experiments", Role.REVIEW,
         lambda one: one.page(f"Experiments of {one.name}", experiments.parts(one.desk, one.name))),
    Page("GET", f"{ROOT}/review", Role.REVIEW,
         lambda one: one.page(f"Review {one.name}",
                              review.parts(one.desk, one.name, one.who, one.now))),
    Page("POST", f"{ROOT}/review", Role.REVIEW, _reviewed),
    Page("GET", f"{ROOT}/reviews", Role.REVIEW,
         lambda one: one.page(f"Reviews of {one.name}",
                              review.progress(one.desk, one.name, one.now))),
    Page("GET", f"{ROOT}/numbers", Role.REVIEW,
         lambda one: one.page(f"Truth and answers of {one.name}",
                              numbers.parts(one.desk, one.name, one.now))),
    Page("POST", f"{ROOT}/numbers", Role.REVIEW,
         lambda one: one.page(f"Truth and answers of {one.name}",
                              numbers.parts(one.desk, one.name, one.now, one.form))),
    Page("GET", f"{ROOT}/reports", Role.REVIEW,
         lambda one: one.page(f"Reports of {one.name}", reports.parts(one.desk, one.name))),
    Page("GET", "/reports/{name}/{file:path}", Role.REVIEW,
         lambda one: reports.file(one.desk, one.name, one.path["file"])),
    Page("GET", "/interactions", Role.REVIEW,
         lambda one: one.page("Find an answer", interaction.search())),
    Page("POST", "/interactions", Role.REVIEW, _found),
    Page("GET", "/interactions/{id}", Role.REVIEW,
         lambda one: one.page("An answer", interaction.parts(one.desk, one.path["id"]))),
)  # fmt: skip


def console(desk: Desk) -> Starlette:
    """The application of a desk."""
    routes = [Route(one.path, _guarded(desk, one), methods=[one.method]) for one in PAGES]
    return Starlette(
        routes=[
            *routes,
            Route("/sign-in", _entering(desk), methods=["POST"]),
            Route("/sign-out", _leave, methods=["POST"]),
            Route("/healthz", lambda _: PlainTextResponse("ok")),
            Route("/static/console.css", lambda _: sent(SHEET, "text/css")),
            Route("/static/console.js", lambda _: sent(SCRIPT, "text/javascript")),
        ],
        exception_handlers={404: _nowhere, 405: _nowhere},
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _guarded(desk: Desk, page: Page) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            asked = await _asked(desk, request, page)
            return await run_in_threadpool(page.handler, asked)
        except Denied as denied:
            return _refused(denied)
        except OpslayerError as error:
            return _told(error)
        except Exception as error:  # the door: whoever looks is told something all the same
            log.exception("a page broke: %s", type(error).__name__)
            return _apology("This page broke; the fault is in the console's log.", 500)

    return endpoint


async def _asked(desk: Desk, request: Request, page: Page) -> Asked:
    who = await run_in_threadpool(admit, desk, request.headers, request.cookies)
    if not who.may(page.role) and not (page.method == "GET" and who.may(Role.RELEASE)):
        has = ", ".join(sorted(who.roles))
        raise Denied(403, f"{who.name} has the roles {has}, and this needs {page.role}")
    sent_form: dict[str, str] = {}
    if page.method == "POST":
        check_sender(request.headers)
        sent_form = await _form(request)
    return Asked(desk, who, dict(request.path_params), sent_form, datetime.now(UTC))


async def _form(request: Request) -> dict[str, str]:
    body = b""
    try:
        async with asyncio.timeout(WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM:
                    raise Denied(413, f"a form has {FORM // 1024} KiB at most")
    except TimeoutError:
        raise Denied(408, f"the form did not come within {WITHIN:g} s") from None
    except ClientDisconnect:
        raise Denied(400, "the form broke off") from None
    try:
        said = parse_qsl(body.decode("utf-8", "replace"), True, max_num_fields=FIELDS)
    except ValueError:
        raise Denied(413, f"a form has {FIELDS} fields at most") from None
    return dict(said)


def _entering(desk: Desk) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            check_sender(request.headers)
            key = (await _form(request)).get("key", "").strip()
            said = await run_in_threadpool(sign_in, desk, key)
        except Denied as denied:
            return _refused(denied)
        except StoreError as error:
            return _told(error)
        reply = _go("/")
        reply.set_cookie(
            COOKIE, said, int(LASTS.total_seconds()), httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return reply

    return endpoint


async def _leave(_: Request) -> Response:
    reply = _go("/")
    reply.delete_cookie(COOKIE)
    return reply


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, HEADERS)


def _refused(denied: Denied) -> Response:
    parts = [paragraph(str(denied), "notice")]
    if denied.status == 401:
        parts.append(form("/sign-in", [words("key", "Key", secret=True)], "Sign in"))
        return document("Sign in", parts, None, 401)
    return document("Not allowed", parts, None, denied.status)


def _told(error: OpslayerError) -> Response:
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, StoreError) else 409
    return _apology(str(error), status)


def _apology(sentence: str, status: int) -> Response:
    title = {404: "Not found", 409: "Not done", 503: "Not now"}.get(status, "A fault")
    back = '<p><a href="/">Back to the overview</a></p>'
    return document(title, [paragraph(sentence, "notice"), back], None, status)


async def _nowhere(_: Request, error: Any) -> Response:
    return _apology("There is no such page.", error.status_code)
