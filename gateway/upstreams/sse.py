"""Server-sent events, read as they come: cut anywhere, in any of the three line ends.

After the WHATWG HTML standard, section 9.2.6: only `data` is of interest here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

LONGEST = 2 * 2**20
"""Bytes of one event, at most."""


class EventTooLong(ValueError):
    """An event that does not end."""


@dataclass(slots=True)
class Events:
    """Reads one stream."""

    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """The data of every event that is whole by now; raises EventTooLong."""
        lines, self._rest = _lines(self._rest + raw)
        if len(self._rest) + self._size > LONGEST:
            raise EventTooLong(f"an event is longer than {LONGEST:,} bytes")
        for line in lines:
            if not line:
                if self._data:
                    event, self._data, self._size = b"\n".join(self._data), [], 0
                    yield event
            elif line.startswith(b"data:"):
                part = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(part)
                self._size += len(line)  # a line without data takes room as well
                if self._size > LONGEST:
                    raise EventTooLong(f"an event is longer than {LONGEST:,} bytes")


def _lines(raw: bytes) -> tuple[list[bytes], bytes]:
    """Whole lines, and what is left: a CR at the end may be half of a line's end."""
    held = b"\r" if raw.endswith(b"\r") else b""
    text = raw[: len(raw) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, rest = text.split(b"\n")
    return lines, rest + held
