"""What a prompt's places say, and what no caller can make them say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Failure
from gateway.prompts import LONGEST, Renderer


def test_places_are_filled_from_the_request_and_from_the_defaults() -> None:
    renderer = Renderer("Speak {{ language }} to {{name}}.", {"language": "English"})
    assert renderer.render({"name": "Ada"}) == "Speak English to Ada."
    assert renderer.render({"name": "Ada", "language": "French"}) == "Speak French to Ada."


@given(st.text(max_size=200))
def test_a_value_stands_there_as_it_is_and_is_never_rendered(value: str) -> None:
    said = Renderer("[{{a}}|{{b}}]", {"b": "secret"}).render({"a": value})
    assert said == f"[{value}|secret]"


def test_nothing_but_a_place_is_special() -> None:
    template = "{% if a %} {a} {{ 1 + 1 }} {{a.__class__}} ${a} %s \\1"
    assert Renderer(template, {}).render({"a": "x"}) == template


def test_all_that_is_wrong_with_the_values_is_told_at_once() -> None:
    renderer = Renderer("{{a}} {{b}} {{c}} {{d}}", {})
    with pytest.raises(Failure) as told:
        renderer.render({"b": 3, "c": "c" * (LONGEST + 1), "d": "fine"})
    assert str(told.value) == (
        "metadata.a: is missing; this capability's prompt needs it; metadata.b: write a string; "
        f"metadata.c: is longer than {LONGEST} characters"
    )
    assert told.value.status == 400


@pytest.mark.parametrize("metadata", [None, [], "text", 3])
def test_metadata_of_another_kind_is_as_none(metadata: object) -> None:
    assert Renderer("Hello.", {}).render(metadata) == "Hello."
