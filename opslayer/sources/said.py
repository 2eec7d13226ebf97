"""Lines of a feedback file as records of the log, or everything that is wrong with each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from opslayer.capability import Capability, Kind
from opslayer.configuration.nearest import nearest
from opslayer.errors import ConfigError, NotFound, Problem
from opslayer.records import Feedback, FeedbackKind, Value
from opslayer.sources.cells import Cells, numbers
from opslayer.sources.feedback import Portion, Said
from opslayer.sources.interactions import EntryError, stated
from opslayer.sources.lines import plain
from opslayer.sources.moments import UNCLEAR, moments

ID = 64
"""Characters of an id, at most: what the log holds."""
THUMBS = {
    "up": ("up", "1", "true"),
    "down": ("down", "-1", "0", "false"),
}
SHOWN = 40
"""Characters of a wrong value that are told."""


@dataclass(frozen=True, slots=True)
class FeedbackFile:
    """What is to be imported."""

    path: Path
    find: Callable[[str], Capability]
    """A capability by its name; raises NotFound or ConfigError."""
    capability: str | None = None
    """That of the lines which name none."""


@dataclass(slots=True)
class Reader:
    """Reads a file's lines; remembers capabilities and keys from portion to portion."""

    file: FeedbackFile
    as_of: datetime
    _found: dict[str, Capability | EntryError] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)

    def records(self, portion: Portion) -> Iterator[Feedback | list[Problem]]:
        """For each line its record, or everything that is wrong with it."""
        times = _Column.of(moments(_texts(portion, "event_time")))
        figures = _Column.of(numbers(_texts(portion, "value"))) if portion.as_text else None
        for at, said in enumerate(portion.said):
            fields = _Fields(str(self.file.path), said)
            record = self._record(fields, _Cell(times, at), _Cell(figures, at) if figures else None)
            yield record or fields.problems

    def _record(self, fields: _Fields, time: _Cell, figure: _Cell | None) -> Feedback | None:
        capability = fields.of("capability", self._capability)
        asked = fields.of("interaction_id", _needed_id)
        kind = fields.of("kind", _kind)
        moment = fields.of("event_time", lambda raw: self._moment(raw, time))
        value: Value = None
        if capability and kind:
            value = fields.of("value", _Target(capability, kind, figure).value)
        key = fields.of("idempotency_key", _id)
        if fields.problems:
            return None
        content = _digest(capability.name, asked, kind.value, repr(value), moment)
        if key and self._keys.setdefault(key, content) != content:
            fields.wrong(
                "idempotency_key", f"{key!r} says something else further up: use a new one"
            )
            return None
        return Feedback(
            id=key or content,
            capability=capability.name,
            interaction_id=asked,
            kind=kind,
            value=value,
            event_time=moment or self.as_of,
            known_time=self.as_of,
        )

    def _capability(self, raw: Any) -> Capability:
        name = self.file.capability if raw is None else raw
        if name is None:
            raise EntryError("missing: name it in the file, or for all lines with --capability")
        if not isinstance(name, str):
            raise EntryError(f"no name: {_shown(name)}")
        if name not in self._found:
            self._found[name] = self._find(name)
        found = self._found[name]
        if isinstance(found, EntryError):
            raise found
        return found

    def _find(self, name: str) -> Capability | EntryError:
        try:
            return self.file.find(name)
        except NotFound as error:
            return EntryError(str(error))
        except ConfigError:
            return EntryError(f"the file of {name} has mistakes: opslayer config check {name}")

    def _moment(self, raw: Any, time: _Cell) -> datetime | None:
        if raw is None:
            return None
        if not isinstance(raw, str) or not plain(raw):
            raise EntryError(f"{UNCLEAR}; it is {_shown(raw)}")
        moment: datetime = time.value(raw)
        if moment > self.as_of:
            raise EntryError(f"{raw} is yet to come: what was said is true by now")
        return moment


