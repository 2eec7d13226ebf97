"""YAML 1.2 as plain data, with the line and the text of every key and value.

Built from the parser's nodes and not with a loader, so that every duplicate key, tag and bad key
is found at once, and nothing in a file can name a Python object.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opslayer.capability import Place, dotted
from opslayer.errors import Problem

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

WHOLE_FILE = "(file)"
DEPTH = 20
"""Levels of nesting; a capability needs 6."""
MOST_VALUES = 10_000
"""Keys and values, aliases counted each time: nested aliases multiply without a bound."""
LONGEST_NUMBER = 400
"""Digits; a double has 309 at most before its point."""
SHOWN = 80
"""Characters of a name or a value that a message repeats."""
LONGEST_MESSAGE = 1000
"""Characters; a list of a hundred inputs fits."""

PLAIN_TEXT = ("str", "timestamp", "value", "merge")
"""What the parser may make of text without quotes, and YAML 1.2 reads as text."""
PLAIN_KEYS = (*PLAIN_TEXT, "null", "bool", "int", "float")
"""A key is text whatever it looks like: an input may be called `2020` or `no`."""
AS_WRITTEN = (("inputs", None, "choices", None), ("classes", None))
"""Where numbers and booleans are names: `choices: [1, 007]` means "1" and "007"."""


@dataclass
class Document:
    """A file's data, where each part of it stands, and what is wrong with its YAML."""

    file: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    """1 for the file's first line. Holds every place in `data`, () being the whole."""
    texts: dict[Place, str] = field(default_factory=dict)
    """Scalars as they stand in the file, without quotes."""
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def refuse(self, place: Place, message: str, line: int | None = None) -> None:
        """Note a problem at a place."""
        self.problems.append(self.problem(place, message, line))

    def problem(self, place: Place, message: str, line: int | None = None) -> Problem:
        """A problem at a place, fit for one line of a terminal."""
        where = clean(dotted(place)) or WHOLE_FILE
        sentence = clean(message, LONGEST_MESSAGE)
        return Problem(self.file, line or self.line(place), where, sentence)


class TooMuchError(Exception):
    """The document is larger than any capability; reading stopped."""


def parse(file: str, text: str) -> Document:
    """Read YAML text; whatever is wrong with it is in the document's `problems`."""
    document = Document(file)
    directive = re.search(r"^%.*$", text, re.MULTILINE)
    if directive:
        line = text.count("\n", 0, directive.start()) + 1
        document.refuse((), "YAML directives (%) are not read; take the line out", line)
        return document
    root = _compose(document, text)
    if root is None:
        if not document.problems:
            document.refuse((), "the file is empty; declare a capability in it")
        return document
    try:
        document.data = _value(document, root, ())
    except TooMuchError:
        document.refuse((), f"more than {MOST_VALUES} values, aliases counted; make it smaller")
    if not isinstance(document.data, dict) and not document.problems:
        document.refuse((), "must be a mapping of keys to values, as `name: bike-demand`")
    return document


def _compose(document: Document, text: str) -> Node | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    reader = YAML(typ="safe", pure=True)
    reader.max_depth = DEPTH
    try:
        with warnings.catch_warnings(action="ignore"):
            node: Node | None = reader.compose(text)
    except MaxDepthExceededError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        document.refuse(_key_near(text, line), f"nested deeper than {DEPTH} levels", line)
    except MarkedYAMLError as error:
        _refuse_syntax(document, text, error)
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        document.refuse(_key_near(text, line), "a control character is in the file", line)
    except (ValueError, IndexError, AttributeError) as error:
        # A slip of the parser's own, found by mutation; the reader is told as of any bad YAML.
        document.refuse((), f"is not YAML ({error})")
    else:
        return node
    return None


