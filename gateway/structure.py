"""Whether a reply has the structure that the request asked for with `response_format`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from gateway.exchange import Failure, FailureKind

Check = Callable[[str], str | None]
"""What is wrong with a reply, or None."""
LARGEST = 64 * 2**10
"""Characters of a schema, at most."""


def checker(response_format: Any) -> Check | None:
    """The check that a request asks for; None where it asks for none.

    Raises Failure BAD_REQUEST for a schema that can't be used: one that points elsewhere, or holds
    a pattern, since a pattern from a request could keep the process busy without end.
    """
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return lambda reply: _parsed(reply)[1]
    if kind != "json_schema":
        raise _bad("response_format.type: write text, json_object or json_schema")
    schema = response_format.get("json_schema", {})
    schema = schema.get("schema") if isinstance(schema, dict) else None
    return _by_schema(schema)


def _by_schema(schema: Any) -> Check:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator

    if not isinstance(schema, dict):
        raise _bad("response_format.json_schema.schema: write a JSON schema")
    if len(json.dumps(schema)) > LARGEST:
        raise _bad("response_format.json_schema.schema: is too long")
    for name, value in _keys(schema):
        if name in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
            raise _bad("response_format.json_schema.schema: $ref may only point inside the schema")
        if name in ("pattern", "patternProperties"):
            raise _bad(f"response_format.json_schema.schema: {name} is not taken; leave it out")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise _bad(f"response_format.json_schema.schema: {error.message[:200]}") from None
    validator = Draft202012Validator(schema)

    def check(reply: str) -> str | None:
        value, wrong = _parsed(reply)
        if wrong:
            return wrong
        error = next(validator.iter_errors(value), None)
        return None if error is None else f"at {error.json_path}: {error.validator} does not hold"

    return check


def _parsed(reply: str) -> tuple[Any, str | None]:
    try:
        return json.loads(reply), None
    except (ValueError, RecursionError):
        return None, "it is no JSON"


def _keys(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            yield name, value
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)


def _bad(message: str) -> Failure:
    return Failure(FailureKind.BAD_REQUEST, message, status=400)
