"""The hand-written parts in `guard_parts/`, by family: a kind of attack, of harm, or of innocence.

A line is a sentence with slots in braces; `# name` begins a family. Families are what is left out
whole when the guards are measured on texts of kinds that they never saw.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "guard_parts"
SLOT = re.compile(r"\{(\w+)\}")
DEEP = 5
"""What fills a slot has slots itself, this deep at most."""


def parts(name: str) -> dict[str, list[str]]:
    """The sentences of one file by family; raises ValueError for a line before any family."""
    families: dict[str, list[str]] = {}
    family: list[str] | None = None
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and line[2:].isalpha():
            family = families.setdefault(line[2:], [])
        elif line and family is None:
            raise ValueError(f"guard_parts/{name}.txt: {line!r} stands before any family")
        elif line and family is not None:
            family.append(line)
    return families


def filled(rng: np.random.Generator, text: str, words: Mapping[str, Sequence[str]]) -> str:
    """A sentence with something in each of its slots; what fills one may hold slots itself."""
    for _ in range(DEEP):
        text = SLOT.sub(lambda slot: _drawn(rng, words[slot[1]]), text)
    return text


def said(rng: np.random.Generator, families: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The family of a sentence, and the sentence: each one is as likely as any other."""
    sizes = np.array([len(some) for some in families.values()], dtype=float)
    place = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
    family = list(families)[place]
    return family, _drawn(rng, families[family])


def _drawn(rng: np.random.Generator, some: Sequence[str]) -> str:
    return some[int(rng.integers(len(some)))]