@dataclass(frozen=True, slots=True)
class _Target:
    """What a value has to be."""

    capability: Capability
    kind: FeedbackKind
    figure: _Cell | None
    """The value read as a number, in a file where all is text."""

    def value(self, raw: Any) -> Value:
        """The value as it is kept; raises EntryError."""
        if isinstance(raw, (list, dict)) or (isinstance(raw, float) and not math.isfinite(raw)):
            raise EntryError("no plain value: write a text, a number, true or false")
        if isinstance(raw, str) and (not plain(raw) or "\0" in raw):
            raise EntryError("NUL character or broken encoding")
        if self.kind is FeedbackKind.CLICK:
            return raw  # type: ignore[no-any-return]
        if raw is None:
            raise EntryError("missing")
        if self.kind is FeedbackKind.THUMB:
            return _thumb(raw)
        return self._target(raw)

    def _target(self, raw: Any) -> Value:
        kind = self.capability.task
        if not self.capability.predictor:
            return raw  # type: ignore[no-any-return]
        if kind is Kind.REGRESSION and self.figure is not None:
            raw = self.figure.value(raw)
        try:
            return stated(self.capability, raw)
        except EntryError as error:
            reason = str(error).removeprefix("value: ")
            raise EntryError(f"{reason}; it is {_shown(raw)}") from error


@dataclass(frozen=True, slots=True)
class _Column:
    """A portion's cells of one field, converted at once."""

    values: list[Any]
    faults: dict[int, str]

    @classmethod
    def of(cls, done: Cells) -> _Column:
        """The values, and by index why a cell has none."""
        faults = {index: reason for where, reason in done.faults for index in where.tolist()}
        return cls(done.values.to_pylist(), faults)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell of a column."""

    column: _Column
    at: int

    def value(self, raw: Any) -> Any:
        """Its value; raises EntryError with what was written."""
        reason = self.column.faults.get(self.at)
        if reason:
            raise EntryError(f"{reason}; it is {_shown(raw)}")
        return self.column.values[self.at]


@dataclass(slots=True)
class _Fields:
    """One line's fields, and what is wrong with them."""

    file: str
    said: Said
    problems: list[Problem] = field(default_factory=list)

    def of(self, name: str, parse: Callable[[Any], Any]) -> Any:
        """A field parsed; None where it is wrong, and then there is a problem more."""
        try:
            return parse(self.said.fields.get(name))
        except EntryError as error:
            self.wrong(name, str(error))
            return None

    def wrong(self, name: str, reason: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.file, self.said.line, name, reason))


def _texts(portion: Portion, name: str) -> pa.Array:
    cells = (said.fields.get(name) for said in portion.said)
    written = [cell if isinstance(cell, str) and plain(cell) else None for cell in cells]
    return pa.array(written, pa.string())


def _id(raw: Any) -> str | None:
    if raw is None:
        return None
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str):
        raise EntryError(f"no text: {_shown(raw)}")
    if raw != raw.strip() or not raw.isprintable():
        raise EntryError(f"{_shown(raw)} has spaces around it, or characters that can't be seen")
    if len(raw) > ID:
        raise EntryError(f"longer than {ID} characters")
    return raw


def _needed_id(raw: Any) -> str | None:
    if raw is None:
        raise EntryError("missing")
    return _id(raw)


def _kind(raw: Any) -> FeedbackKind:
    known = [kind.value for kind in FeedbackKind]
    if raw is None:
        raise EntryError(f"missing: one of {', '.join(known)}")
    if raw not in known:
        near = nearest(raw, known) if isinstance(raw, str) else ""
        raise EntryError(f"{_shown(raw)} is none of {', '.join(known)}{near}")
    return FeedbackKind(raw)


def _thumb(raw: Any) -> str:
    word = str(raw).strip().lower()
    for thumb, words in THUMBS.items():
        if word in words:
            return thumb
    raise EntryError(f"{_shown(raw)} is no thumb: write up or down")


def _shown(raw: Any) -> str:
    text = ascii(raw) if isinstance(raw, str) and not plain(raw) else repr(raw)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _digest(*parts: object) -> str:
    joined = "\x1f".join(str(part) for part in parts)
    return blake2b(joined.encode(), digest_size=16).hexdigest()
