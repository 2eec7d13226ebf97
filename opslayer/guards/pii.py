"""Personal data that has a form: found by its form, checked where it can be, and replaced.

Names and places have no form and are not looked for. Patterns are RE2, so that no text makes them
slow; check digits decide where a form alone would catch too much.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from opslayer.capability import PiiKind, PiiRules
from opslayer.guards.looked import Action, Looked
from opslayer.guards.plain import plain

CODE = "pii"
CALLS = ("phone", "tel", "call", "mobile", "cell", "fax", "whatsapp", "sms", "text me", "number is",
         "dial", "ring me", "reach me", "contact")  # fmt: skip
"""Words before ten bare digits that make them a phone number."""
MOST = 1_500
"""Stretches from which on a text counts as personal data altogether."""
CHECKS = 400
"""Candidates of one text that are checked by more than their form."""
BEFORE = 40
"""Characters in which such a word may stand."""


class Found(NamedTuple):
    """One stretch of a text that is personal data."""

    start: int
    end: int
    kind: PiiKind


class Need(NamedTuple):
    """What a text must have for a form to be in it: nearly every text lacks nearly all of it, and
    to look for a pattern costs far more than to count."""

    digits: int = 0
    any_of: tuple[str, ...] = ()
    """One of these has to be in the text, in lower case."""

    def met(self, digits: int, text: str) -> bool:
        """Whether a text of so many digits, in lower case, has it."""
        return digits >= self.digits and (
            not self.any_of or any(one in text for one in self.any_of)
        )


class Form(NamedTuple):
    """How one kind of data looks."""

    kind: PiiKind
    needs: Need
    pattern: str
    check: Callable[[str, str], bool]
    """Whether a match, given the text before it, is what it looks like."""


def _always(_: str, __: str) -> bool:
    return True


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _luhn(text: str, _: str) -> bool:
    digits = _digits(text)
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, letter in enumerate(reversed(digits)):
        value = int(letter) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    # A card that was typed wrong is somebody's card all the same, if it begins as cards do.
    return total % 10 == 0 or (len(digits) == 16 and digits[0] in "456")


def _iban(text: str, _: str) -> bool:
    bare = text.replace(" ", "").replace("-", "").upper()
    length = IBAN_LENGTHS.get(bare[:2])
    if length is None:
        return False
    if len(bare) == length and " " not in text:
        return True
    if len(bare) != length:
        return False
    number = "".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])
    return int(number) % 97 == 1


IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21, "CY": 28, "CZ": 24,
    "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21,
    "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SA": 24, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip


def _address(text: str, _: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text != "::"


def _ssn(text: str, _: str) -> bool:
    return text[:3] != "000" and text[4:6] != "00" and text[-4:] != "0000"


def _by(module: str) -> Callable[[str, str], bool]:
    """A check by python-stdnum's module of that name."""

    def check(text: str, _: str) -> bool:
        from importlib import import_module

        return bool(import_module(f"stdnum.{module}").is_valid(text))

    return check


def _phone(text: str, before: str) -> bool:
    text = text.partition("x")[0].partition("ext")[0]
    digits = _digits(text)
    if not 7 <= len(digits) <= 15:
        return False
    groups = [part for part in _split(text) if part]
    if text.startswith(("+", "00", "(")):
        return len(groups) > 1 or len(digits) >= 9
    if len(groups) == 1:
        named = any(word in before[-BEFORE:].lower() for word in CALLS)
        return (digits[0] == "0" and 9 <= len(digits) <= 11) or (named and len(digits) >= 7)
    return not _is_date_or_amount(groups, text, before)


def _is_date_or_amount(groups: list[str], text: str, before: str) -> bool:
    lengths = [len(group) for group in groups]
    if lengths[:3] == [4, 2, 2] and groups[0][:2] in ("19", "20"):
        return True
    if lengths in ([4, 2, 2], [2, 2, 4], [1, 2, 4], [2, 1, 4], [4, 4]) and "." not in text[:1]:
        return lengths != [4, 4] or groups[0][:2] in ("19", "20")
    if before.rstrip()[-1:] in tuple("$€£¥#"):
        return True
    return len(groups) == 2 and "." in text and len(groups[0]) > 3


