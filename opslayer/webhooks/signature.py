"""Signatures as Standard Webhooks 1.0 say: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

from opslayer.errors import Refused
from opslayer.webhooks.message import Message

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as the standard has it."""
MAKE = 'echo "whsec_$(openssl rand -base64 32)"'


def secrets_of(variable: str, environment: Mapping[str, str]) -> list[bytes]:
    """The secrets that an environment variable holds; several while one replaces the other.

    Raises Refused where it holds none, or one that is none; no message repeats what it holds.
    """
    words = environment.get(variable, "").split()
    if not words:
        raise Refused(f"{variable} is not set: set it to a secret, as made by: {MAKE}")
    return [_secret(variable, word) for word in words]


def _secret(variable: str, word: str) -> bytes:
    try:
        text = word.removeprefix(PREFIX).rstrip("=")
        found = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not SHORTEST <= len(found) <= LONGEST:
        size = f"{SHORTEST} to {LONGEST} bytes in base64"
        raise Refused(f"{variable} holds no secret of {size}; make one by: {MAKE}")
    return found


def headers(message: Message, secrets: Sequence[bytes], at: datetime) -> dict[str, str]:
    """The headers that a receiver verifies, and the content type of a structured CloudEvent."""
    moment = str(int(at.timestamp()))
    signed = b".".join([message.id.encode(), moment.encode(), message.body])
    digests = [hmac.digest(secret, signed, "sha256") for secret in secrets]
    return {
        "content-type": "application/cloudevents+json; charset=utf-8",
        "webhook-id": message.id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{b64encode(one).decode()}" for one in digests),
    }
