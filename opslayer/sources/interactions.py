"""The interaction log as a source: what was asked, what was answered, what was said about it.

Feedback that states no target (a thumb, a click), a refused call, a picture and the start of a
stream stay in the log and are counted, no more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.records import Feedback, FeedbackKind, Interaction, Status, TagSource
from opslayer.sources.cells import EXACT, INEXACT
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout, Typed, contract_of, typed
from opslayer.sources.logged import Call, read, times
from opslayer.sources.part import Part, Parts, Piece
from opslayer.sources.seen import Seen
from opslayer.sources.values import column_of
from opslayer.stores.events import Event, Events, Said, Stretch, fields_of
from opslayer.stores.lake import schema
from opslayer.stores.ledger.batches import Batch
from opslayer.stores.ledger.said import said_time

NAME = "interactions"
"""The log's name as a source; no source in a file may be called so."""
ENTRIES = 20_000
"""Entries in one batch: an entry may hold a text of any length."""
PIECE = 100_000
"""Entries that are read, and written, at once where there are many: the fewer commits the better.
"""
LARGEST = 2**63
"""Whole numbers up to here are taken as the text of a category or a class."""
STATES = {
    FeedbackKind.TRUE_VALUE: (TagSource.OUTCOME, 1.0),
    FeedbackKind.CORRECTION: (TagSource.EXPERT, 0.9),
}
"""Feedback that states a target: as which source, how surely."""


WRITTEN = json.JSONEncoder(ensure_ascii=False)


class EntryError(Exception):
    """A value that can't be what it should; the text says why."""


@dataclass(frozen=True, slots=True)
class LogFeed:
    """The log's entries of one capability."""

    capability: Capability
    events: Events

    @property
    def name(self) -> str:
        """The source's name."""
        return NAME

    def check(self) -> None:
        """Nothing in its configuration can keep it from being asked."""

    def pieces(self, history: Sequence[Batch], elsewhere: bool) -> Iterator[Piece] | None:
        """Stretches of new entries, where they are more than one, or other processes read them."""
        every = self.events.stretches(self.capability.name, _position(history), PIECE)
        first = list(islice(every, 2))
        if len(first) < 2 and not elsewhere:
            return None
        return (Stretched(self, one) for one in chain(first, every))

    def parts(self, history: Sequence[Batch]) -> Parts:
        """New entries, each writer's in its order."""
        position = _position(history)
        pending = history[-1] if history and history[-1].status == "begun" else None
        until = pending.end["positions"] if pending else None
        while True:
            read = self.events.read(self.capability.name, position, ENTRIES)
            found = [entry for entry in read.events if until is None or _within(entry, until)]
            if found:
                end = {**position, **{entry.writer: entry.number for entry in found}}
                begin = {"positions": position, "contract": contract_of(self.capability)}
                yield Part(begin, {"positions": end}, self.typed(found))
                position = end
            elif until is None:
                return
            until = None

    def typed(self, entries: Sequence[Event]) -> Typed:
        """Entries by the contract."""
        try:
            return self.typed_by(entries, read)
        except pa.ArrowInvalid:  # a 30 February among them: the record's class says so
            return self.typed_by(entries, Event.record)

    def typed_by(self, entries: Sequence[Event], how: Callable[[Event], Said | Call]) -> Typed:
        """As `typed`; `how` reads an entry."""
        taken, faults = _Taken(self.capability, _plainly(self.capability), [], []), []
        for entry in entries:
            try:
                taken.add(entry, how)
            except EntryError as reason:
                faults.append(_fault(entry, str(reason)))
        layout = self._layout()
        asked = typed(self.capability, layout, taken.chunk(layout), Seen())
        return replace(
            asked,
            faults=(*asked.faults, *faults),
            read=len(entries),
            answers=taken.answers(),
            statements=taken.statements(),
            remarks=taken.remarks,
        )

    def _layout(self) -> Layout:
        names = ["interaction.event_time", "interaction.id"]
        while {*names} & {*self.capability.inputs}:
            names = [f".{name}" for name in names]
        return Layout(NAME, event_time=names[0], id=names[1])


@dataclass(frozen=True, slots=True)
class Stretched:
    """Some entries of the log."""

    feed: LogFeed
    stretch: Stretch

    def __str__(self) -> str:
        return str(self.stretch)

    def parts(self) -> Parts:
        """All of it as one part."""
        capability = self.feed.capability
        entries = list(self.feed.events.stretch(capability.name, self.stretch))
        begin = {"positions": dict(self.stretch.after), "contract": contract_of(capability)}
        yield Part(begin, {"positions": self.stretch.positions}, self.feed.typed(entries))


def _position(history: Sequence[Batch]) -> dict[str, int]:
    """Up to where the log was taken in."""
    done = [batch.end["positions"] for batch in history if batch.status == "done"]
    return dict(done[-1]) if done else {}