def _refuse_syntax(document: Document, text: str, error: Any) -> None:
    mark = error.problem_mark or error.context_mark
    line = min(mark.line + 1, text.count("\n") + 1) if mark else 1
    said = " ".join(str(part) for part in (error.context, error.problem) if part)
    if "'\\t'" in said:
        said = "a tab; YAML is indented with spaces"
    elif "single document" in said:
        said = "a second document (---); write one capability per file"
    document.refuse(_key_near(text, line), f"is not YAML: {said}", line)


def _key_near(text: str, line: int) -> Place:
    """The key that stands on a line, or the last one above it."""
    for candidate in reversed(text.split("\n")[:line]):
        match = re.match(r"[\s\-{?]*+[\"']?([\w-]++)[\"']?\s*:", candidate)
        if match:
            return (match[1],)
    return ()


def _value(document: Document, node: Node, place: Place, above: tuple[int, ...] = ()) -> Any:
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    document.lines.setdefault(place, node.start_mark.line + 1)
    if len(document.lines) > MOST_VALUES:
        raise TooMuchError
    if id(node) in above:
        document.refuse(place, "an alias that contains itself")
        return None
    if isinstance(node, MappingNode):
        return _mapping(document, node, place, (*above, id(node)))
    if isinstance(node, SequenceNode):
        _check_tag(document, node, place, ("seq",))
        return [
            _value(document, item, (*place, index), (*above, id(node)))
            for index, item in enumerate(node.value)
        ]
    return _scalar(document, node, place)


def _mapping(
    document: Document, node: Node, place: Place, above: tuple[int, ...]
) -> dict[str, Any]:
    from ruamel.yaml.nodes import ScalarNode

    _check_tag(document, node, place, ("map",))
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            document.refuse(place, "a list or a mapping stands as a key; write a name", line)
            continue
        inside = (*place, key.value)
        if key.value in found:
            document.refuse(inside, f"occurs twice, first on line {document.line(inside)}", line)
            continue
        if not _is_unicode(key.value):
            document.refuse(place, "a key holds half a character (a lone surrogate)", line)
            continue
        document.lines[inside] = line
        _check_tag(document, key, inside, PLAIN_KEYS)
        found[key.value] = _value(document, value, inside, above)
    return found


def _scalar(document: Document, node: Node, place: Place) -> Any:
    text: str = node.value
    document.texts[place] = text
    tag = _tag(node)
    if not _is_unicode(text):
        document.refuse(place, "holds half a character (a lone surrogate)")
        return None
    if tag in ("int", "float", "bool") and _is_name(place):
        return text
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag in ("int", "float"):
        return _number(document, text, place)
    _check_tag(document, node, place, PLAIN_TEXT)
    return text


def _number(document: Document, text: str, place: Place) -> int | float | str | None:
    if len(text) > LONGEST_NUMBER:
        document.refuse(place, f"is a number of more than {LONGEST_NUMBER} characters")
        return None
    digits = text.replace("_", "").lower()
    try:
        if re.search(r"0[xob]", digits):
            return int(digits, 0)
        return int(digits) if re.fullmatch(r"[-+]?[0-9]+", digits) else float(_python(digits))
    except ValueError:
        return text


def _python(digits: str) -> str:
    """YAML's `.inf` and `.nan` as Python writes them."""
    return re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", digits)


def _is_name(place: Place) -> bool:
    return any(
        len(place) == len(shape)
        and all(want in (None, part) for want, part in zip(shape, place, strict=True))
        for shape in AS_WRITTEN
    )


def _is_unicode(text: str) -> bool:
    return not re.search("[\ud800-\udfff]", text)


def _tag(node: Node) -> str:
    return str(node.tag).rpartition(":")[2]


def _check_tag(document: Document, node: Node, place: Place, allowed: tuple[str, ...]) -> None:
    if _tag(node) not in allowed:
        document.refuse(place, f"the tag {clean(str(node.tag))} is not read; take it out")


def clean(text: str, longest: int = SHOWN) -> str:
    """Text for one line of a terminal or a log: control characters spelt out, cut when long."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown if len(shown) <= longest else shown[:longest] + "…"
