"""The HTTP server: uvicorn, with what the open internet asks of it.

A request's head is bounded in size and time, connections are counted, and under overload a call is
refused before anything is made of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.admission import Admission
from gateway.call import BUSY, LEAVES, UNASKED, HttpError
from gateway.errors import openai_error, problem

HEAD = 32 * 2**10
"""Bytes of request line and headers, at most."""
HEAD_SECONDS = 10.0
"""Within which a head has to be there."""
CONNECTIONS = 5_000
"""Open connections of one worker, at most."""
IDLE = 75
"""Seconds that a connection may wait for its next request."""
GRACE = 25
"""Seconds that calls under way get when the worker is asked to stop."""
LONG = HttpError(431, "header_too_large", f"request line and headers are longer than {HEAD} bytes")
SLOW = HttpError(408, "slow_header", f"the headers did not come within {HEAD_SECONDS:g} s")
BODIED = (b"POST", b"PUT", b"PATCH")
ALWAYS = (b"/healthz", b"/readyz", b"/metrics", b"/v2/health", b"/v2/models/")
"""Paths that are not refused under load, for they say how the process is; below the last of them
all but `infer`."""


def sheds(url: bytes) -> bool:
    """Whether a call may be refused under load."""
    return not url.startswith(ALWAYS) or b"/infer" in url


def canned(error: HttpError, body: bytes, *, kind: bytes, close: bool) -> bytes:
    """A whole response as bytes."""
    phrase = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
    head = b"HTTP/1.1 %d %b\r\n" % (error.status, phrase.get(error.status, b"Service Unavailable"))
    lines = [b"content-type: " + kind, b"content-length: %d" % len(body)]
    if error.retry_after:
        lines.append(b"retry-after: %d" % error.retry_after)
    if close:
        lines.append(b"connection: close")
    return head + b"\r\n".join(lines) + b"\r\n\r\n" + body


PROBLEM = b"application/problem+json"
BUSY_OPENAI = canned(BUSY, openai_error(BUSY), kind=b"application/json", close=False)
BUSY_PROBLEM = canned(BUSY, problem(BUSY), kind=PROBLEM, close=False)
TOO_LONG = canned(LONG, problem(LONG), kind=PROBLEM, close=True)
TOO_SLOW = canned(SLOW, problem(SLOW), kind=PROBLEM, close=True)


class HeadTooLong(Exception):
    """Raised inside the parser's callbacks, which stops it."""


class Refused:
    """In the place of a request that was refused: its body is read past."""

    response_complete = True
    disconnected = True
    more_body = False
    message_event = asyncio.Event()


def protocol(admission: Admission) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, bounded, that asks `admission` before it makes anything of a request."""

    class Bounded(HttpToolsProtocol):
        """One connection."""

        _raw = 0
        _measured = 0
        _open = True
        """Whether a head is awaited, or has begun and is not complete."""
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            if len(self.connections) >= CONNECTIONS:
                transport.abort()
                return
            super().connection_made(transport)
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            task: asyncio.Task[None] | None = (self.scope or {}).get(LEAVES)  # type: ignore[assignment]
            if task is not None and not self.cycle.response_complete:
                task.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.parser is None:
                return
            if self._open:
                self._raw += len(data)
            super().data_received(data)
            if not self._open or self.transport.is_closing():
                self._stop_timer()
            elif self._raw > HEAD:
                self._close(TOO_LONG)
            elif self._timer is None and self._raw:
                self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

        def send_400_response(self, msg: str) -> None:
            """Say so where the head is too long; whatever else can't be parsed is a bad request."""
            if self._measured > HEAD:
                self._close(TOO_LONG)
            else:
                super().send_400_response(msg)

        def on_message_begin(self) -> None:
            self._measured, self._open = 0, True
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            self._measure(len(url))
            super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            self._measure(len(name) + len(value) + 4)
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._stop_timer()  # now: a request that came whole is over when its data is
            whole = self._whole()
            self._open, self._raw = False, 0
            if sheds(self.url):
                if not whole:
                    self.scope[UNASKED] = True  # type: ignore[literal-required]
                elif admission.full():
                    self._refuse()
                    return
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._open, self._raw = True, 0
            super().on_message_complete()

        def _whole(self) -> bool:
            """Whether a request whose head is here can begin at once, and has all of its body, or
            is of a kind of which none is read."""
            if self.cycle is not None and not self.cycle.response_complete:
                return False
            if self.parser.get_method() not in BODIED:
                return True
            about = dict(self.headers)
            length = about.get(b"content-length", b"0")
            here = self._raw - self._measured  # and some of the head, which is not all measured
            return b"transfer-encoding" not in about and here >= int(length)

        def _refuse(self) -> None:
            self.cycle = Refused()  # type: ignore[assignment]
            self.transport.write(BUSY_OPENAI if self.url.startswith(b"/v1/") else BUSY_PROBLEM)
            self._wait_for_next()

        def _measure(self, more: int) -> None:
            self._measured += more
            if self._measured > HEAD:
                raise HeadTooLong

        def _wait_for_next(self) -> None:
            """Let the connection wait for its next request, as after any reply."""
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

        def _too_slow(self) -> None:
            self._timer = None
            if self._open and not self.transport.is_closing():
                busy = self.cycle is not None and not self.cycle.response_complete
                if not busy:
                    self._close(TOO_SLOW)

        def _close(self, said: bytes) -> None:
            self._stop_timer()
            if not self.transport.is_closing():
                self.transport.write(said)
                self.transport.close()

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Bounded


def server(app: Callable[..., Any], admission: Admission) -> uvicorn.Server:
    """A server for an application; `serve(sockets=[…])` runs it."""
    config = uvicorn.Config(
        app,
        http=protocol(admission),
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)
