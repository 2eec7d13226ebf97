"""May a candidate become champion? One look at answers to the same held-back labelled rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
from scipy.stats import beta

from opslayer.capability import METRICS, Gate, Kind, Metric
from opslayer.errors import Refused
from opslayer.judgement.losses import Answers
from opslayer.judgement.outcome import Outcome
from opslayer.judgement.paired import Comparison, Pair, compare, pair
from opslayer.judgement.slices import groups

Mode = Literal["win", "no_harm"]

DRAWS = 499
"""Swaps per test: p is known to about 0.01 at 0.05."""
SLICE_ALPHA = 0.05
"""Chance of blocking, over all slices together, a candidate that harms none."""
SLICE_DRAWS = 40
"""Swaps per slice in the test, so that the smallest p is well below Holm's first threshold."""
NOTABLE = 0.05
"""A slice worse by 5 points (by 5 % for errors) …"""
NOTABLE_ROWS = 50
"""… on so many rows is a person's to judge, where chance alone may explain it."""
NO_HARM_LABELS = 100
"""Rows that do for `no_harm`: a broken model shows on them, and one that is a little worse on
newer data is the rarer mistake than staying with the old one while labels gather."""
POWER = 6.2
"""(1.645 + 0.842)²: rows for 80 % power of a one-sided 5 % test are 6.2·q/δ²."""


@dataclass(frozen=True)
class Exam:
    """Labelled rows that neither model was trained on, and what both said of them."""

    truth: NDArray[Any]
    champion: Answers
    candidate: Answers
    blocks: NDArray[Any]
    """Block id of each row (a day's number, a session): rows of one block go together."""
    slices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Column name to each row's value."""


def judge(exam: Exam, rules: Gate, kind: Kind, mode: Mode = "win", seed: int = 0) -> Outcome:
    """Whether the candidate may replace the champion.

    `win` asks for proof that it is better, `no_harm` (a fresh model of the champion's own recipe)
    only that it isn't shown worse. Outcomes: `promote`; `keep` (shown worse, or not shown better);
    `not_enough_labels` (numbers: n_missing); `slice_harm` (a slice shown worse, Holm at 5 %);
    `ask_person` (a winner that looks worse by 5 points or 5 % in a slice, where chance may explain
    it; a fresh model of the same recipe comes too often to ask about every such slice).
    Raises Refused if the metric doesn't fit the kind or the answers.
    """
    if rules.metric not in METRICS.get(kind, ()):
        raise Refused(f"gate.metric: {rules.metric} does not fit {kind}")
    two = pair(rules.metric, exam.truth, (exam.champion, exam.candidate), exam.blocks)
    rng = np.random.default_rng(seed)
    whole = compare(two, DRAWS, rng)
    slices = _slices(two, exam.slices, rng)
    outcome, reason, more = _decide(whole, slices, rules, mode)
    numbers = {"metric": str(rules.metric), "mode": mode, "alpha": rules.alpha, "seed": seed}
    numbers |= whole.numbers() | {"slices": [row.numbers() for row in slices]} | more
    return Outcome(outcome, reason, numbers, error_rate=rules.alpha)


def e_value(better: int, worse: int) -> float:
    """Evidence that a challenger is better, valid however often somebody looks.

    `better` and `worse` count the rows only the challenger, or only the champion, has right. Under
    "either is right with chance at most 1/2" it reaches 20 at any time with chance at most 5 %: it
    is the likelihood ratio of a uniform prior on (1/2, 1] to 1/2. Promote at 1 / alpha.
    """
    log_e = (better + worse + 1) * math.log(2) + float(betaln(better + 1, worse + 1))
    log_e += float(beta.logsf(0.5, better + 1, worse + 1))
    return math.exp(min(log_e, 700.0))


@dataclass(frozen=True)
class _Slice:
    column: str
    value: str
    seen: Comparison
    worse_by: float
    """In points for accuracy and F1, as a share of the champion's error for errors."""
    blocks_promotion: bool = False

    @property
    def looks_bad(self) -> bool:
        return self.worse_by >= NOTABLE and self.seen.n >= NOTABLE_ROWS

    def numbers(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "value": self.value,
            "worse_by": self.worse_by,
            "shown_worse": self.blocks_promotion,
            "looks_worse": self.looks_bad,
        } | {name: number for name, number in self.seen.numbers().items() if name != "p_better"}


