"""Personal data that has a form: found, masked alike, and nothing else."""

# ruff: noqa: RUF001 - digits of other scripts are what some tests are about

from __future__ import annotations

import csv
import gzip
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opslayer.capability import PiiKind, PiiRules
from opslayer.guards.looked import Action
from opslayer.guards.pii import Pii, find

FORMS = {
    "CREDIT_CARD", "US_SSN", "IBAN_CODE", "IP_ADDRESS", "DOMAIN_NAME", "EMAIL_ADDRESS",
    "PHONE_NUMBER",
}  # fmt: skip
"""The set's kinds that have a form; names, places, dates and organisations are not looked for."""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jo.doe+x@mail.example.org please", PiiKind.EMAIL),
        ("jo (at) example (dot) org", PiiKind.EMAIL),
        ("jo at example dot org", PiiKind.EMAIL),
        ("call +49 30 1234 5678", PiiKind.PHONE),
        ("my number is 07054673120", PiiKind.PHONE),
        ("card 4111-1111-1111-1111", PiiKind.CARD),
        ("card ４１１１ １１１１ １１１１ １１１１", PiiKind.CARD),
        ("DE89 3704 0044 0532 0130 00", PiiKind.IBAN),
        ("ssn 078-05-1120", PiiKind.NATIONAL_ID),
        ("nino AB 12 34 56 C", PiiKind.NATIONAL_ID),
        ("from 192.168.0.17 or so", PiiKind.NET_ADDRESS),
        ("host 2001:db8::8a2e:370:7334", PiiKind.NET_ADDRESS),
        ("mac 00:1A:2B:3C:4D:5E", PiiKind.NET_ADDRESS),
        ("see https://example.org/a?b=c", PiiKind.URL),
        ("jo\u200b.doe@exa\u200bmple.org", PiiKind.EMAIL),
    ],
)
def test_each_kind_is_found_in_the_forms_people_write(text: str, kind: PiiKind) -> None:
    assert kind in {one.kind for one in find(text)}


@pytest.mark.parametrize(
    "text",
    [
        "it costs 12.50 or 1,234,567 dollars",
        "on 2023-01-05 at 12:30, order 12345",
        "version 1.2.3 of python 3.11",
        "I paid $1500 for 2 bikes in 2024",
        "rate me 5/5, room 101, bus 42",
    ],
)
def test_ordinary_numbers_are_left_alone(text: str) -> None:
    assert find(text) == []


def test_most_marked_data_of_a_real_set_is_found(real_data: Path) -> None:
    with gzip.open(real_data / "pii" / "generated_large.json.gz") as file:
        rows = json.load(file)
    hits = total = 0
    for row in rows:
        found = find(row["full_text"])
        for span in row["spans"]:
            if span["entity_type"] not in FORMS:
                continue
            begin, end = span["start_position"], span["end_position"]
            covered = sum(max(0, min(one.end, end) - max(one.start, begin)) for one in found)
            total += 1
            hits += covered >= 0.9 * (end - begin)
    assert total > 500
    assert hits / total >= 0.95


@pytest.mark.parametrize(
    ("file", "column"),
    [("banking77/train.csv.gz", "text"), ("toxicity/toxicity_en.csv.gz", "text")],
)
def test_hardly_any_benign_text_is_masked(real_data: Path, file: str, column: str) -> None:
    with gzip.open(real_data / file) as raw:
        texts = [row[column] for row in csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"))]
    masked = sum(bool(find(text)) for text in texts)
    assert masked / len(texts) <= 0.02


def test_equal_values_get_equal_masks_in_all_texts_of_a_request() -> None:
    guard = Pii(PiiRules())
    first = guard.look("a@x.org and b@x.org")
    second = guard.look("b@x.org again")
    assert (first.text, second.text) == ("[EMAIL_1] and [EMAIL_2]", "[EMAIL_2] again")
    assert guard.originals == {"[EMAIL_1]": "a@x.org", "[EMAIL_2]": "b@x.org"}


def test_a_guard_that_is_to_block_lets_nothing_through() -> None:
    looked = Pii(PiiRules(action="block")).look("write to a@x.org")
    assert (looked.action, looked.text) == (Action.BLOCKED, "")


def test_kinds_that_are_not_asked_for_stay() -> None:
    guard = Pii(PiiRules(kinds=(PiiKind.CARD,)))
    assert guard.look("a@x.org").action is Action.PASSED


@given(st.text(max_size=300))
def test_stretches_lie_in_the_text_in_order_and_apart(text: str) -> None:
    found = find(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(one.end <= two.start for one, two in pairwise(found))


TELLING = [
    "a@x.org",
    "a (at) x.org",
    "ann at home dot org",
    "http://x.org",
    "www.x.org",
    "10.0.0.1",
    "fe80::1",
    "00:1b:44:11:3a:b7",
    "4111 1111 1111 1111",
    "+44 20 7946 0958",
    "-",
    ".",
    "@",
    ":",
    "(",
    "word",
    "\u0664",
    "7",
    "78-05-1120",
]
FAR = "\n\n\nend\n\n\n1a2b3c4d5e6f7g8h9i0j1k2l3m@ ( [ { :// . - (at [at {at dot www. "
"""In which there is something of everything that any form needs, and nothing that is one."""


@given(st.lists(st.sampled_from(TELLING), max_size=6), st.sampled_from([" ", "", ", "]))
def test_what_is_found_does_not_hang_on_what_else_the_text_has(parts: list[str], gap: str) -> None:
    text = gap.join(parts)
    whole = [one for one in find(text + FAR) if one.start < len(text)]
    assert find(text) == whole
