"""The HTTP of it: one request, bounded in time and size, to an address that may be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslayer.reach import Reach
from opslayer.retry_after import retry_after

if TYPE_CHECKING:
    import aiohttp

TOTAL, CONNECT, READ = 15.0, 5.0, 10.0
"""Seconds for a whole request, for a connection, and between two reads of an answer."""
AN_ANSWER = 4 * 2**10
"""Bytes that are read of an answer's body; nothing of them is kept."""
HEADERS = 8 * 2**10
"""Bytes of a line of an answer's head, at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    code: int | None
    """HTTP status; None where there was no answer."""
    fault: str | None = None
    """Why it was in vain, in words that hold nothing of the address or of what was answered."""
    wait: float | None = None
    """Seconds for which the receiver asks to be left alone."""


def session(reach: Reach) -> aiohttp.ClientSession:
    """A session that connects only where `reach` allows; to be made in a running loop."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=reach.socket, use_dns_cache=False, force_close=True
        ),
        timeout=aiohttp.ClientTimeout(total=TOTAL, sock_connect=CONNECT, sock_read=READ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        max_line_size=HEADERS,
        max_field_size=HEADERS,
    )


async def post(
    through: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
) -> Answer:
    """Send a body once. Never raises for anything that the network or the receiver does."""
    try:
        async with through.post(url, data=body, headers=headers, allow_redirects=False) as reply:
            await reply.content.read(AN_ANSWER)
            return _answer(reply.status, reply.headers.get("retry-after"))
    except Exception as error:  # whatever it is, it is no other receiver's fault
        return Answer(None, _fault(error))


def _answer(code: int, after: str | None) -> Answer:
    if 200 <= code < 300:
        return Answer(code)
    if 300 <= code < 400:
        return Answer(code, f"it answered {code}, and redirects are not followed")
    return Answer(code, f"it answered {code}", retry_after(after))


def _fault(error: Exception) -> str:
    import aiohttp

    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        refused = isinstance(error.os_error, PermissionError)
        return (error.os_error.strerror or "") if refused else "it can't be connected to"
    if isinstance(error, aiohttp.InvalidURL):
        return "its url is none"
    return f"the connection failed ({type(error).__name__})"
