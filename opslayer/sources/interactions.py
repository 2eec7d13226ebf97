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
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from opslayer.capability import Capability, ColumnType, Kind
from opslayer.records import Feedback, FeedbackKind, Interaction, Status, TagSource
from opslayer.sources.cells import EXACT, INEXACT
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout, Typed, contract_of, typed
from opslayer.sources.logged import (
    Call,
    Readers,
    Told,
    as_told,
    not_in_utc,
    numbers_as_json,
    place,
    texts,
    times,
)
from opslayer.sources.part import Part, Parts, Piece
from opslayer.sources.seen import Seen
from opslayer.sources.values import joined, part_of
from opslayer.stores.events import Entries, Event, Events, Said, Stretch, fields_of
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
BLOCK = 2_000
"""Entries that are looked at together: as many as a processor keeps at hand."""
LARGEST = 2**63
"""Whole numbers up to here are taken as the text of a category or a class."""
STATES = {
    FeedbackKind.TRUE_VALUE: (TagSource.OUTCOME, 1.0),
    FeedbackKind.CORRECTION: (TagSource.EXPERT, 0.9),
}
"""Feedback that states a target: as which source, how surely."""
WRITTEN = json.JSONEncoder(ensure_ascii=False)


One = TypeVar("One", Call, Told)


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
        return Part(begin, {"positions": end}, self.typed(Entries.of(found, BLOCK)))

    def typed(self, entries: Iterable[Entries], *, quickly: bool = True) -> Typed:
        """Entries by the contract; not `quickly`, each by its record's own class."""
        taken = _Columns(self.capability)
        for some in entries:
            taken.add(_taken(self.capability, some, quickly))
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
        entries = self.feed.events.columns(capability.name, self.stretch, BLOCK)
        begin = {"positions": dict(self.stretch.after), "contract": contract_of(capability)}
        yield Part(begin, {"positions": self.stretch.positions}, self.feed.typed(entries))


def _position(history: Sequence[Batch]) -> dict[str, int]:
    """Up to where the log was taken in."""
    done = [batch.end["positions"] for batch in history if batch.status == "done"]
    return dict(done[-1]) if done else {}


def _taken(capability: Capability, entries: Entries, quickly: bool) -> _Taken:
    """Entries read and looked at."""
    if quickly:
        # A 30 February among them: the records' class says so.
        with suppress(pa.ArrowInvalid):
            return _Taken.of(capability, entries, quickly=True)
    return _Taken.of(capability, entries, quickly=False)


