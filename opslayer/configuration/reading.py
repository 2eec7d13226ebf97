"""One file, read: the capability, or every problem it has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from opslayer.capability import Capability, Training, dotted
from opslayer.configuration.document import WHOLE_FILE, Document, clean, parse
from opslayer.configuration.salvage import contradictions, validate
from opslayer.configuration.sentences import misfits
from opslayer.errors import Problem

LARGEST = 1_000_000
"""Bytes; a capability takes about 2,000."""


@dataclass(frozen=True)
class Reading:
    """What a file says: a capability, or problems in the order of their lines."""

    document: Document
    problems: tuple[Problem, ...]
    capability: Capability | None = None
    """None if there is any problem."""

    @property
    def training(self) -> Training | None:
        """The training section for further checks, if it is right, whatever else is wrong."""
        if not isinstance(self.document.data, dict):
            return None
        try:
            return Training.model_validate_json(
                json.dumps(self.document.data.get("training")), strict=True
            )
        except ValidationError:
            return None


def read(path: Path) -> Reading:
    """Read one file. Whatever it holds, this returns; nothing is raised."""
    text = _text(path)
    if isinstance(text, Problem):
        return Reading(Document(str(path)), (text,))
    document = parse(str(path), text)
    if not isinstance(document.data, dict):
        return Reading(document, tuple(document.problems))
    capability = _fit(document)
    _check_file_name(document, path)
    problems = tuple(sorted(document.problems, key=lambda problem: problem.line))
    return Reading(document, problems, None if problems else capability)


def _fit(document: Document) -> Capability | None:
    """The capability, or None with every misfit and contradiction noted in the document."""
    try:
        return validate(document.data)
    except ValidationError as error:
        known = {problem.field for problem in document.problems}
        found = [*misfits(document, error).items(), *contradictions(document)]
        for place, message in found:
            if dotted(place) not in known:
                document.refuse(place, message)
    return None


def _check_file_name(document: Document, path: Path) -> None:
    if path.suffix != ".yaml":
        document.refuse((), f"rename the file to {path.stem}.yaml; {path.suffix} is not read")
    name = document.data.get("name")
    if isinstance(name, str) and name != path.stem:
        document.refuse(("name",), f"must be {clean(path.stem)}, as the file is called")


def _text(path: Path) -> str | Problem:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        return Problem(str(path), 1, WHOLE_FILE, f"can't be read ({error.strerror})")
    if len(content) > LARGEST:
        return Problem(str(path), 1, WHOLE_FILE, f"is larger than {LARGEST:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        return Problem(str(path), line, WHOLE_FILE, wrong)
