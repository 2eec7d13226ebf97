"""Requests for help with harm, and harmless ones of the same words and turns.

A request is a deed and a way of asking for it. Deeds are written by kind of harm, each kind with its
harmless errands; ways of asking are the same for both, so that no turn of phrase becomes a sign of
harm by itself. What is asked without a deed is written whole. Deeds stand in harmless texts too,
where someone asks how they are prevented or punished.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import guard_daily
import numpy as np
from guard_parts import filled, parts, said
from guard_requests import ASKED, WORDS

Families = Mapping[str, Sequence[str]]

DOUBLED = frozenset({
    "get", "put", "cut", "run", "stop", "hit", "stab", "rob", "drop", "rig", "plan", "beat", "let",
    "tap", "bug", "grab", "win", "set", "log", "skin", "trim", "spot", "sit", "dig", "ship", "rub",
    "trap", "snap", "swap", "scan", "blur", "beg", "spin", "skim", "drug", "kidnap", "gerrymander",
    "shoplift", "sim", "quit", "chat", "pet", "step", "wrap", "mop", "fit",
}) - {"beat", "gerrymander", "shoplift", "sim"}  # fmt: skip
"""Verbs whose last letter is doubled before `-ing`."""
WHOLE = 2
"""How much more likely a whole sentence is than one deed of its kind."""
DAILY = 6
"""How much more likely an everyday sentence is than one errand."""
PUBLIC_ASKED, PUBLIC_HARMLESS = 130, 450
"""How likely texts of public sets are, in lines of one family."""
AGAINST = 9
"""How likely a deed is to be spoken of harmlessly, in lines of its kind."""


def ing(deed: str) -> str:
    """A deed as a noun: `making a bomb`."""
    verb, _, rest = deed.partition(" ")
    if verb in DOUBLED:
        verb += verb[-1]
    elif verb.endswith("ie"):
        verb = verb[:-2] + "y"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        verb = verb[:-1]
    return f"{verb}ing {rest}".strip()


def _of_kind(texts: Sequence[str], kind: str) -> list[str]:
    """Ways of asking with the slots of one kind of harm."""
    return [SLOT.sub(rf"{{{kind}\1", text) for text in texts]


SLOT = re.compile(r"\{(deed|errand|nominal)")
DEEDS, ERRANDS, NOMINALS = parts("deeds"), parts("errands"), parts("nominals")
NAMING = parts("naming")
ASKING, AROUND = parts("asking"), parts("around")
WANTED, INNOCENT = parts("wanted"), parts("innocent")
PLAIN = {way: texts for way, texts in AROUND.items() if way != "against"}
PUBLIC = Path(__file__).parent / "data" / "guard_public.csv.gz"
"""Requests and questions of public sets; source and licence of each: `data/README.md`."""
SLOTS = {
    "well": [
        "",
        "safely",
        "properly",
        "quickly",
        "at home",
        "on a budget",
        "without help",
        "legally",
        "for free",
        "online",
        "as a beginner",
        "in an hour",
        "with kids",
    ],
    "own": [
        "my email account",
        "my own phone",
        "my bank account",
        "my laptop",
        "our company's shared drive",
        "my old tablet",
        "my suitcase",
        "my locker",
        "my car",
        "my flat",
        "my website",
    ],
    "hero": [
        "batman",
        "sherlock holmes",
        "harry potter",
        "homer simpson",
        "spider-man",
        "gandalf",
        "james bond",
        "darth vader",
        "bilbo",
        "superman",
    ],
    "country": [
        "france",
        "japan",
        "brazil",
        "kenya",
        "canada",
        "india",
        "norway",
        "egypt",
        "chile",
        "poland",
        "turkey",
        "vietnam",
    ],
}


def _public(label: str) -> list[str]:
    """The public texts of one label."""
    with gzip.open(PUBLIC, "rt", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["label"] == label]
    return [text.translate(NO_SLOT) for text in texts]


NO_SLOT = str.maketrans("{}", "()")
HELP = re.compile(r"(?:how (?:can|do) (?:i|you)|how to|can you (?:help me|assist in)) (.+)\?", re.I)


def _deed(text: str) -> str:
    """What a public request wants done: it says so itself, or asks how."""
    asked = HELP.fullmatch(text)
    return (asked[1] if asked else text).rstrip(".?! ").lower()


def _slots() -> dict[str, list[str]]:
    slots = dict(WORDS) | SLOTS | guard_daily.WORDS
    for kind in DEEDS:
        slots |= {
            f"{kind}deed": DEEDS[kind],
            f"{kind}deeding": [ing(deed) for deed in DEEDS[kind]],
            f"{kind}errand": ERRANDS[kind],
            f"{kind}erranding": [ing(errand) for errand in ERRANDS[kind]],
            f"{kind}asked": _of_kind(_all(ASKING), kind),
            f"{kind}plain": _of_kind(_all(PLAIN), kind),
            f"{kind}against": _of_kind(AROUND["against"], kind),
            f"{kind}nominal": NOMINALS[kind],
            f"{kind}named": _of_kind(NAMING["guide"] + NAMING["praise"], kind),
            f"{kind}shunned": _of_kind(NAMING["against"], kind),
        }
    deeds = [_deed(text) for text in _public("harmful")]
    return slots | {
        "publicdeed": deeds,
        "publicdeeding": [ing(deed) for deed in deeds],
        "publicasked": _of_kind(_all(ASKING), "public"),
        "publicharmful": _public("harmful"),
        "publicharmless": _public("harmless"),
    }


def _all(families: Families) -> list[str]:
    return [text for some in families.values() for text in some]


FILL = _slots()
HARMS: dict[str, Sequence[str]] = {
    f"{kind} asked": ["{" + kind + "asked}"] * len(deeds)
    + ["{" + kind + "named}"] * len(NOMINALS[kind])
    + WANTED[kind] * WHOLE
    for kind, deeds in DEEDS.items()
}
HARMS |= ASKED
HARMS |= {"public asked": ["{publicharmful}", "{publicharmful}", "{publicasked}"] * PUBLIC_ASKED}
"""Requests for help with harm, by kind of harm."""
ERRANDED: dict[str, Sequence[str]] = {
    f"{kind} errand": ["{" + kind + "plain}"] * len(ERRANDS[kind])
    + ["{" + kind + "against}"] * AGAINST
    + ["{" + kind + "shunned}"] * len(NOMINALS[kind])
    + INNOCENT[kind] * WHOLE
    for kind in DEEDS
}
ERRANDED |= {
    f"{kind} innocent": some * WHOLE for kind, some in INNOCENT.items() if kind not in DEEDS
}
ERRANDED |= {"public harmless": ["{publicharmless}"] * PUBLIC_HARMLESS}
ERRANDED |= {f"{kind} daily": some * DAILY for kind, some in parts("daily").items()}
"""Harmless ones, by the kind of harm whose words they share."""
SHORTER = {
    "you": "u", "your": "ur", "please": "pls", "are": "r", "people": "ppl", "because": "cuz",
    "without": "w/o", "want to": "wanna", "going to": "gonna", "what": "wat", "someone": "sb",
    "the": "teh", "i'm": "im", "don't": "dont", "what's": "whats", "with": "wit",
}  # fmt: skip


def sentence(rng: np.random.Generator, families: Families) -> str:
    """One request of these families."""
    return " ".join(filled(rng, said(rng, families)[1], FILL).split())


def _typed(rng: np.random.Generator, text: str) -> str:
    """As people type: capitals or none, short forms, slips."""
    roll = rng.random()
    if roll < 0.45:
        text = text[:1].upper() + text[1:]
    elif roll < 0.5:
        text = text.upper()
    if rng.random() < 0.12:
        text = " ".join(SHORTER.get(word, word) for word in text.split())
    if rng.random() < 0.1 and len(text) > 12:
        place = int(rng.integers(4, len(text) - 2))
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    if rng.random() < 0.2:
        text = text.rstrip(".?! ")
    return text


SHARE = 0.4
"""Of requests for help with harm."""
FOLLOWED = 0.12
"""How often something harmless stands before or after."""
BETWEEN = (". ", " ", "\n", "! ", ", ")


def request(
    rng: np.random.Generator, harms: Families = HARMS, errands: Families = ERRANDED
) -> tuple[str, str]:
    """One text and its label."""
    harmful = bool(rng.random() < SHARE)
    text = sentence(rng, harms if harmful else errands)
    if rng.random() < FOLLOWED:
        pair = [text, sentence(rng, errands)]
        rng.shuffle(pair)
        text = str(rng.choice(BETWEEN)).join(pair)
    return _typed(rng, text), "harmful" if harmful else "harmless"
