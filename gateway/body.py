"""Request bodies: bounded before they are held, and strict JSON or a plain refusal."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

DEPTH = 64
"""Levels of arrays and objects, at most."""
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
MANY = 19
"""Digits that a whole number of 64 bits has at least, where it may be beyond them."""
DIGITS = re.compile(rb"[0-9]{19}")
CONTAINER = (dict, list)
CONTAINERS = 100_000
"""Arrays and objects, at most: empty ones fill twenty times the memory that they take as text."""
INLINE = 64 * 2**10
"""Bytes of a body that is read in the event loop: a longer one would keep other calls waiting."""

decode = msgspec.json.Decoder().decode
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Hold = Callable[[int], bool]
Aside = Callable[[], AbstractContextManager[Hold]]


class BodyError(Exception):
    """A body that is not taken: with the status that says why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@contextmanager
def unbounded() -> Iterator[Hold]:
    """In the place of an admission: there is always room."""
    yield lambda _more: True


async def read_body(receive: Receive, limit: int, within: float, aside: Aside) -> bytes:
    """The whole body: at most `limit` bytes, come within so many seconds.

    `aside` is entered while it is waited for, which in nearly every call it is not, and says
    whether there is room for what has come. Raises BodyError 413, 408, 503 where there is no room,
    or 400 where the caller went away in the middle.
    """
    message = _at_once(receive)
    if message is not None:
        _check_there(message)
        if not message.get("more_body", False):
            return _bounded([message.get("body", b"")], limit)
    try:
        with aside() as hold:
            async with asyncio.timeout(within):
                return await _rest(receive, limit, message, hold)
    except TimeoutError:
        raise _late(within) from None


async def _rest(receive: Receive, limit: int, first: Message | None, hold: Hold) -> bytes:
    """What comes after a first part, if that is here; no more of it than shows what is too long."""
    message: Message = first or {"more_body": True}
    parts = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body", False) and size <= limit:
        if not hold(len(parts[-1])):
            raise BodyError(503, "overloaded", "too much is being sent at once; come again")
        message = await receive()
        _check_there(message)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    return _bounded(parts, limit)


def _at_once(receive: Receive) -> Message | None:
    """What is there already, for which no clock has to run; None where it is still to come."""
    waiting = receive()
    if not isinstance(waiting, Coroutine):
        return None
    try:
        waiting.send(None)
    except StopIteration as done:
        message: Message = done.value
        return message
    waiting.close()
    return None


def _check_there(message: Message) -> None:
    if message["type"] == "http.disconnect":
        raise BodyError(400, "incomplete_body", "the body broke off")


def _late(within: float) -> BodyError:
    return BodyError(408, "slow_body", f"the body did not come within {within:g} s")


def _bounded(parts: list[bytes], limit: int) -> bytes:
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(body) > limit:
        raise BodyError(413, "body_too_large", f"the body is longer than {limit:,} bytes")
    return body


def parse_json(body: bytes) -> Any:
    """The value of strict JSON: UTF-8, no NaN, no key twice, no depth or number beyond bounds.

    Raises BodyError 400 that says what is wrong and where.
    """
    try:
        if _containers(body) > CONTAINERS and _containers(STRING.sub(b"", body)) > CONTAINERS:
            raise ValueError(f"it has more than {CONTAINERS:,} arrays and objects")
        value = decode(body)  # which gives up a thousand levels deep
        keys = _keys(value)
        if not _sound_at_sight(body, value):
            _look_closely(body, keys)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BodyError(400, "invalid_json", f"the body is no JSON: {_plainly(error)}") from None
    return value


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _sound_at_sight(body: bytes, value: Any) -> bool:
    """Whether a glance shows that no key came twice, and no number of too many digits: nearly every
    body is so, and to take one to pieces costs more than to read it.

    A colon stands behind each key, and else in strings alone. A key that was dropped took its own
    along, and an escape could be one that is not seen as such.
    """
    if b"\\u" in body or len(body) - len(body.translate(None, b"0123456789")) >= MANY:
        return False
    return body.count(b":") == msgspec.json.encode(value).count(b":")


def _look_closely(body: bytes, keys: int) -> None:
    """Raise ValueError for a number beyond bounds, and for a key that occurs twice."""
    bare = STRING.sub(b"", body)  # what stands outside strings, which is little
    if DIGITS.search(bare):
        json.loads(body, parse_int=_bounded_int)
    # msgspec takes the last of two equal keys; what an application meant is not ours to guess.
    if bare.count(b":") != keys:
        raise ValueError("a key occurs twice in one object")


def _keys(value: Any) -> int:
    """How many keys all objects in a value have together, which is walked level by level.

    Raises ValueError where there are more than `DEPTH` levels.
    """
    found, level = 0, [value] if value.__class__ in CONTAINER else []
    for _ in range(DEPTH):
        if not level:
            return found
        found += sum(len(one) for one in level if one.__class__ is dict)
        level = [
            inner
            for one in level
            for inner in (one.values() if one.__class__ is dict else one)
            if inner.__class__ in CONTAINER
        ]
    if level:
        raise ValueError(f"it is nested deeper than {DEPTH} levels")
    return found


async def read_json(body: bytes) -> Any:
    """As `parse_json`, a long body in a thread."""
    if len(body) <= INLINE:
        return parse_json(body)
    return await asyncio.to_thread(parse_json, body)


def _bounded_int(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= 2**64:
        raise ValueError("a whole number is beyond 64 bits")
    return int(digits)


def _plainly(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.lower()} at character {error.pos + 1}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
