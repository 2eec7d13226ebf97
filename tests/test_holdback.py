"""A stream before its guards: cut anywhere, it says what the whole text says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslayer.capability import Capability, PiiRules
from opslayer.guards.holdback import HoldBack
from opslayer.guards.looked import Blocked
from opslayer.guards.panel import Panel
from opslayer.guards.pii import Pii

WORDS = ["hello", "the", "card", "4111 1111 1111 1111", "jo@example.org", "call", "bike",
         "+49 30 1234 5678", "station", "DE89370400440532013000", "and", "192.168.0.17",
         "."]  # fmt: skip
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=120).map(" ".join)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


@given(texts, st.lists(st.integers(0, 10_000), max_size=60), st.sampled_from([64, 128, 256]))
def test_a_stream_cut_anywhere_is_masked_as_the_whole_text_is(
    text: str, cuts: list[int], hold: int
) -> None:
    guard = Pii(PiiRules())
    back = HoldBack(lambda part: guard.look(part).text, hold)
    streamed = "".join([*(back.feed(piece) for piece in pieces(text, cuts)), back.end()])
    assert streamed == guard.look(text).text


@pytest.mark.parametrize("offset", range(0, 200, 7))
def test_no_half_of_a_secret_ever_leaves(offset: int) -> None:
    text = "x" * offset + " the card is 4111 1111 1111 1111 and more text follows " * 4
    guard = Pii(PiiRules())
    back, left = HoldBack(lambda part: guard.look(part).text, 64), ""
    for letter in text:
        left += back.feed(letter)
        assert "4111" not in left
    assert "4111" not in left + back.end()


def test_what_is_long_enough_leaves_before_the_end() -> None:
    back = HoldBack(lambda part: part, 64)
    assert back.feed("word " * 100)


def test_nothing_of_a_blocked_end_leaves() -> None:
    capability = Capability.model_validate(
        {
            "name": "desk",
            "kind": "chat",
            "guards": {"output": ["pii"], "hold_back": 64, "pii": {"action": "block"}},
            "upstreams": [{"name": "a", "base_url": "http://127.0.0.1:9/v1", "model": "m"}],
        }
    )
    back = Panel.of(capability, {}).session().hold_back()
    left = back.feed("word " * 40)
    with pytest.raises(Blocked):
        left += back.feed("write to jo@example.org now ") + back.end()
    assert "jo@" not in left


def test_without_a_guard_for_texts_nothing_is_held_back() -> None:
    back = HoldBack(lambda part: part, 0)
    assert back.feed("a") == "a"
