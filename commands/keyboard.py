"""One key, as it is pressed; a line's first character where there is no terminal."""

from __future__ import annotations

import sys

END = "q"
"""What the end of the input means: nobody is there any more."""


def key() -> str:
    """The next key. Ctrl-C raises KeyboardInterrupt."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip()[:1] if line else END
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        return sys.stdin.read(1) or END
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def line(prompt: str) -> str:
    """A line of text without spaces around it; empty at the end of the input."""
    print(prompt, end="", flush=True)
    return sys.stdin.readline().strip()
