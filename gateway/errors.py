"""Errors in the form that each convention expects, and none with a traceback or a payload."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from math import ceil

from gateway.call import Call, HttpError, encode
from gateway.routes import Shape

PROBLEM = b"application/problem+json"
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
"""OpenAI's `type` by status."""


async def reply_error(call: Call, error: HttpError, shape: Shape) -> None:
    """Answer with an error."""
    headers: list[tuple[bytes, bytes]] = list(error.headers)
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, ceil(error.retry_after))))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="opslayer"'))
    if shape is Shape.OPENAI:
        await call.reply(error.status, openai_error(error), headers)
    elif shape is Shape.OFREP:
        await call.reply(error.status, ofrep_error(error, call.params.get("key")), headers)
    else:
        await call.reply(error.status, problem(error), headers, PROBLEM)


def openai_error(error: HttpError) -> bytes:
    """OpenAI's error object."""
    kind = KINDS.get(
        error.status, "server_error" if error.status >= 500 else "invalid_request_error"
    )
    detail = {"message": error.message, "type": kind, "param": None, "code": error.code}
    return encode({"error": detail})


def ofrep_error(error: HttpError, key: str | None) -> bytes:
    """OpenFeature's error; a code that is not one of its own is `PARSE_ERROR` or `GENERAL`."""
    code = error.code
    if not code.isupper():
        code = "PARSE_ERROR" if error.status == 400 else "GENERAL"
    about = {"key": key} if key else {}
    return encode({**about, "errorCode": code, "errorDetails": error.message})


def problem(error: HttpError) -> bytes:
    """RFC 9457 problem details; `error` repeats the sentence for clients of the V2 protocol."""
    title = HTTPStatus(error.status).phrase
    return encode(
        {
            "type": f"urn:opslayer:error:{error.code}",
            "title": title,
            "status": error.status,
            "detail": error.message,
            "error": error.message,
        }
    )


def joined(problems: Sequence[str]) -> str:
    """All problems of a request in one sentence each."""
    return "; ".join(problems)
