"""Events of a stream, however the network cuts it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.sse import LONGEST, Events, EventTooLong

LINES = st.binary(max_size=30).filter(lambda raw: not {10, 13} & set(raw))


@given(st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=6), st.data())
def test_the_events_are_the_same_wherever_the_stream_is_cut(
    events: list[list[bytes]], data: st.DataObject
) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    lines = [b"".join(b"data: " + line + end for line in event) + end for event in events]
    raw = b": a comment" + end + b"event: ping" + end + b"".join(lines) + b"data: x"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    reader, found = Events(), []
    for begin, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += list(reader.feed(raw[begin:stop]))
    assert found == [b"\n".join(event) for event in events]


def test_the_space_behind_the_colon_may_be_absent_and_a_second_one_stays() -> None:
    assert list(Events().feed(b"data:a\n\ndata:  b\n\n")) == [b"a", b" b"]


@pytest.mark.parametrize("raw", [b"data: " + b"a" * LONGEST, b"data:\n" * (LONGEST // 4)])
def test_an_event_that_does_not_end_is_given_up(raw: bytes) -> None:
    with pytest.raises(EventTooLong):
        list(Events().feed(raw + b"more"))
