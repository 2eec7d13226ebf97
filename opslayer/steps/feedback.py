"""Take in feedback that comes as a file: true values, corrections, thumbs, clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from opslayer.errors import Problem
from opslayer.records import Feedback
from opslayer.sources.feedback import Portion, read
from opslayer.sources.said import FeedbackFile, Reader
from opslayer.stores import Stores

WRITER = "feedback-import"
"""The name under which the log has these entries."""
TOLD = 1000
"""Problems that are kept to be told; more are counted alone."""


@dataclass(slots=True)
class Imported:
    """What became of a file's lines: read = new + present + refused."""

    read: int = 0
    new: int = 0
    present: int = 0
    """Lines that the log had already, or that say again what one above them says."""
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the refused lines, by line; the first `TOLD`."""

    def count(self, records: Sequence[Feedback], new: int, bad: int) -> None:
        """Count a portion in."""
        self.read += len(records) + bad
        self.new += new
        self.present += len(records) - new
        self.refused += bad


def import_feedback(file: FeedbackFile, stores: Stores, as_of: datetime) -> Imported:
    """Append a file's feedback to the interaction log, once, however often it is imported.

    A line is taken or refused by itself: what is wrong with one keeps no other back, and the mended
    file may be imported as a whole. A line is known from `as_of` on, and true since its
    `event_time`, which is `as_of` where it names none. Its id is its `idempotency_key`, or a digest
    of what it says: two lines that say the same, without keys and times that part them, are one.
    An interaction that the log doesn't know is no fault, for it may come later.

    A true value or a correction is a number or a class, as the capability's kind has it; a thumb is
    kept as `up` or `down`; a click may have any plain value, or none.

    Raises FileRefused, before anything is written, where the file as a whole is no feedback;
    StoreError where the log is away.
    """
    imported, reader = Imported(), Reader(file, as_of)
    for portion in read(file.path):
        records, problems, bad = _sorted(reader, portion)
        new = stores.events.append(records, WRITER) if records else 0
        imported.count(records, new, bad)
        imported.problems += problems[: TOLD - len(imported.problems)]
    return imported


def _sorted(reader: Reader, portion: Portion) -> tuple[list[Feedback], list[Problem], int]:
    """The records, what is wrong with the other lines, and how many those are."""
    records: list[Feedback] = []
    problems, bad = list(portion.problems), len(portion.problems)
    for found in reader.records(portion):
        if isinstance(found, Feedback):
            records.append(found)
        else:
            problems += found
            bad += 1
    return records, sorted(problems, key=lambda problem: problem.line), bad
