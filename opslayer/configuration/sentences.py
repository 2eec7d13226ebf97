"""What the model refuses, as sentences that say what is allowed and which name was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from opslayer.capability import Capability, Place
from opslayer.configuration.document import Document, clean
from opslayer.configuration.nearest import nearest

MUST = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "none_required": "left empty",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_too_long": "at most {max_length} characters long",
    "string_too_short": "at least {min_length} character long",
}
PATTERNS = {
    "^[A-Za-z_][A-Za-z0-9_]": "the name of an environment variable, as PAGER_SECRET; "
    "what it holds never stands in a file",
    "^[a-z]": "lower-case letters, digits and single hyphens, starting with a letter",
    "^[^": "without control characters",
}
SCALARS = ("string_type", "int_type", "float_type", "bool_type", "int_from_float")
TYPES = (*SCALARS, "dict_type", "model_type", "model_attributes_type", "tuple_type")
"""Errors that say the value is of another type; the sentence then names the type it is of."""


def misfits(document: Document, error: ValidationError) -> dict[Place, str]:
    """One sentence for each place that does not fit the model, by place.

    Contradictions between sections (`CapabilityError`) are left out: they have their places.
    """
    grouped: dict[Place, list[Any]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        if detail["loc"]:
            grouped.setdefault(place_of(document.data, detail), []).append(detail)
    return {
        place: _sentence(document, place, details)
        for place, details in grouped.items()
        if not _is_a_wrong_branch(place, details, grouped)
    }


def place_of(data: Any, detail: Any) -> Place:
    """The model's path without the names of union branches, which are in no file."""
    place: list[str | int] = []
    for part in detail["loc"]:
        inside = isinstance(data, dict) and part in data
        if inside or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            place.append(part)
            data = data[part]
    if detail["type"] == "missing":
        place.append(detail["loc"][-1])
    return tuple(place)


def _is_a_wrong_branch(place: Place, details: list[Any], grouped: dict[Place, list[Any]]) -> bool:
    """Whether a union failed here only because its right branch failed further inside."""
    deeper = any(other[: len(place)] == place and other != place for other in grouped)
    return deeper and all(detail["type"] in ("literal_error", *SCALARS) for detail in details)


def _sentence(document: Document, place: Place, details: list[Any]) -> str:
    kinds = {detail["type"] for detail in details}
    if "missing" in kinds:
        return "is missing"
    if "extra_forbidden" in kinds:
        return _unknown(place)
    if "value_error" in kinds:
        error = next(detail for detail in details if detail["type"] == "value_error")
        return f"{_shown(document, place)}: {error['ctx']['error']}".removeprefix(": ")
    musts = list(dict.fromkeys(_must(detail) for detail in details))
    value = _at(document.data, place)
    given = _shown(document, place)
    if not given or kinds & set(TYPES):
        given = f"{given} is {_kind(value)}".lstrip()
    hint = _nearest(document, place, details) or _quotes(value, kinds)
    return f"{given}; must be {' or '.join(musts)}{hint}"


def _must(detail: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("enum", "literal_error"):
        allowed = _allowed(detail)
        return allowed[0] if len(allowed) == 1 else "one of " + ", ".join(allowed)
    if kind == "string_pattern_mismatch":
        return next(
            text for start, text in PATTERNS.items() if context["pattern"].startswith(start)
        )
    if kind in MUST:
        return MUST[kind].format(**context)
    return str(detail["msg"][:1].lower() + detail["msg"][1:])


def _allowed(detail: Any) -> list[str]:
    return re.findall(r"'([^']*)'", detail["ctx"]["expected"])


def _nearest(document: Document, place: Place, details: list[Any]) -> str:
    allowed = [
        name
        for detail in details
        if detail["type"] in ("enum", "literal_error")
        for name in _allowed(detail)
    ]
    return nearest(document.texts.get(place, ""), allowed)


def _quotes(value: Any, kinds: set[str]) -> str:
    if "string_type" in kinds and isinstance(value, bool | int | float):
        return "; put it in quotes"
    numbers = {"int_type", "float_type"}
    if kinds & numbers and isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+", value):
        return "; take the quotes away"
    return ""


def _unknown(place: Place) -> str:
    known = known_keys(place[:-1])
    return f"unknown key; there are {', '.join(known)}{nearest(str(place[-1]), known)}"


def known_keys(place: Place) -> tuple[str, ...]:
    """The keys that the model has at a place of a capability's file."""
    types: list[Any] = [Capability]
    for part in place:
        types = [inner for kind in types for inner in _inside(kind, part)]
    return tuple(name for kind in types for model in _models(kind) for name in model.model_fields)


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    """The types found under a key or a list position of a type."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if part in kind.model_fields:
            yield kind.model_fields[str(part)].annotation
        return
    origin, arguments = getattr(kind, "__origin__", None), get_args(kind)
    if origin is dict:
        yield arguments[1]
    elif origin is tuple:
        yield arguments[0]
    else:
        for argument in arguments:
            yield from _inside(argument, part)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """The models that a type or one of its branches is."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif getattr(kind, "__origin__", None) not in (dict, tuple):
        for argument in get_args(kind):
            yield from _models(argument)


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


def _shown(document: Document, place: Place) -> str:
    """A scalar as written, short, without a URL's password; empty for lists and mappings."""
    if not document.texts.get(place):
        return ""
    if str(place[-1]).endswith("_env"):  # where a name belongs, somebody may have put the secret
        return "what stands there"
    text = re.sub(r"//[^/@\s]*@", "//…@", document.texts[place])
    return f"'{clean(text)}'"


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    names |= {list: "a list", dict: "a mapping", type(None): "empty"}
    return names[type(value)]