def _slices(
    two: Pair, columns: Mapping[str, NDArray[Any]], rng: np.random.Generator
) -> list[_Slice]:
    found = [
        (column, value, rows)
        for column, values in columns.items()
        for value, rows in groups(values).items()
    ]
    draws = max(DRAWS, SLICE_DRAWS * len(found) - 1)
    judged = []
    for column, value, rows in found:
        part = two.take(rows)
        # A mean that isn't worse can't be shown worse: no need to draw more than once.
        suspect = two.metric == Metric.F1 or part.difference.sum() < 0
        seen = compare(part, draws if suspect else 1, rng)
        judged.append(_Slice(column, value, seen, _worse_by(two.metric, seen)))
    blocked = _holm([row.seen.p_worse for row in judged])
    return [
        _Slice(row.column, row.value, row.seen, row.worse_by, harm)
        for row, harm in zip(judged, blocked, strict=True)
    ]


def _holm(p_values: list[float]) -> list[bool]:
    """Which hypotheses Holm's step-down procedure rejects at SLICE_ALPHA in all."""
    rejected = [False] * len(p_values)
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > SLICE_ALPHA / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def _worse_by(metric: Metric, seen: Comparison) -> float:
    if seen.champion is None or seen.candidate is None:
        return 0.0
    if metric.higher_is_better:
        return seen.champion - seen.candidate
    worse = seen.candidate - seen.champion
    # With an errorless champion every error is "all of it": 1 keeps the number finite.
    return worse / seen.champion if seen.champion > 0 else float(worse > 0)


Answer = tuple[str, str, dict[str, Any]]


def _decide(whole: Comparison, slices: list[_Slice], rules: Gate, mode: Mode) -> Answer:
    """The first rule that applies, from "can't know" over "harm" to "promote"."""
    refused = _refusal(whole, rules, mode)
    if refused is not None:
        shown_worse = whole.n >= _least(rules, mode) and whole.p_worse <= rules.alpha
        needed = {"n_missing": 0} if shown_worse else _needed(whole, rules, mode)
        more = f": about {needed['n_missing']:,} more are needed" if needed["n_missing"] else ""
        return refused[0], refused[1] + more, needed
    scores = _scores(whole, rules)
    for outcome, harmed in (
        ("slice_harm", [row for row in slices if row.blocks_promotion]),
        ("ask_person", [row for row in slices if row.looks_bad and mode == "win"]),
    ):
        if harmed:
            return outcome, f"{scores}, but {_worst(harmed)}", {}
    if mode == "win":
        return "promote", f"the candidate is better: {scores}, p = {whole.p_better:.3g}", {}
    return "promote", f"the candidate is not shown worse: {scores}, p = {whole.p_worse:.3g}", {}


def _refusal(whole: Comparison, rules: Gate, mode: Mode) -> tuple[str, str] | None:
    """Why all rows together speak against the candidate, or don't say enough."""
    few = f"{whole.n:,} labelled rows with {whole.disagreements:,} disagreements can't decide"
    scores = _scores(whole, rules)
    if whole.n < _least(rules, mode):
        return "not_enough_labels", few
    if whole.p_worse <= rules.alpha:
        return "keep", f"the candidate is worse: {scores}, p = {whole.p_worse:.3g}"
    if mode == "win" and whole.disagreements < rules.min_disagreements:
        return "not_enough_labels", few
    if mode == "win" and whole.p_better > rules.alpha:
        return "keep", f"the candidate is not shown better: {scores}, p = {whole.p_better:.3g}"
    return None


def _least(rules: Gate, mode: Mode) -> int:
    return rules.min_labels if mode == "win" else min(rules.min_labels, NO_HARM_LABELS)


def _scores(whole: Comparison, rules: Gate) -> str:
    sides = f"{_shown(whole.candidate)} against {_shown(whole.champion)}"
    return f"{rules.metric} {sides} on {whole.n:,} rows"


def _needed(whole: Comparison, rules: Gate, mode: Mode) -> dict[str, Any]:
    """How many rows a decision takes: by the floors, and to show the difference seen so far."""
    needs = {"n_for_labels": _least(rules, mode)}
    if mode == "win" and whole.n:
        # Where nothing was seen, 3 in n is the 95 % upper bound of what may be there.
        share = max(whole.disagreements, 3) / whole.n
        needs["n_for_disagreements"] = math.ceil(rules.min_disagreements / share)
        if whole.mean_difference > 0:
            rows = POWER * whole.spread / whole.mean_difference**2
            needs["n_for_difference"] = math.ceil(rows)
    return needs | {"n_missing": max(0, *(need - whole.n for need in needs.values()))}


def _worst(rows: list[_Slice]) -> str:
    worst = max(rows, key=lambda row: row.worse_by)
    sides = f"{_shown(worst.seen.candidate)} against {_shown(worst.seen.champion)}"
    also = f" (and {len(rows) - 1} more slices)" if len(rows) > 1 else ""
    return f"{worst.column} = {worst.value}: {sides} on {worst.seen.n:,} rows{also}"


def _shown(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"
