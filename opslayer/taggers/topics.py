"""What texts are about, learnt from texts alone: a few words each, by what they occur with.

TF-IDF and a factorization without negative numbers (Lee and Seung 1999, *Learning the parts of
objects by non-negative matrix factorization*). A word counts only where many different people use
it: no topic is made of, or named by, what one person said.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

SPREAD = 10
"""Different people who must have used a word, for it to be learnt."""
COMMON = 0.4
"""Share of the texts above which a word tells nothing."""
WORDS = 1_000
"""Words, at most: the most frequent."""
FEWEST = 200
"""Texts with such words below which nothing is learnt."""
TOPICS = (5, 30)
"""Topics, at least and at most."""
NAMED = 3
"""Words in a topic's name."""
SMALL = 0.02
"""Share of a topic's strongest word below which a word is left out of it."""
CLEAR = 0.5
"""Share of a text that its first topic must make up."""
TOKEN = re.compile(r"[^\W\d_]{3,}")
"""A word: three letters or more, so that no number is ever one."""
ASKING = frozenset({
    "couldn", "did", "didn", "doesn", "does", "don", "help", "isn", "just", "know", "like", "make",
    "need", "needed", "tell", "tried", "use", "using", "want", "wanted", "wasn", "won", "wouldn",
})  # fmt: skip
"""What is in any question: it tells nothing of what the question is about."""
MASK = re.compile(r"\[[A-Z]+(?:_[A-Z]+)*_[0-9]+\]")
"""What a guard has put in place of personal data."""


class Said(NamedTuple):
    """One text, and who wrote it: any id that is one person's."""

    who: str
    text: str


class Learnt(NamedTuple):
    """Topics by name, each with its words' weights; and of each word how rare it is (inverse
    document frequency), and how many different people used it."""

    topics: dict[str, dict[str, float]]
    rarity: dict[str, float]
    people: dict[str, int]


def words_of(text: str) -> set[str]:
    """The words of a text, in lower case, without what stands for masked data."""
    return set(_tokens(text))


def _tokens(text: str) -> list[str]:
    return TOKEN.findall(MASK.sub(" ", text).lower())


def learn(said: Sequence[Said]) -> Learnt:
    """The topics of texts; equal texts in equal order give equal topics.

    There are none where too few texts have words that enough people use.
    """
    people = _people(said)
    if len(people) < TOPICS[0] * NAMED:
        return Learnt({}, {}, {})
    vectorizer = _vectorizer(sorted(people))
    table = vectorizer.fit_transform([one.text for one in said])
    table = table[np.diff(table.indptr) > 0]
    if table.shape[0] < FEWEST:
        return Learnt({}, {}, {})
    topics = _named(_factors(table), sorted(people))
    used = sorted({word for words in topics.values() for word in words})
    rarity = dict(zip(sorted(people), vectorizer.idf_.tolist(), strict=True))
    return Learnt(
        topics,
        {word: round(rarity[word], 4) for word in used},
        {word: people[word] for word in used},
    )


def _people(said: Iterable[Said]) -> dict[str, int]:
    """By word that may be learnt, how many different people used it."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    silent = ENGLISH_STOP_WORDS | ASKING
    users: defaultdict[str, set[str]] = defaultdict(set)
    texts: Counter[str] = Counter()
    count = 0
    for count, one in enumerate(said, 1):  # noqa: B007 - how many there were
        words = words_of(one.text)
        texts.update(words)
        for word in words:
            users[word].add(one.who)
    wide = [
        word
        for word, found in users.items()
        if len(found) >= SPREAD and texts[word] <= COMMON * count and word not in silent
    ]
    wide.sort(key=lambda word: (-texts[word], word))
    return {word: len(users[word]) for word in wide[:WORDS]}


def _vectorizer(words: Sequence[str]) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        tokenizer=_tokens, token_pattern=None, lowercase=False, vocabulary=words, sublinear_tf=True
    )


def _factors(table: Any) -> np.ndarray:
    """Topics x words, each topic of length 1."""
    from sklearn.decomposition import NMF

    low, high = TOPICS
    count = min(max(low, round((table.shape[0] / 10) ** 0.5)), high, table.shape[1] // NAMED)
    model = NMF(count, init="nndsvd", random_state=0, max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "did not converge": near enough to tell topics apart
        model.fit(table)
    made: np.ndarray = model.components_
    sizes = np.linalg.norm(made, axis=1)
    lengths: np.ndarray = made[sizes > 0] / sizes[sizes > 0, None]
    return lengths


def _named(factors: np.ndarray, words: Sequence[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for factor in factors:
        order = sorted(range(len(words)), key=lambda place: (-factor[place], words[place]))
        kept = [place for place in order if factor[place] >= SMALL * factor[order[0]]]
        name = " ".join(words[place] for place in kept[:NAMED])
        found.setdefault(name, {words[place]: round(float(factor[place]), 4) for place in kept})
    return found


@dataclass(frozen=True)
class Teller:
    """Tells which topic a text is about."""

    names: tuple[str, ...]
    vectorizer: TfidfVectorizer
    factors: np.ndarray
    """Topics x words."""
    root: np.ndarray
    """Cholesky factor of the topics' products with each other."""

    @classmethod
    def of(cls, topics: Mapping[str, Mapping[str, float]], rarity: Mapping[str, float]) -> Teller:
        """From what `learn` found; there must be a topic."""
        words = sorted(rarity)
        vectorizer = _vectorizer(words)
        vectorizer.idf_ = np.array([rarity[word] for word in words])
        factors = np.array([[its.get(word, 0.0) for word in words] for its in topics.values()])
        products = factors @ factors.T
        root = np.linalg.cholesky(products + 1e-9 * np.eye(len(products)))
        return cls(tuple(topics), vectorizer, factors, root)

    def tell(self, text: str) -> tuple[str, float] | None:
        """The topic that makes up most of a text, and which share of it; None where no topic makes
        up half."""
        from scipy.linalg import solve_triangular
        from scipy.optimize import nnls

        row = self.vectorizer.transform([text])
        if not row.nnz:
            return None
        # The best mix without negative parts, of few numbers: |factors.T mix - row| is as small
        # as |root.T mix - root^-1 factors row|.
        aim = solve_triangular(self.root, self.factors @ row.toarray()[0], lower=True)
        mix = nnls(self.root.T, aim)[0]
        total = float(mix.sum())
        best = int(mix.argmax())
        if total <= 0 or mix[best] < CLEAR * total:
            return None
        return self.names[best], round(min(float(mix[best]) / total, 0.999), 4)
