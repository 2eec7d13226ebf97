"""Contradictions between sections, found even where some part of the file is wrong by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from opslayer.capability import Capability, CapabilityError, Finding, Kind, Metric, Place
from opslayer.configuration.document import Document
from opslayer.configuration.sentences import place_of

ROUNDS = 8
"""Taking a part out may leave its section incomplete, which is then taken out: once per level."""
UNKNOWN_INPUT = {"type": "text"}
"""Stands for an input whose own lines are wrong, so that its name is still known."""


def validate(data: Any) -> Capability:
    """The capability that plain data declares, types taken strictly; pydantic's ValidationError."""
    return Capability.model_validate_json(json.dumps(data), strict=True)


def contradictions(document: Document) -> list[Finding]:
    """What sections say against each other, leaving out what rests on a part that is wrong."""
    data, wrong = deepcopy(document.data), set[Place]()
    for _ in range(ROUNDS):
        try:
            validate(data)
        except ValidationError as error:
            found = _findings(error)
            if found:
                return [finding for finding in found if not _rests_on(finding, wrong)]
            places = {_to_take_out(data, detail) for detail in _details(error)}
            for place in sorted(places, key=len, reverse=True):
                _take_out(data, place)
            wrong |= places
        else:
            return []
    return []


def _details(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_input=False))


def _findings(error: ValidationError) -> tuple[Finding, ...]:
    for detail in _details(error):
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, CapabilityError):
            return inner.findings
    return ()


def _to_take_out(data: Any, detail: Any) -> Place:
    """The place of the wrong part, or of the section that lacks something."""
    place = place_of(data, detail)
    if detail["type"] == "missing" and place not in REPLACED:
        place = place[:-1]
    if place[:1] == ("inputs",) and place[2:] == ("type",):
        place = place[:2]
    return place


def _take_out(data: Any, place: Place) -> None:
    """Take one part out; names of which other sections speak are replaced instead."""
    *above, last = place
    for part in above:
        if isinstance(data, list) and isinstance(part, int) and part >= len(data):
            return
        data = data[part]
    if isinstance(last, int):
        del data[last:]  # what follows would move to another position
    elif place in REPLACED:
        data[last] = REPLACED[place](data.get(last))
    elif above == ["inputs"]:
        data[last] = dict(UNKNOWN_INPUT)
    else:
        data.pop(last, None)


def _kind_meant(written: object) -> str:
    near = get_close_matches(str(written).lower(), [*Kind], n=1)
    return near[0] if near else Kind.CHAT  # the kind about which the checks say least


REPLACED: dict[Place, Callable[[object], str]] = {
    ("name",): lambda _: "unnamed",
    ("kind",): _kind_meant,
    ("gate", "metric"): lambda _: Metric.MAE,
}


def _rests_on(finding: Finding, wrong: set[Place]) -> bool:
    said = finding.message.partition(";")[0]
    names = [str(place[1]) for place in wrong if place[0] == "inputs" and len(place) == 2]
    if ("kind",) in wrong:
        names.append(Kind.CHAT)
    if any(name in said for name in names):
        return True
    return any(
        place == finding.place[: len(place)] or finding.place == place[: len(finding.place)]
        for place in wrong
    )
