"""Whether a reply has the structure that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.exchange import Failure
from gateway.structure import LARGEST, checker

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"$ref": "#/$defs/word"}},
    "$defs": {"word": {"type": "string"}},
}


def by_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


@pytest.mark.parametrize("asked", [None, {"type": "text"}])
def test_nothing_is_checked_where_nothing_was_asked_for(asked: Any) -> None:
    assert checker(asked) is None


@pytest.mark.parametrize(
    ("reply", "wrong"),
    [
        ('{"name": "Ada"}', None),
        ('{"name": 3}', "at $.name: type does not hold"),
        ("{}", "at $: required does not hold"),
        ("Ada", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
    ],
)
def test_a_reply_is_held_against_the_schema_and_the_fault_quotes_nothing_of_it(
    reply: str, wrong: str | None
) -> None:
    check = checker(by_schema(PERSON))
    assert check is not None
    assert check(reply) == wrong


def test_json_object_takes_any_json() -> None:
    check = checker({"type": "json_object"})
    assert check is not None
    assert (check("{}"), check("no")) == (None, "it is no JSON")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"type": "xml"}, "response_format.type: write text, json_object or json_schema"),
        ("json", "response_format.type"),
        (by_schema(None), "write a JSON schema"),
        (by_schema({"type": "nothing"}), "is not valid under any of the given schemas"),
        (by_schema({"$ref": "http://elsewhere.example/"}), "may only point inside the schema"),
        (by_schema({"items": {"pattern": "(a+)+$"}}), "pattern is not taken"),
        (by_schema({"const": "a" * LARGEST}), "is too long"),
    ],
)
def test_a_schema_that_can_t_be_used_is_refused_in_words(asked: Any, said: str) -> None:
    with pytest.raises(Failure, match=r"^response_format") as told:
        checker(asked)
    assert said in str(told.value)
    assert told.value.status == 400


def laughs() -> dict[str, Any]:
    """A schema of two thousand characters that asks for 2**40 checks."""
    defs: dict[str, Any] = {
        f"d{place}": {"allOf": [{"$ref": f"#/$defs/d{place + 1}"}] * 2} for place in range(40)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**defs, "d40": {"type": "object"}}}


@pytest.mark.parametrize(
    ("schema", "reply"),
    [
        (laughs(), "{}"),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, "{}"),
        ({"uniqueItems": True}, f"[{','.join(['{}'] * 30_000)}]"),
        ({"items": {"anyOf": [*[{"type": "string"}] * 100, {}]}}, f"[{','.join('1' * 3_000)}]"),
    ],
)
def test_a_schema_that_multiplies_itself_is_given_up(schema: Any, reply: str) -> None:
    check = checker(by_schema(schema))
    assert check is not None
    assert check(reply) == "the schema asks for more work than a reply is worth"


def test_a_long_reply_is_held_against_a_schema_all_the_same() -> None:
    schema = {
        "type": "array", "items": {"$ref": "#/$defs/one"}, "uniqueItems": False,
        "$defs": {"one": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    }  # fmt: skip
    check = checker(by_schema(schema))
    assert check is not None
    assert check(f"[{','.join(['{}'] * 1_000)}]") is None
    assert check('[{"a": "x"}]') == "at $[0].a: type does not hold"
