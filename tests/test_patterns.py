"""Every pattern of our own reads any 64 KiB in a time that grows with them, and RE2 all others.

Hostile texts repeat what a pattern looks for, and then break it off. A pattern that goes back over
what it has read takes minutes of the processor for one of them; a linear one takes milliseconds,
and is given seconds.
"""

from __future__ import annotations

import ast
import re
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from composed import ROOT

from gateway.ids import LENGTH

ROOMS = ("opslayer", "gateway", "console", "commands", "tasks", "flows")
SIZE = 64 * 2**10
GIVEN = 2.0
"""Seconds of the processor for one text, a hundred times what the slowest pattern takes."""
WHOLE = ("match", "fullmatch")
USES = ("compile", "search", "match", "fullmatch", "sub", "findall", "finditer", "split")
REPEATED = (
    "a", "1", " ", "-", "_", ".", "!", "/", '"', "\\", "[", "{", "'", "\n", "a ", "a-", "1 ", "{{",
    "${", "[A_", "[A_1", "a@", "a*", "://", "b!", '"a', "<a", "é",
)  # fmt: skip


class Own(NamedTuple):
    """A pattern that stands in our code, and how it is used."""

    place: str
    how: frozenset[str]
    text: str | bytes


def named(room: ast.AST) -> Iterator[ast.Call]:
    """Calls of `re.compile` and its like."""
    for node in ast.walk(room):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in USES
        ):
            yield node


def own() -> tuple[list[Own], list[str]]:
    """Every pattern that is written out, and where one is put together."""
    found, made = [], []
    paths = sorted(one for room in ROOMS for one in (ROOT / room).rglob("*.py"))
    # Every worker collects these: only what can hold a pattern is looked at closely.
    every = {path: path.read_text() for path in paths}
    using = {path: code for path, code in every.items() if re.search(r"\bre\.", code)}
    uses = defaultdict[str, set[str]](set)
    for name, how in re.findall(r"\b(\w+)\.(\w+)\(", "\n".join(every.values())):
        uses[name].add(how)
    for path, lines in using.items():
        tree = ast.parse(lines)
        names = {
            id(node.value): node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for call in named(tree):
            place = f"{path.relative_to(ROOT)}:{call.lineno}"
            pattern = call.args[0]
            try:
                text = eval(compile(ast.Expression(pattern), place, "eval"), {"LENGTH": LENGTH})
            except NameError:
                made.append(f"{path.relative_to(ROOT)}: {ast.unparse(pattern)}")
                continue
            assert isinstance(call.func, ast.Attribute)
            how = {call.func.attr}
            if call.func.attr == "compile":
                how = uses[names[id(call)]]
            found.append(Own(place, frozenset(how), text))
    return found, made


OWN, MADE = own()


def hostile(text: str | bytes) -> Iterator[str]:
    """Texts of 64 KiB for a pattern: of its own letters, and of what patterns go back over."""
    letters = text.decode("latin1") if isinstance(text, bytes) else text
    own_letters = sorted(set(re.findall(r"[A-Za-z0-9@#/:;,_'\"<|!*$&-]", letters)))
    for unit in dict.fromkeys((*REPEATED, *own_letters)):
        yield unit * (SIZE // len(unit)) + "\x00"


def out_of_time(*_: Any) -> None:
    raise TimeoutError


@contextmanager
def given(seconds: float) -> Iterator[None]:
    """So many seconds of the processor; then TimeoutError."""
    before = signal.signal(signal.SIGVTALRM, out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def read(one: Own, text: str) -> None:
    """Use a pattern as the code does."""
    pattern: re.Pattern[Any] = re.compile(one.text)
    said = text.encode() if isinstance(one.text, bytes) else text
    for how in one.how & {*WHOLE}:
        getattr(pattern, how)(said)
    if one.how - {*WHOLE}:
        pattern.sub(said[:0], said)


@pytest.mark.parametrize("one", OWN, ids=[one.place for one in OWN])
def test_no_text_keeps_a_pattern_busy(one: Own) -> None:
    for text in hostile(one.text):
        try:
            with given(GIVEN):
                read(one, text)
        except TimeoutError:
            pytest.fail(f"{one.place}: {one.text!r} goes back over {text[:8]!r} again and again")


@pytest.mark.parametrize(
    ("text", "unit"),
    [(r"(?:f|b)[\w!]*[!]+\w*", "b"), (r"[\s\-]*([\w-]+):", "-"), (r"(?:a+)+b", "a")],
)
def test_a_pattern_that_goes_back_would_be_found(text: str, unit: str) -> None:
    slow = Own("here", frozenset({"match", "sub"}), text)
    with pytest.raises(TimeoutError), given(0.5):
        read(slow, unit * SIZE + "\x00")


def test_patterns_that_are_put_together_are_of_escaped_words_alone() -> None:
    assert MADE == [
        "opslayer/guards/signs.py: '|'.join(map(re.escape, inside)) or '(?!)'",
    ]
    assert len(OWN) > 30
    assert all(one.how for one in OWN)


def test_patterns_of_guards_and_of_files_are_re2s() -> None:
    for path, mine in (("opslayer/guards/pii.py", 1), ("opslayer/guards/trained.py", 1)):
        assert len(re.findall(r"re2\.compile\(", (ROOT / path).read_text())) == mine
    for name in ("pii", "injection", "content", "shape"):
        tree = ast.parse(Path(ROOT, f"opslayer/guards/{name}.py").read_text())
        assert not list(named(tree)), name
    matched = [path for path in (ROOT / "opslayer").rglob("*.py") if ".matches" in path.read_text()]
    assert matched
    for path in matched:
        assert not re.search(r"\bre\.\w+\(\S*\.matches", path.read_text()), path
