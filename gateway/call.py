"""One HTTP call: what came in, and the one reply that goes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.body import Aside, read_body, unbounded
from gateway.exchange import UNTRACED, Caller, Trace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

BODY = 4 * 2**20
"""Bytes of a request's body at most; a conversation of a million tokens is about as long."""
WITHIN = 30.0
"""Seconds in which a body has to arrive."""
JSON = b"application/json"
UNASKED = "opslayer.unasked"
"""In the scope of a call for which there may be no room: its body was not here yet."""
LEAVES = "opslayer.leaves"
"""In a call's scope: the task that the server cancels when the caller goes away before the reply
is done. Set only while an answer is waited for that costs money."""

encode = msgspec.json.Encoder().encode


class HttpError(Exception):
    """A call that gets an error: its status, a short code, a sentence, and when to come again."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        headers: Headers = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.headers = tuple(headers)


BUSY = HttpError(
    503, "overloaded", "this worker has more to do than it can; come again", retry_after=1
)


@dataclass(slots=True)
class Call:
    """One call on its way through the gateway."""

    scope: Scope
    receive: Receive
    send: Send
    caller: Caller = field(default_factory=Caller)
    params: dict[str, str] = field(default_factory=dict)
    """What stood in the places of the route's path."""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    status: int = 0
    """Of the reply, once it has begun."""
    error: str | None = None
    """The code of the error that it was."""
    trace: Trace = UNTRACED
    aside: Aside = unbounded
    """What is entered while its body is still being sent."""
    full: Callable[[], bool] | None = None
    """Whether there is no room for it, to be asked once its body is here; None where the server
    has asked."""

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name; one that is no Latin-1 text can't occur."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self, limit: int = BODY) -> bytes:
        """The whole body; raises `BodyError` where it is too long, too slow, or broken off, and
        `BUSY` where there is no room for the call."""
        body = await read_body(self.receive, limit, WITHIN, self.aside)
        if self.full is not None and self.full():
            raise BUSY
        return body

    async def reply(
        self, status: int, body: bytes, headers: Headers = (), kind: bytes = JSON
    ) -> None:
        """Send the whole reply."""
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(body))], kind)
        await self.send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: Headers = (), kind: bytes = JSON) -> None:
        """Send status and headers; `piece` sends what follows, `end` the last of it."""
        self.status = status
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", kind),
                    (b"x-content-type-options", b"nosniff"),
                    *headers,
                ],
            }
        )

    async def piece(self, body: bytes) -> None:
        """Send a part of a reply that was begun."""
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last part."""
        await self.send({"type": "http.response.body", "body": body})