@dataclass(slots=True)
class _Columns:
    """Blocks of entries on their way to columns."""

    capability: Capability
    read: int = 0
    remarks: int = 0
    faults: list[Fault] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=lambda: defaultdict(list))
    inputs: dict[str, list[pa.Array | Sequence[Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """What was asked, as it was: what kind a column is of is seen when all of it is there."""
    writers: list[tuple[str, int]] = field(default_factory=list)
    """Of how many calls each, block by block."""
    numbers: list[int] = field(default_factory=list)

    def add(self, taken: _Taken) -> None:
        """Take what is wanted of a block, and let go of the rest."""
        entries = taken.entries
        self.read += len(entries.numbers)
        self.remarks += taken.remarks
        self.faults += taken.faults
        self.tables["answers"].append(taken.answers)
        self.tables["tags"].append(taken.statements)
        for name, its in zip(self.capability.inputs, taken.inputs, strict=True):
            self.inputs[name].append(part_of(its))
        self.writers.append((entries.writer, len(taken.asked.at)))
        self.numbers += [entries.numbers[at] for at in taken.asked.at]

    def table(self, name: str) -> pa.Table:
        """All blocks' rows of a table."""
        none = schema(self.capability, name).empty_table()
        return pa.concat_tables([none, *self.tables[name]]).combine_chunks()

    def chunk(self, layout: Layout) -> Chunk:
        """The calls' inputs as columns."""
        answers = self.table("answers")
        columns = {name: joined(self.inputs[name]) for name in self.capability.inputs}
        for name, its in ((layout.event_time, "event_time"), (layout.id or "", "row_id")):
            columns[name] = answers.column(its).combine_chunks()
        return Chunk(self._files(), self.numbers, columns)

    def _files(self) -> str | list[str]:
        """Who wrote each call, or all of them."""
        if len({writer for writer, _ in self.writers}) == 1:
            return self.writers[0][0]
        return [writer for writer, count in self.writers for _ in range(count)]


@dataclass(slots=True)
class _Read(Generic[One]):
    """Entries of one kind that can be read."""

    at: list[int] = field(default_factory=list)
    """Where each stands in its block."""
    records: list[One] = field(default_factory=list)

    def only(self, wanted: Callable[[One], bool]) -> _Read[One]:
        """Those that are wanted."""
        kept = [one for one in zip(self.at, self.records, strict=True) if wanted(one[1])]
        return _Read([at for at, _ in kept], [record for _, record in kept])


@dataclass(slots=True)
class _Taken:
    """A block of entries that can be read.

    What is read quickly is looked at by column; the few entries in which a column has something
    odd are looked at one by one, as are those that are not read quickly.
    """

    capability: Capability
    entries: Entries
    readers: Readers
    asked: _Read[Call] = field(default_factory=_Read)
    inputs: list[list[Any]] = field(default_factory=list)
    """By input column, the calls' values."""
    values: list[Any] = field(default_factory=list)
    """What each call was answered, as a target."""
    stated: _Read[Told] = field(default_factory=_Read)
    targets: list[Any] = field(default_factory=list)
    """What each feedback says the target is; None for one that takes back the one before it."""
    faults: list[Fault] = field(default_factory=list)
    remarks: int = 0
    answers: pa.Table = None
    """What was served for each call."""
    statements: pa.Table = None
    """What feedback says, as tags."""

    @classmethod
    def of(cls, capability: Capability, entries: Entries, *, quickly: bool) -> _Taken:
        """Entries read; not `quickly`, by their records' own classes alone."""
        taken = cls(capability, entries, Readers.of(capability))
        call, told = taken.readers.call.decode, taken.readers.told.decode
        taken.asked = taken._read("interaction", call if quickly else None)
        taken.stated = taken._read("feedback", told if quickly else None)
        if len(taken.asked.at) + len(taken.stated.at) < len(entries.kinds):
            for at, kind in enumerate(entries.kinds):
                if kind not in ("interaction", "feedback"):
                    taken._slowly(at)
        taken.answers = taken._look_at_calls()
        taken.statements = taken._look_at_feedback()
        return taken

    def _read(self, kind: str, decode: Callable[[str], One] | None) -> _Read[One]:
        """The entries of a kind; those that `decode` does not take are looked at here."""
        texts = self.entries.texts
        its = [at for at, one in enumerate(self.entries.kinds) if one == kind]
        try:
            if decode:
                return _Read(its, [decode(texts[at]) for at in its])
        except ValueError:
            pass  # one of them, at least
        read: _Read[One] = _Read()
        for at in its:
            record = self._one(at, decode)
            if record is not None:
                read.at.append(at)
                read.records.append(record)
        return read

    def _one(self, at: int, decode: Callable[[str], One] | None) -> One | None:
        try:
            if decode:
                return decode(self.entries.texts[at])
        except ValueError:
            pass  # the record's class says why, or takes it
        found: One | None = self._slowly(at)
        return found

    def _slowly(self, at: int) -> Any:
        """An entry by its record's class; None where it is no more than counted, or at fault."""
        try:
            record = _recorded(self.entries, at)
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
            self.faults.append(_fault(self.entries, at, str(reason)))
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

    def _look_at_calls(self) -> pa.Table:
        """Leave out what is no row, and take what a column finds odd one by one; what was served
        for each of the others."""
        if self.capability.kind is Kind.IMAGE or Status.REFUSED in {
            record.status for record in self.asked.records
        }:
            self.asked = self._wanted(self.asked)
        written = texts([record.event_time for record in self.asked.records])
        odd = {*not_in_utc(written)}
        self.inputs = self._inputs()
        for column in self.inputs:
            odd.update(_too_large(column))
        outputs = [record.output for record in self.asked.records]
        said = [one.get("value") for one in outputs] if self.capability.predictor else []
        plain = self.capability.predictor and self._plain(said)
        if not plain:
            odd.update(_wrong(self._answer, outputs))
        if odd:
            self.asked = self._replaced(self.asked, odd)
            self.inputs = self._inputs()
            written = texts([record.event_time for record in self.asked.records])
        if odd or not plain:
            said = [self._answer(record.output) for record in self.asked.records]
        self.values = said
        return self._answers(times(written))

    def _look_at_feedback(self) -> pa.Table:
        """As `_look_at_calls`; what is said, as tags."""
        self.stated = self._wanted(self.stated)
        records = self.stated.records
        odd = {*not_in_utc(texts([one.event_time for one in records]))}
        odd.update(not_in_utc(texts([one.known_time for one in records])))
        said, classes = [one.value for one in records], {*(self.capability.classes or ())}
        plain = None not in said and (not classes or {*said} <= classes) and self._plain(said)
        if not plain:
            odd.update(_wrong(self._target, records))
        if odd:
            self.stated = self._replaced(self.stated, odd)
        if odd or not plain:
            said = [self._target(record) for record in self.stated.records]
        self.targets = said
        return self._statements()

    def _wanted(self, read: _Read[One]) -> _Read[One]:
        """Entries that are rows, or say a target; the others are counted."""
        wanted = read.only(self._is_wanted)
        self.remarks += len(read.at) - len(wanted.at)
        return wanted

    def _plain(self, values: Sequence[Any]) -> bool:
        """Whether all values are of the type that a target is held as, and none needs a look."""
        kinds = {*map(type, values)} - {NoneType}
        if self.capability.task is Kind.CLASSIFICATION:
            return kinds <= {str} and "" not in values
        return kinds <= {float} and all(map(math.isfinite, filter(None, values)))

    def _replaced(self, read: _Read[One], odd: Set[int]) -> _Read[One]:
        """Entries as they were read, the odd ones by their record's class."""
        found: _Read[One] = _Read()
        for index, (at, record) in enumerate(zip(read.at, read.records, strict=True)):
            one = self._slowly(at) if index in odd else record
            if one is not None:
                found.at.append(at)
                found.records.append(one)
        return found

    def _inputs(self) -> list[list[Any]]:
        asked = [record.input for record in self.asked.records]
        return [[*map(attrgetter(place(at)), asked)] for at in range(len(self.capability.inputs))]

    def _answers(self, moments: pa.Array) -> pa.Table:
        records = self.asked.records
        columns = {
            "row_id": [one.id for one in records],
            "event_time": moments,
            "release": [one.release for one in records],
            "variant": [one.variant for one in records],
            "value": self.values,
            "output": _outputs([one.output for one in records]),
        }
        return pa.table(columns, schema(self.capability, "answers"))

    def _statements(self) -> pa.Table:
        """Feedback as tags. The interaction may come later; both meet by its id."""
        records = self.stated.records
        columns = {
            "id": [one.id for one in records],
            "row_id": [one.interaction_id for one in records],
            "value": self.targets,
            "source": [STATES[one.kind][0].value for one in records],
            "by": [one.by for one in records],
            "confidence": [STATES[one.kind][1] for one in records],
            "event_time": times(texts([one.event_time for one in records])),
            "known_time": times(texts([one.known_time for one in records])),
            "supersedes": pa.nulls(len(records), pa.string()),
        }
        return pa.table(columns, schema(self.capability, "tags"))


Looked = TypeVar("Looked")


def _outputs(outputs: Sequence[dict[str, Any]]) -> Sequence[str] | pa.Array:
    """As `json.dumps` writes them; most predictors say one number, which is written at once."""
    said: list[Any] = [one.get("value") for one in outputs]
    number = {*map(type, said)} <= {float} and {*map(len, outputs)} <= {1}
    if number and all(map(math.isfinite, said)):
        return pc.binary_join_element_wise('{"value": ', numbers_as_json(said), "}", "")
    return [WRITTEN.encode(one) for one in outputs]


def _recorded(entries: Entries, at: int) -> Said:
    try:
        return entries.record(at)
    except ValidationError as error:
        kind = entries.kinds[at]
        raise EntryError(f"no {kind} that this Opslayer knows: {_briefly(error)}") from error


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


def _fault(entries: Entries, at: int, reason: str) -> Fault:
    column, text = reason.split(":", 1)[0], entries.texts[at]
    said = said_time(fields_of(text))
    when = datetime.fromisoformat(said) if said else None
    return Fault(entries.writer, entries.numbers[at], column, reason, shortened(text), when)
