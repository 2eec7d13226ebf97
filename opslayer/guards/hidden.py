"""What is hidden in a text: what it says once it is decoded, or read from its end.

Only what can be told from chance is read: base64, hexadecimal and percent signs that give readable
text, letters that nobody sees, and a text in which common words stand backwards or 13 letters on.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Iterable, Iterator
from heapq import nlargest
from urllib.parse import unquote

LONGEST = 64 * 2**10
"""Characters that are looked at."""
MOST = 16
"""Readable texts of one kind that are looked at, the longest: whatever looks like one is decoded,
or harmless ones in front would hide the others."""
BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")
HEXADECIMAL = re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{2}[ :]?){10,}")
TAGGED = re.compile("[\U000e0020-\U000e007e]+")
"""Unicode's tags: ASCII that is not shown."""
COMMON = frozenset({
    "the", "and", "you", "your", "all", "that", "with", "this", "what", "from", "ignore", "how",
    "previous", "instructions", "rules", "prompt", "tell", "make", "print", "system", "now",
    "have", "are", "not", "say",
})  # fmt: skip
TURNED = frozenset(word[::-1] for word in COMMON) - COMMON
ROTATED = frozenset(codecs.encode(word, "rot13") for word in COMMON) - COMMON
ENOUGH = 3
"""Common words that a text must have once it is turned, so that it is no chance."""


def hidden(text: str) -> list[str]:
    """What a text says besides what it seems to say."""
    return [found for found in _found(text[:LONGEST]) if found.strip()]


def _found(text: str) -> Iterator[str]:
    if not text.isascii():
        yield "".join(chr(ord(letter) - 0xE0000) for letter in "".join(TAGGED.findall(text)))
    if "%20" in text:
        yield unquote(text)
    if "&#" in text:
        yield html.unescape(text)
    yield from _longest(_base64(match.group()) for match in BASE64.finditer(text))
    yield from _longest(_hexadecimal(match.group()) for match in HEXADECIMAL.finditer(text))
    words = set(text.lower().split())
    if len(words & TURNED) >= ENOUGH:
        yield text[::-1]
    if len(words & ROTATED) >= ENOUGH:
        yield codecs.encode(text, "rot13")


def _longest(said: Iterable[str]) -> list[str]:
    return nlargest(MOST, filter(None, said), key=len)


def _base64(text: str) -> str:
    """What base64 says, where that is readable text."""
    text = text.rstrip("=")
    try:
        return _readable(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except binascii.Error:
        return ""


def _hexadecimal(text: str) -> str:
    """What the bytes say, where that is readable text."""
    return _readable(bytes.fromhex(re.sub(r"[ :]", "", text)))


def _readable(raw: bytes) -> str:
    try:
        said = raw.decode()
    except UnicodeDecodeError:
        return ""
    return said if all(letter.isprintable() or letter in "\n\t" for letter in said) else ""
