"""What configs/ declares: is every file right, and is every source there?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from opslayer.capability import Capability, Place, Source
from opslayer.configuration import Reading
from opslayer.errors import NotFound, Problem, StoreError
from opslayer.steps.doctor.check import Check, Finding, Health, Installation

SHOWN = 5
"""Problems of one file that are told here; `opslayer config check` tells all."""


def problems(reading: Reading) -> list[Problem]:
    """Everything wrong with a file, its estimator included, in the order of lines."""
    from opslayer.learners.estimator import check_estimator_path

    found = list(reading.problems)
    if reading.training is not None:
        kind = reading.capability.task if reading.capability else None
        for sentence in check_estimator_path(reading.training, kind):
            place, _, message = sentence.partition(": ")
            found.append(reading.document.problem(_place(place), message))
    return sorted(found, key=lambda problem: problem.line)


def _place(written: str) -> Place:
    return tuple(int(part) if part.isdigit() else part for part in written.split("."))


def _configs(installation: Installation) -> Iterator[Finding]:
    folder = installation.settings.configs / "capabilities"
    if not installation.readings:
        yield Finding(
            "configs",
            Health.FAILURE,
            f"there is no capability in {folder}",
            "run from the folder that holds configs/, or set OPSLAYER_CONFIGS",
        )
    for reading in installation.readings:
        found = problems(reading)
        if found:
            shown = "; ".join(str(problem) for problem in found[:SHOWN])
            more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            yield Finding("configs", Health.FAILURE, shown + more, "opslayer config check")


def _sources(installation: Installation) -> Iterator[Finding]:
    for capability in installation.capabilities:
        for source in capability.sources:
            wrong = _unreadable(source, installation)
            if wrong:
                where = f"{capability.name}: source {source.name}: {wrong}"
                yield Finding("sources", Health.FAILURE, where, _mend(capability, source))


def _unreadable(source: Source, installation: Installation) -> str | None:
    if source.path is not None:
        return _unreadable_path(source.path)
    unset = [
        name
        for name in re.findall(r"\$\{(\w+)\}", source.url or "")
        if name not in installation.environment
    ]
    return (
        f"its url reads {', '.join(unset)}, which the environment does not set" if unset else None
    )


def _unreadable_path(path: str) -> str | None:
    from opslayer.stores import objects

    try:
        there = [one.name for one in objects.find(path)]
    except (NotFound, StoreError) as error:
        return str(error)
    if not there:
        return f"there is no .csv, .csv.gz or .parquet file at {path} yet"
    closed = [name for name in there if _is_closed(name)]
    return f"{', '.join(closed)} can't be read by this user" if closed else None


def _is_closed(name: str) -> bool:
    return not name.startswith("s3://") and not os.access(name, os.R_OK)


def _mend(capability: Capability, source: Source) -> str:
    if source.path is not None:
        return f"put the file there, or change sources in capabilities/{capability.name}.yaml"
    return "set the variable where Opslayer is started"


CHECKS = (
    Check("configs", "every file in configs/ is right", _configs),
    Check("sources", "every source is there", _sources),
)