@dataclass(slots=True)
class _Taken:
    """Entries that can be read, on their way to columns."""

    capability: Capability
    plainly: dict[str, type]
    """By input column, the type of most of its values: nothing more need be asked of them."""
    asked: list[tuple[Event, Interaction | Call, Any]]
    """With the value of the output."""
    stated: list[tuple[Feedback, Any]]
    remarks: int = 0

    def add(self, entry: Event, how: Callable[[Event], Said | Call]) -> None:
        """Sort an entry in; raises EntryError where it breaks the contract."""
        try:
            record = how(entry)
        except ValidationError as error:
            raise EntryError(
                f"no {entry.kind} that this Opslayer knows: {_briefly(error)}"
            ) from error
        if not isinstance(record, Call | Interaction | Feedback) or not self._is_wanted(record):
            self.remarks += 1  # of a start, its interaction tells how it ended
        elif not isinstance(record, Feedback):
            if any(type(record.input.get(name)) is not kind for name, kind in self.plainly.items()):
                _check_json(self.capability, record)
            self.asked.append((entry, record, self._answer(record)))
        else:
            self.stated.append((record, self._target(record)))

    def _is_wanted(self, record: Call | Interaction | Feedback) -> bool:
        """Whether it is a row, or says a target.

        Somebody asked it, so it is a row, also where the answer failed, broke off or came from a
        fallback. What was refused need not keep the contract, and a picture is asked for in words.
        """
        if not isinstance(record, Feedback):
            return record.status is not Status.REFUSED and self.capability.kind is not Kind.IMAGE
        return record.kind in STATES and self.capability.predictor

    def _target(self, record: Feedback) -> str | float | None:
        """What it says the target is; None for a correction that takes back the one before it."""
        if record.kind is FeedbackKind.CORRECTION and record.value is None:
            return None
        return stated(self.capability, record.value, "value")

    def _answer(self, record: Interaction | Call) -> Any:
        value = record.output.get("value")
        if value is None or not self.capability.predictor:
            return None
        # A fallback's constant may be no class of the contract, and was served all the same.
        return _target(self.capability, value, "output.value")

    def chunk(self, layout: Layout) -> Chunk:
        """The interactions' inputs as columns."""
        records = [record for _, record, _ in self.asked]
        columns = {
            name: column_of([record.input.get(name) for record in records])
            for name in self.capability.inputs
        }
        columns[layout.event_time] = times(records)
        columns[layout.id or ""] = pa.array([one.id for one in records], pa.string())
        entries = [entry for entry, _, _ in self.asked]
        return Chunk([one.writer for one in entries], [one.number for one in entries], columns)

    def answers(self) -> pa.Table:
        """What was served for each interaction."""
        records = [record for _, record, _ in self.asked]
        columns = {
            "row_id": [one.id for one in records],
            "event_time": times(records),
            "release": [one.release for one in records],
            "variant": [one.variant for one in records],
            "value": [value for _, _, value in self.asked],
            "output": [_written(one.output) for one in records],
        }
        return pa.table(columns, schema(self.capability, "answers"))

    def statements(self) -> pa.Table:
        """Feedback as tags. The interaction may come later; both meet by its id."""
        rows = [
            {
                "id": record.id,
                "row_id": record.interaction_id,
                "value": value,
                "source": STATES[record.kind][0].value,
                "by": record.by,
                "confidence": STATES[record.kind][1],
                "event_time": record.event_time,
                "known_time": record.known_time,
            }
            for record, value in self.stated
        ]
        return pa.Table.from_pylist(rows, schema(self.capability, "tags"))


def _written(output: dict[str, Any]) -> str:
    """As `json.dumps` writes it; most predictors say one number, which is written at once."""
    value = output.get("value")
    if type(value) is float and len(output) == 1 and math.isfinite(value):
        return f'{{"value": {value!r}}}'
    return WRITTEN.encode(output)


def _plainly(capability: Capability) -> dict[str, type]:
    kinds: dict[str, type]
    kinds = {name: float if one.type.numeric else str for name, one in capability.inputs.items()}
    return kinds | dict.fromkeys(capability.columns_of(ColumnType.BOOLEAN), bool)


def _check_json(capability: Capability, record: Interaction | Call) -> None:
    """JSON says what is a number and what a text; it is taken at its word."""
    wrong = [
        f"input.{name}: no {column.type}: {type(value).__name__}"
        for name, column in capability.inputs.items()
        if (value := record.input.get(name)) is not None and not _fits(value, column.type)
    ]
    if wrong:
        raise EntryError("; ".join(wrong))


def _fits(value: object, kind: ColumnType) -> bool:
    if isinstance(value, int) and abs(value) > LARGEST:
        return False
    if kind is ColumnType.BOOLEAN:
        return isinstance(value, (bool, int, float))
    if kind.numeric:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, (str, int))


def stated(capability: Capability, value: Any, field: str = "value") -> str | float:
    """A target as feedback states it, by the capability's kind and classes: a finite number, or a
    class as text. Raises EntryError.
    """
    target = _target(capability, value, field)
    classes = capability.classes
    if classes and target not in classes:
        raise EntryError(f"{field}: none of {', '.join(classes)}")
    return target


def _target(capability: Capability, value: Any, field: str) -> str | float:
    if capability.task is Kind.CLASSIFICATION:
        return _class(value, field)
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EntryError(f"{field}: no number: {type(value).__name__}")
    if isinstance(value, int) and abs(value) > EXACT:
        raise EntryError(f"{field}: {INEXACT}")
    if not math.isfinite(value):
        raise EntryError(f"{field}: no finite number")
    return float(value)


def _class(value: Any, field: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if (isinstance(value, str) and value) or (isinstance(value, int) and abs(value) <= LARGEST):
        return str(value)
    raise EntryError(f"{field}: no class: {type(value).__name__}")


def _within(entry: Event, positions: dict[str, int]) -> bool:
    return entry.number <= positions.get(entry.writer, 0)


def _briefly(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]
    )


def _fault(entry: Event, reason: str) -> Fault:
    column = reason.split(":", 1)[0]
    said = said_time(fields_of(entry.text))
    at = datetime.fromisoformat(said) if said else None
    return Fault(entry.writer, entry.number, column, reason, shortened(entry.text), at)
