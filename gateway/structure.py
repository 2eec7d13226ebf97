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
STEPS = 50_000
"""Keywords of a schema that are held against one reply, at most: some seconds' work."""


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

    def check(reply: str) -> str | None:
        value, wrong = _parsed(reply)
        if wrong:
            return wrong
        try:
            error = next(_bounded()(schema).iter_errors(value), None)
        except (TooMuchError, RecursionError):
            return "the schema asks for more work than a reply is worth"
        return None if error is None else f"at {error.json_path}: {error.validator} does not hold"

    return check


class TooMuchError(Exception):
    """A schema that multiplies itself by its references, or a reply that makes it."""


def _bounded() -> Any:
    """A validator of its own for one reply, that looks at `STEPS` keywords and no more.

    A schema of a few lines can ask for 2**50 of them, each reference standing for two others.
    """
    from jsonschema.validators import Draft202012Validator, extend

    left = STEPS

    def counted(name: str, keyword: Callable[..., Any]) -> Callable[..., Any]:
        def hold(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            nonlocal left
            # Whether things are alike is asked of each two of them.
            alike = name == "uniqueItems" and value and isinstance(instance, list)
            left -= 1 + (len(instance) ** 2 // 2 if alike else 0)
            if left < 0:
                raise TooMuchError
            return keyword(validator, value, instance, schema)

        return hold

    every = Draft202012Validator.VALIDATORS.items()
    return extend(Draft202012Validator, {name: counted(name, keyword) for name, keyword in every})


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
