"""How often the sentiment of a text is right, on real texts that a person has read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from sentiment_read import FRESH, TUNED

from opslayer.taggers.sentiment import CONFIDENCE, sentiment

Read = dict[str, dict[str, list[int]]]


class Score(NamedTuple):
    """How texts were told."""

    told: Counter[str]
    right: Counter[str]
    texts: int

    @property
    def accuracy(self) -> float:
        return self.right.total() / self.told.total()


def scored(folder: Path, *some: Read) -> Score:
    told: Counter[str] = Counter()
    right: Counter[str] = Counter()
    texts = 0
    for file, values in (pair for read in some for pair in read.items()):
        written = pd.read_csv(folder / file)["text"]
        for value, rows in values.items():
            texts += len(rows)
            for row in rows:
                if (said := sentiment(written[row])) is not None:
                    told[said[0]] += 1
                    right[said[0]] += said[0] == value
    return Score(told, right, texts)


def test_of_texts_that_nothing_was_chosen_on_it_is_right_on_five_of_six(real_data: Path) -> None:
    found = scored(real_data, FRESH)
    assert found.accuracy == pytest.approx(0.84, abs=0.04)
    assert found.told.total() / found.texts == pytest.approx(0.76, abs=0.05)


def test_its_confidence_is_how_often_each_value_is_right(real_data: Path) -> None:
    found = scored(real_data, TUNED, FRESH)
    for value, confidence in CONFIDENCE.items():
        assert found.right[value] / found.told[value] == pytest.approx(confidence, abs=0.05), value


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "1234 5678 9012 3456",
        "Ich bin sehr enttäuscht, das ist ein furchtbarer Dienst",
        "C'est horrible, je suis vraiment très fâché contre vous",
        "",
    ],
)
def test_what_is_too_short_or_in_another_language_gets_none(text: str) -> None:
    assert sentiment(text) is None
