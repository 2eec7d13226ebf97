"""The interaction log as a source: what was asked, what was answered, what was said about it.

Feedback that states no target (a thumb, a click), a refused call, a picture and the start of a
stream stay in the log and are counted, no more.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter
from types import NoneType
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import ValidationError

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.records import Feedback, FeedbackKind, Interaction, Status, TagSource
from opslayer.sources.cells import EXACT, INEXACT
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout, Typed, contract_of, typed
from opslayer.sources.logged import Call, Readers, Told, as_told, not_in_utc, place, times
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
BLOCK = 1_000
"""Entries that are looked at together: as many as a processor keeps at hand."""
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
        """What is new when it is asked for, each writer's entries in their order."""
        name, position = self.capability.name, _position(history)
        if history and history[-1].status == "begun":
            pending = Stretch(position, history[-1].end["positions"])
            if found := [*self.events.stretch(name, pending)]:
                end = {**position, **{entry.writer: entry.number for entry in found}}
                yield self._part(position, end, found)
                position = end
        for page in self.events.pages(name, position, ENTRIES):
            yield self._part(position, page.positions, page.events)
            position = page.positions

    def _part(self, after: dict[str, int], end: dict[str, int], found: Sequence[Event]) -> Part:
        begin = {"positions": after, "contract": contract_of(self.capability)}
        return Part(begin, {"positions": end}, self.typed(found))

    def typed(self, entries: Iterable[Event], *, quickly: bool = True) -> Typed:
        """Entries by the contract; not `quickly`, each by its record's own class."""
        taken = _Columns(self.capability)
        waiting = iter(entries)
        while block := list(islice(waiting, BLOCK)):
            taken.add(block, _taken(self.capability, block, quickly))
        layout = self._layout()
        asked = typed(self.capability, layout, taken.chunk(layout), Seen())
        return replace(
            asked,
            faults=(*asked.faults, *taken.faults),
            read=taken.read,
            answers=taken.table("answers"),
            statements=taken.table("tags"),
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
        entries = self.feed.events.stretch(capability.name, self.stretch)
        begin = {"positions": dict(self.stretch.after), "contract": contract_of(capability)}
        yield Part(begin, {"positions": self.stretch.positions}, self.feed.typed(entries))


def _position(history: Sequence[Batch]) -> dict[str, int]:
    """Up to where the log was taken in."""
    done = [batch.end["positions"] for batch in history if batch.status == "done"]
    return dict(done[-1]) if done else {}


def _taken(capability: Capability, block: Sequence[Event], quickly: bool) -> _Taken:
    """Entries read and looked at."""
    if quickly:
        # A 30 February among them: the records' class says so.
        with suppress(pa.ArrowInvalid):
            return _Taken.of(capability, block, Readers.of(capability))
    return _Taken.of(capability, block, None)


@dataclass(slots=True)
class _Columns:
    """Blocks of entries on their way to columns."""

    capability: Capability
    read: int = 0
    remarks: int = 0
    faults: list[Fault] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    inputs: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """What was asked, as it was: what kind a column is of is seen when all of it is there."""
    writers: list[str] = field(default_factory=list)
    """Of each call."""
    numbers: list[int] = field(default_factory=list)

    def add(self, block: Sequence[Event], taken: _Taken) -> None:
        """Take what is wanted of a block, and let go of the rest."""
        self.read += len(block)
        self.remarks += taken.remarks
        self.faults += taken.faults
        self.tables["answers"].append(taken.answers)
        self.tables["tags"].append(taken.statements)
        for name, its in zip(self.capability.inputs, taken.inputs, strict=True):
            self.inputs[name] += its
        self.writers += [entry.writer for entry, _ in taken.asked]
        self.numbers += [entry.number for entry, _ in taken.asked]

    def table(self, name: str) -> pa.Table:
        """All blocks' rows of a table."""
        none = schema(self.capability, name).empty_table()
        return pa.concat_tables([none, *self.tables[name]]).combine_chunks()

    def chunk(self, layout: Layout) -> Chunk:
        """The calls' inputs as columns."""
        answers = self.table("answers")
        columns = {name: column_of(self.inputs[name]) for name in self.capability.inputs}
        for name, its in ((layout.event_time, "event_time"), (layout.id or "", "row_id")):
            columns[name] = answers.column(its).combine_chunks()
        return Chunk(self.writers, self.numbers, columns)


@dataclass(slots=True)
class _Taken:
    """A block of entries that can be read.

    What is read quickly is looked at by column; the few entries in which a column has something
    odd are looked at one by one, as are those that are not read quickly.
    """

    capability: Capability
    readers: Readers
    asked: list[tuple[Event, Call]] = field(default_factory=list)
    inputs: list[list[Any]] = field(default_factory=list)
    """By input column, the calls' values."""
    values: list[Any] = field(default_factory=list)
    """What each call was answered, as a target."""
    stated: list[tuple[Event, Told]] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)
    """What each feedback says the target is; None for one that takes back the one before it."""
    faults: list[Fault] = field(default_factory=list)
    remarks: int = 0
    answers: pa.Table = None
    """What was served for each call."""
    statements: pa.Table = None
    """What feedback says, as tags."""

    @classmethod
    def of(
        cls, capability: Capability, entries: Sequence[Event], readers: Readers | None
    ) -> _Taken:
        """Entries read; without `readers`, by their records' own classes alone."""
        taken = cls(capability, readers or Readers.of(capability))
        taken._read(entries, taken.readers if readers else None)
        taken._look_at_calls()
        taken._look_at_feedback()
        taken.answers, taken.statements = taken._answers(), taken._statements()
        return taken

    def _read(self, entries: Sequence[Event], readers: Readers | None) -> None:
        """Sort entries in; those that are not read quickly are looked at here."""
        call, told = (readers.call.decode, readers.told.decode) if readers else (None, None)
        asked, stated = self.asked, self.stated
        for entry in entries:
            try:
                if call and entry.kind == "interaction":
                    asked.append((entry, call(entry.text)))
                    continue
                if told and entry.kind == "feedback":
                    stated.append((entry, told(entry.text)))
                    continue
            except ValueError:
                pass  # the record's class says why, or takes it
            found = self._slowly(entry)
            if isinstance(found, Call):
                asked.append((entry, found))
            elif isinstance(found, Told):
                stated.append((entry, found))

    def _slowly(self, entry: Event) -> Call | Told | None:
        """An entry by its record's class; None where it is no more than counted, or at fault."""
        try:
            record = _recorded(entry)
            if not isinstance(record, Interaction | Feedback) or not self._is_wanted(record):
                self.remarks += 1  # of a start, its interaction tells how it ended
                return None
            if isinstance(record, Feedback):
                self._target(record)
                return as_told(record)
            _check_json(self.capability, record)
            self._answer(record.output)
            return self.readers.as_call(record, [*self.capability.inputs])
        except EntryError as reason:
            self.faults.append(_fault(entry, str(reason)))
            return None

    def _is_wanted(self, record: Call | Told | Interaction | Feedback) -> bool:
        """Whether it is a row, or says a target.

        Somebody asked it, so it is a row, also where the answer failed, broke off or came from a
        fallback. What was refused need not keep the contract, and a picture is asked for in words.
        """
        if isinstance(record, Call | Interaction):
            return record.status is not Status.REFUSED and self.capability.kind is not Kind.IMAGE
        return record.kind in STATES and self.capability.predictor

    def _target(self, record: Told | Feedback) -> str | float | None:
        """What feedback says the target is."""
        if record.kind is FeedbackKind.CORRECTION and record.value is None:
            return None
        return stated(self.capability, record.value, "value")

    def _answer(self, output: dict[str, Any]) -> Any:
        value = output.get("value")
        if value is None or not self.capability.predictor:
            return None
        # A fallback's constant may be no class of the contract, and was served all the same.
        return _target(self.capability, value, "output.value")

    def _look_at_calls(self) -> None:
        """Leave out what is no row, and take what a column finds odd one by one."""
        if self.capability.kind is Kind.IMAGE or Status.REFUSED in {
            record.status for _, record in self.asked
        }:
            wanted = [one for one in self.asked if self._is_wanted(one[1])]
            self.remarks += len(self.asked) - len(wanted)
            self.asked = wanted
        odd = {*not_in_utc([record.event_time for _, record in self.asked])}
        self.inputs = self._inputs()
        for column in self.inputs:
            odd.update(_too_large(column))
        outputs = [record.output for _, record in self.asked]
        said = [one.get("value") for one in outputs] if self.capability.predictor else []
        plain = self.capability.predictor and self._plain(said)
        if not plain:
            odd.update(_wrong(self._answer, outputs))
        if odd:
            self.asked = self._replaced(self.asked, odd)
            self.inputs = self._inputs()
        if odd or not plain:
            said = [self._answer(record.output) for _, record in self.asked]
        self.values = said

    def _look_at_feedback(self) -> None:
        """As `_look_at_calls`."""
        wanted = [one for one in self.stated if self._is_wanted(one[1])]
        self.remarks += len(self.stated) - len(wanted)
        odd = {*not_in_utc([record.event_time for _, record in wanted])}
        odd.update(not_in_utc([record.known_time for _, record in wanted]))
        said, classes = [record.value for _, record in wanted], {*(self.capability.classes or ())}
        plain = None not in said and (not classes or {*said} <= classes) and self._plain(said)
        if not plain:
            odd.update(_wrong(self._target, [record for _, record in wanted]))
        self.stated = self._replaced(wanted, odd) if odd else wanted
        if odd or not plain:
            said = [self._target(record) for _, record in self.stated]
        self.targets = said

    def _plain(self, values: Sequence[Any]) -> bool:
        """Whether all values are of the type that a target is held as, and none needs a look."""
        kinds = {*map(type, values)} - {NoneType}
        if self.capability.task is Kind.CLASSIFICATION:
            return kinds <= {str} and "" not in values
        return kinds <= {float} and all(map(math.isfinite, filter(None, values)))

    def _replaced(self, read: list[tuple[Event, One]], odd: Set[int]) -> list[tuple[Event, One]]:
        """Entries as they were read, the odd ones by their record's class."""
        found: list[tuple[Event, Any]] = [
            (entry, self._slowly(entry) if at in odd else record)
            for at, (entry, record) in enumerate(read)
        ]
        return [(entry, record) for entry, record in found if record is not None]

    def _inputs(self) -> list[list[Any]]:
        asked = [record.input for _, record in self.asked]
        return [[*map(attrgetter(place(at)), asked)] for at in range(len(self.capability.inputs))]

    def _answers(self) -> pa.Table:
        """What was served for each call."""
        records = [record for _, record in self.asked]
        columns = {
            "row_id": [one.id for one in records],
            "event_time": times([one.event_time for one in records]),
            "release": [one.release for one in records],
            "variant": [one.variant for one in records],
            "value": self.values,
            "output": self._outputs([one.output for one in records]),
        }
        return pa.table(columns, schema(self.capability, "answers"))

    def _outputs(self, outputs: Sequence[dict[str, Any]]) -> list[str]:
        """As `json.dumps` writes them; most predictors say one number, which is written at once."""
        said: list[Any] = [one.get("value") for one in outputs]
        number = {*map(type, said)} <= {float} and {*map(len, outputs)} <= {1}
        if number and all(map(math.isfinite, said)):
            return [f'{{"value": {value!r}}}' for value in said]
        return [WRITTEN.encode(one) for one in outputs]

    def _statements(self) -> pa.Table:
        """Feedback as tags. The interaction may come later; both meet by its id."""
        records = [record for _, record in self.stated]
        columns = {
            "id": [one.id for one in records],
            "row_id": [one.interaction_id for one in records],
            "value": self.targets,
            "source": [STATES[one.kind][0].value for one in records],
            "by": [one.by for one in records],
            "confidence": [STATES[one.kind][1] for one in records],
            "event_time": times([one.event_time for one in records]),
            "known_time": times([one.known_time for one in records]),
            "supersedes": pa.nulls(len(records), pa.string()),
        }
        return pa.table(columns, schema(self.capability, "tags"))


One = TypeVar("One", Call, Told)
Looked = TypeVar("Looked")


def _recorded(entry: Event) -> Said:
    try:
        return entry.record()
    except ValidationError as error:
        raise EntryError(f"no {entry.kind} that this Opslayer knows: {_briefly(error)}") from error


def _wrong(target: Callable[[Looked], Any], looked: Sequence[Looked]) -> Iterator[int]:
    """Where something states no target."""
    for at, one in enumerate(looked):
        try:
            target(one)
        except EntryError:
            yield at


def _too_large(values: Sequence[Any]) -> list[int]:
    """Which values are whole numbers that no column takes."""
    if int not in {*map(type, values)}:
        return []
    return [at for at, one in enumerate(values) if type(one) is int and abs(one) > LARGEST]


def _check_json(capability: Capability, record: Interaction) -> None:
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


def _briefly(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]
    )


def _fault(entry: Event, reason: str) -> Fault:
    column = reason.split(":", 1)[0]
    said = said_time(fields_of(entry.text))
    at = datetime.fromisoformat(said) if said else None
    return Fault(entry.writer, entry.number, column, reason, shortened(entry.text), at)