def _split(text: str) -> list[str]:
    return text.translate(SEPARATORS).split(" ")


SEPARATORS = {ord(letter): " " for letter in "+-.()/ "}
ID, NET = PiiKind.NATIONAL_ID, PiiKind.NET_ADDRESS

FORMS = (
    Form(
        PiiKind.EMAIL,
        Need(any_of=("@",)),
        r"[A-Za-z0-9._%+'\x80-\xff\-]{1,64}@(?:[A-Za-z0-9\x80-\xff\-]{1,63}\.){1,8}[A-Za-z]{2,24}",
        _always,
    ),
    Form(
        PiiKind.EMAIL,
        Need(any_of=("(at", "[at", "{at", "( at", "[ at", "{ at")),
        r"(?i)[a-z0-9._%+\-]{1,64}\s?[(\[{]\s?at\s?[)\]}]\s?[a-z0-9\-]{1,63}"
        r"(?:\s?(?:[(\[{]\s?dot\s?[)\]}]|\.)\s?[a-z0-9\-]{1,63}){1,5}",
        _always,
    ),
    Form(
        PiiKind.EMAIL,
        Need(any_of=(" dot ",)),
        r"(?i)\b[a-z0-9._%+\-]{2,64} at [a-z0-9\-]{2,63} dot [a-z]{2,10}\b",
        _always,
    ),
    Form(
        PiiKind.URL,
        Need(any_of=("://", "www.")),
        r"(?i)\b(?:https?://|ftp://|www\.)[^\s<>\"'\x60\x00-\x1f]+[^\s<>\"'\x60.,;:!?)\]\x00-\x1f]",
        _always,
    ),
    Form(
        PiiKind.IBAN,
        Need(digits=6),
        r"(?i)\b[a-z]{2}[0-9]{2}(?:[ \-]?[a-z0-9]{4}){2,7}(?:[ \-]?[a-z0-9]{1,4})?\b",
        _iban,
    ),
    Form(PiiKind.CARD, Need(digits=13), r"\b[2-6](?:[ \-]?[0-9]){12,18}\b", _luhn),
    Form(NET, Need(4, (".",)), r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", _address),
    Form(NET, Need(1, (":", "-")), r"(?i)\b(?:[0-9a-f]{2}[:\-]){5}[0-9a-f]{2}\b", _always),
    Form(NET, Need(any_of=(":",)), r"(?i)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]{0,15}", _address),
    Form(ID, Need(digits=7), r"\b[0-9]{3}[\- ][0-9]{2}[\- ][0-9]{4}\b", _ssn),
    Form(
        PiiKind.NATIONAL_ID,
        Need(digits=6),
        r"(?i)\b[a-ceghj-prtw-z][a-ceghj-nprtw-z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[a-d]\b",
        _always,
    ),
    Form(ID, Need(digits=7), r"(?i)\b[xyz0-9][0-9]{7}[\- ]?[a-z]\b", _by("es.nif")),
    Form(
        PiiKind.NATIONAL_ID,
        Need(digits=6),
        r"(?i)\b[a-z]{6}[0-9lmnpqrstuv]{2}[a-z][0-9lmnpqrstuv]{2}[a-z][0-9lmnpqrstuv]{3}[a-z]\b",
        _by("it.codicefiscale"),
    ),
    Form(
        PiiKind.NATIONAL_ID,
        Need(digits=6),
        r"\b[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b",
        _by("fr.nir"),
    ),
    Form(ID, Need(digits=7), r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", _by("br.cpf")),
    Form(ID, Need(digits=7), r"\b(?:19|20)?[0-9]{6}[\-+][0-9]{4}\b", _by("se.personnummer")),
    Form(ID, Need(digits=7), r"\b[0-9]{11}\b", _by("de.idnr")),
    Form(ID, Need(digits=7), r"\b[0-9]{11}\b", _by("pl.pesel")),
    Form(ID, Need(digits=7), r"\b[0-9]{4} [0-9]{4} [0-9]{4}\b", _by("in_.aadhaar")),
    Form(
        PiiKind.PHONE,
        Need(digits=7),
        r"(?:\+|\b00)?\(?\+?[0-9]{1,15}\)?(?:[ .\-/]{0,3}\(?[0-9]{1,12}\)?){0,8}"
        r"(?: ?(?:x|ext\.?) ?[0-9]{1,6})?",
        _phone,
    ),
)  # fmt: skip
"""In the order in which they claim a stretch of text."""
DIGITS, SIGNS = b"0123456789", b"@:([{"
WORDS = tuple(
    mark
    for form in FORMS
    for mark in form.needs.any_of
    if not form.needs.digits and not set(mark.encode()) & set(SIGNS)
)
"""A text without digits, signs and these words holds nothing."""
DULL = bytes(set(range(256)) - set(DIGITS + SIGNS))


@lru_cache(maxsize=1)
def _compiled() -> tuple[Any, ...]:
    """The forms with their patterns compiled."""
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return tuple(
        form._replace(pattern=re2.compile(form.pattern.encode(), options)) for form in FORMS
    )


def find(text: str, kinds: Collection[PiiKind] = tuple(PiiKind)) -> list[Found]:
    """Every stretch of a text that is personal data of these kinds, in order, none overlapping."""
    seen = plain(text)
    taken = bytearray(len(seen.text))
    found = []
    for candidates, (kind, start, end) in enumerate(_matches(seen.text, kinds)):
        if candidates == MOST:
            return [Found(0, len(text), kind)]
        if any(taken[start:end]):
            continue
        taken[start:end] = b"\1" * (end - start)
        found.append(Found(*seen.span(start, end), kind))
    return sorted(found)


def _matches(text: str, kinds: Collection[PiiKind]) -> Iterator[tuple[PiiKind, int, int]]:
    # One byte for one character, so that places stay; what is not Latin stands for itself nowhere.
    raw, lower = text.encode("latin-1", "replace"), text.lower()
    telling = raw.translate(None, DULL)
    if not telling and not any(word in lower for word in WORDS):
        return  # so it is with most texts, and this is on the way of every one
    digits = len(telling.translate(None, SIGNS))
    wanted = [one for one in _compiled() if one.kind in kinds and one.needs.met(digits, lower)]
    checks = 0
    for form in wanted:
        check = form.check
        for match in form.pattern.finditer(raw):
            start, end = match.span()
            checks += check is not _always
            # A text with so many candidates is an attack on our time: then the form is enough.
            if checks > CHECKS or check(text[start:end], text[max(0, start - BEFORE) : start]):
                yield form.kind, start, end


@dataclass(slots=True)
class Pii:
    """The guard, for one request: equal values get equal masks in all its texts."""

    rules: PiiRules
    code: str = CODE
    sentence: str = "Personal data that has a form goes no further than this request."
    masks: dict[tuple[PiiKind, str], str] = field(default_factory=dict)

    def look(self, text: str) -> Looked:
        """The text with masks as `[EMAIL_1]` in place of what was found, or blocked for it."""
        found = find(text, self.rules.kinds)
        if not found:
            return Looked(self.code, Action.PASSED, text)
        counts: dict[str, int] = {}
        for one in found:
            counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
        if self.rules.action == "block":
            return Looked(self.code, Action.BLOCKED, "", counts)
        parts, place = [], 0
        for one in found:
            parts += [text[place : one.start], self._mask(one.kind, text[one.start : one.end])]
            place = one.end
        masked = "".join([*parts, text[place:]])
        return Looked(self.code, Action.MASKED, masked, counts, originals=self.originals)

    @property
    def originals(self) -> Mapping[str, str]:
        """Each mask of this request and what it stands for."""
        return {mask: value for (_, value), mask in self.masks.items()}

    def _mask(self, kind: PiiKind, value: str) -> str:
        known = self.masks.get((kind, value))
        if known is None:
            number = 1 + sum(1 for other, _ in self.masks if other is kind)
            known = self.masks[kind, value] = f"[{kind.name}_{number}]"
        return known
