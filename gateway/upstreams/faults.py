"""What went wrong at an upstream, and what that means for the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from gateway.exchange import Failure, FailureKind
from opslayer.retry_after import retry_after

LONGEST_WAIT = 300.0
"""Seconds of a Retry-After that are believed."""
SAFETY = ("content_filter", "content_policy_violation", "safety")
PAID = (FailureKind.TIMEOUT, FailureKind.EMPTY, FailureKind.MALFORMED, FailureKind.SCHEMA)
"""Kinds after which the prompt has probably been paid for."""


def from_exception(error: Exception, name: str) -> Failure:
    """A failure to reach an upstream, or to read what it says."""
    if isinstance(error, TimeoutError | aiohttp.ServerTimeoutError | asyncio.TimeoutError):
        return Failure(FailureKind.TIMEOUT, f"upstream {name} did not answer in time", status=504)
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.http_exceptions.HttpProcessingError):
        return Failure(FailureKind.MALFORMED, f"upstream {name} broke off its answer")
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError | ValueError):
        return Failure(
            FailureKind.MALFORMED, f"upstream {name} answered with what is no completion"
        )
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        error.os_error, PermissionError
    ):
        said = f"upstream {name} is at an address that OPSLAYER_UPSTREAM_NETWORKS does not allow"
        return Failure(FailureKind.OUTAGE, said)
    return Failure(FailureKind.OUTAGE, f"upstream {name} can't be reached ({type(error).__name__})")


def from_status(status: int, headers: Mapping[str, str], body: bytes, name: str) -> Failure:
    """An answer whose status is not 200."""
    after = retry_after(headers.get("retry-after"))
    after = None if after is None else min(LONGEST_WAIT, after)
    if status == 429:
        said = f"upstream {name} takes no more calls now"
        return Failure(FailureKind.RATE_LIMITED, said, status=429, retry_after=after)
    if status in (401, 403):
        said = f"upstream {name} refuses the key that is configured for it"
        return Failure(FailureKind.DENIED, said, status=status)
    detail = _error(body)
    if status in (400, 413, 422):
        if _is_safety(detail):
            said = _message(detail) or "the upstream refuses to answer this"
            return Failure(FailureKind.REFUSED, said, status=status)
        said = _message(detail) or f"upstream {name} refuses the request"
        return Failure(FailureKind.BAD_REQUEST, said, status=status)
    if status in (408, 504):
        return Failure(FailureKind.TIMEOUT, f"upstream {name} answered {status}", status=504)
    said = f"upstream {name} answered {status}"
    return Failure(FailureKind.OUTAGE, said, status=503, retry_after=after)


def from_error(detail: Any, name: str) -> Failure:
    """An `error` object in an answer of 200, or in a stream."""
    if _is_safety(detail):
        return Failure(FailureKind.REFUSED, _message(detail) or "refused", status=400)
    return Failure(FailureKind.OUTAGE, f"upstream {name} answered with an error")


def _error(body: bytes) -> Any:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return found.get("error") if isinstance(found, dict) else None


def _is_safety(detail: Any) -> bool:
    if not isinstance(detail, dict):
        return False
    return any(str(detail.get(name, "")).startswith(SAFETY) for name in ("code", "type"))


def _message(detail: Any) -> str:
    said = detail.get("message") if isinstance(detail, dict) else detail
    return str(said)[:500] if isinstance(said, str) else ""
