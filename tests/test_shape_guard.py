"""Rows in the contract's shape, or all that is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslayer.capability import Capability
from opslayer.guards.shape import Shape, ShapeError

INPUTS: dict[str, dict[str, Any]] = {
    "size": {"type": "number", "min": 0, "max": 10},
    "count": {"type": "integer", "missing": True},
    "open": {"type": "boolean"},
    "colour": {"type": "category", "choices": ["red", "blue"]},
    "note": {"type": "text", "max_length": 5, "missing": True},
}
RIGHT = {"size": 1.5, "count": 3, "open": True, "colour": "red", "note": "hi"}


def shape(kind: str = "regression") -> Shape:
    return Shape.of(
        Capability.model_validate(
            {
                "name": "shop",
                "kind": kind,
                "inputs": INPUTS,
                "target": "y",
                "training": {"estimator": "sklearn.linear_model.Ridge"},
                "gate": {"metric": "mae" if kind == "regression" else "accuracy"},
            }
        )
    )


def test_a_right_row_comes_out_as_it_is() -> None:
    assert shape().read(RIGHT) == RIGHT


def test_numbers_that_mean_the_same_are_taken() -> None:
    row = {"size": 2, "count": 3.0, "open": 1, "colour": "blue"}
    assert shape().read(row) == {
        "size": 2,
        "count": 3,
        "open": True,
        "colour": "blue",
        "note": None,
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 11}, "size: write a number from 0 to 10, not 11"),
        ({"size": float("nan")}, "size: write a finite number"),
        ({"size": 10**400}, "size: write a finite number"),
        ({"size": "1"}, "size: write a number, not '1'"),
        ({"size": True}, "size: write a number, not True"),
        ({"size": None}, "size: is missing"),
        ({"count": 1.5}, "count: write a whole number"),
        ({"count": 2**60}, "count: write a whole number"),
        ({"open": 2}, "open: write true or false"),
        ({"colour": "green"}, "colour: write one of red, blue"),
        ({"note": "too long"}, "note: has 8 characters; 5 are allowed"),
        ({"note": "a\0b"}, "note: holds a NUL character"),
        ({"colr": "red"}, "did you mean colour"),
    ],
)
def test_what_breaks_the_contract_is_named_with_the_way_out(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ShapeError) as refused:
        shape().read({**RIGHT, **change})
    assert said in str(refused.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ShapeError) as refused:
        shape().read({"size": "x", "open": "y", "colour": "z", "extra": 1})
    assert len(refused.value.problems) == 4


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.none())
)


@given(st.dictionaries(st.sampled_from([*INPUTS, "other"]), values))
def test_any_row_is_either_refused_or_in_shape(row: dict[str, Any]) -> None:
    try:
        found = shape().read(row)
    except ShapeError:
        return
    assert list(found) == list(INPUTS)
    assert shape().read(found) == found


@pytest.mark.parametrize("value", [None, "x", True, float("inf")])
def test_an_answer_that_is_no_number_is_no_answer(value: object) -> None:
    with pytest.raises(ShapeError):
        shape().check_answer({"value": value})
