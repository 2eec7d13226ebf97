"""Topics: learnt from a capability's own log, told of its calls, and forgotten with a person."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from at_rest import hits
from lake_content import START, capability

from opslayer.records import Erasure, Interaction
from opslayer.steps.erase import Order, erase
from opslayer.steps.facets import tag_calls
from opslayer.steps.topics import learned
from opslayer.stores import Stores
from opslayer.taggers.topics import SPREAD, Learnt, Said, Teller, learn

NOW = START + timedelta(days=1)
SUBJECTS = (
    "parcel delivery courier late address street",
    "refund invoice payment card bank money",
    "password login account email code phone",
    "battery charger cable screen broken device",
    "holiday booking hotel flight ticket room",
)
RARE = "quokka"


def text(number: int) -> str:
    """What somebody writes about one of five things."""
    words = SUBJECTS[number % 5].split()
    return " ".join(np.random.default_rng(number).choice(words, 4))


def call(number: int, said: str, subject: str | None = None) -> Interaction:
    return Interaction(
        id=f"call-{number:05}", capability="made", subject=subject, variant="v", release=1,
        event_time=START + timedelta(minutes=number), input={"text": said}, output={},
    )  # fmt: skip


def log(stores: Stores, count: int, since: int = 0) -> None:
    """Calls of 50 people; one of them has a word that nobody else says, however often."""
    calls = []
    for number in range(since, since + count):
        who = number % 50
        said = f"{text(number)} {RARE}" if who == 7 else text(number)
        calls.append(call(number, said, f"subject-{who}"))
    stores.events.append(calls, "test")


def told(stores: Stores) -> dict[tuple[str, str], str]:
    sql = "SELECT row_id, \"by\", value FROM facets WHERE name = 'topic'"
    rows = stores.lake.query(capability(), sql, ["facets"]).to_pylist()
    return {(row["row_id"], row["by"]): row["value"] for row in rows}


def forget(stores: Stores, subject: str) -> Erasure:
    return erase(subject, lambda _: capability(), stores, Order("ann", "asked", NOW))


def real(real_data: Path) -> tuple[list[Said], pd.DataFrame]:
    """2,000 questions to a bank in one log with 700 to a voice assistant; and the latter."""
    bank = pd.read_csv(real_data / "banking77" / "train.csv.gz")["text"]
    voice = pd.read_csv(real_data / "snips" / "utterances.csv.gz")
    texts = [*bank.sample(2_000, random_state=0), *voice["text"]]
    return [Said(str(number), one) for number, one in enumerate(texts)], voice


def test_topics_of_real_texts_are_the_intents_they_were_written_for(real_data: Path) -> None:
    said, voice = real(real_data)
    found = learn(said)
    teller = Teller.of(found.topics, found.rarity)
    answers = [teller.tell(one) for one in voice["text"]]
    pairs = [(one[0], intent) for one, intent in zip(answers, voice["intent"], strict=True) if one]
    by_topic: dict[str, Counter[str]] = {}
    for name, intent in pairs:
        by_topic.setdefault(name, Counter())[intent] += 1
    pure = sum(max(its.values()) for its in by_topic.values()) / len(pairs)
    assert pure == pytest.approx(0.92, abs=0.04), "seven intents; the most frequent has 1 in 7"
    assert len(pairs) / len(voice) == pytest.approx(0.77, abs=0.06)


def test_equal_texts_give_equal_topics(real_data: Path) -> None:
    said, _ = real(real_data)
    assert learn(said) == learn(said)


def test_a_word_of_few_people_is_in_no_topic_however_often_they_say_it() -> None:
    said = [Said(f"s{number % 50}", text(number)) for number in range(400)]
    said += [Said(f"s{number % (SPREAD - 1)}", f"{text(number)} {RARE}") for number in range(400)]
    found = learn(said)
    assert len(found.topics) >= 5
    assert RARE not in found.rarity
    assert min(found.people.values()) >= SPREAD
    assert not [name for name in found.topics if RARE in name]


def test_numbers_and_masks_are_no_words() -> None:
    said = [
        Said(f"s{n % 50}", f"{text(n)} [EMAIL_1] [CREDIT_CARD_2] 4929111122223333 a1b2c3")
        for n in range(400)
    ]
    words = learn(said).rarity
    assert words
    assert set(words) <= {word for line in SUBJECTS for word in line.split()}


@pytest.mark.parametrize("said", [[], [Said("a", "")] * 400, [Said("a", "one man speaks")] * 400])
def test_from_too_little_nothing_is_learnt(said: list[Said]) -> None:
    assert learn(said) == Learnt({}, {}, {})


def test_topics_are_learnt_once_there_is_enough_and_again_once_the_log_has_doubled(
    stores: Stores,
) -> None:
    log(stores, 299)
    tag_calls(capability(), stores, NOW)
    assert told(stores) == {}
    log(stores, 1, since=299)
    tag_calls(capability(), stores, NOW)
    first = told(stores)
    assert len(first) > 250
    assert {by for _, by in first} == {"topic@1"}
    right = Counter((int(id[5:]) % 5, value) for (id, _), value in first.items())
    best = sum(max(n for (one, _), n in right.items() if one == about) for about in range(5))
    assert best > 0.9 * len(first), "what is about one thing has one topic"
    log(stores, 200, since=300)
    tag_calls(capability(), stores, NOW)
    later = told(stores)
    assert {by for _, by in later} == {"topic@1"}
    assert len(later) > len(first)
    log(stores, 100, since=500)
    tag_calls(capability(), stores, NOW)
    assert Counter(by for _, by in told(stores))["topic@2"] > 500, "the whole log is told anew"
    assert tag_calls(capability(), stores, NOW) == 0


def test_a_capability_without_texts_learns_none(stores: Stores) -> None:
    log(stores, 300)
    numbers = capability(inputs={"size": {"type": "number"}})
    assert learned(numbers, stores, NOW) is None


def test_an_erasure_counts_a_person_less_and_leaves_nothing_of_theirs(
    stores: Stores, tmp_path: Path
) -> None:
    log(stores, 400)
    tag_calls(capability(), stores, NOW)
    before = stores.ledger.topics.newest("made")
    assert before is not None
    assert not forget(stores, "subject-7").removed["topics"]
    after = stores.ledger.topics.newest("made")
    assert after is not None
    assert after.topics == before.topics
    assert sum(before.people.values()) > sum(after.people.values())
    assert hits(tmp_path / "home", [RARE]) == []
    assert not [id for id, _ in told(stores) if int(id[5:]) % 50 == 7]
    assert tag_calls(capability(), stores, NOW) == 0


def test_topics_that_rest_on_too_few_are_forgotten_with_their_tags_and_learnt_anew(
    stores: Stores, tmp_path: Path
) -> None:
    log(stores, 400)
    few = [call(1_000 + n, f"{text(n)} umbrella", f"rain-{n}") for n in range(SPREAD)]
    stores.events.append(few, "test")
    tag_calls(capability(), stores, NOW)
    (first,) = stores.ledger.topics.all("made")
    assert "umbrella" in first.rarity
    removed = [forget(stores, f"rain-{n}").removed["topics"] for n in range(6)]
    assert removed == [0, 0, 0, 0, 0, 1]
    assert told(stores) == {}
    assert not stores.ledger.topics.all("made")[0].topics
    tag_calls(capability(), stores, NOW)
    second = stores.ledger.topics.newest("made")
    assert second is not None
    assert (second.number, "umbrella" in second.rarity) == (2, False)
    assert {by for _, by in told(stores)} == {"topic@2"}
