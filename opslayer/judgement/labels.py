"""From tags to labels: who is believed, and when nobody is.

A person is a (source, by) pair. As known at a moment, in this order:

1. keep the tags known by then; a tag delivered twice counts once, from its first known_time;
2. drop the superseded ones (a chain drops all but its end);
3. keep each person's newest tag; a person who says two things at the same newest moment said both;
4. a tag without a value takes back what its author said, and says nothing itself;
5. keep the top rank (outcome 3, expert 2, crowd 1, model and rule 0);
6. weigh what is left by log-odds, log(c / (1 - c)), c capped at `CERTAIN`.

Classes: the log-odds of each value are added; a value nobody named has 0. The margin is the best
sum less the larger of the second best and 0. Numbers: the lower weighted median, so that a label is
always a value that somebody stated; weights are log-odds, nothing for c <= 0.5; the margin is the
total weight, or 0 where the weights fall in exact halves between two values. A margin below
`MARGIN` leaves the row unresolved, for a person to look at.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from math import exp, fsum
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from opslayer.capability import TagRule
from opslayer.records import TagSource, digest_of

MARGIN = 0.4
"""Log-odds below which nobody is believed: one tag of confidence 0.6 is just enough."""
CERTAIN = 1 - 1e-6
"""The confidence that any higher one counts as: 13.8 in log-odds, so two tags of 1.0 can tie."""

LABEL_COLUMNS = ["row_id", "value", "event_time", "known_time", "source", "confidence"]
DOUBT_COLUMNS = ["row_id", "value", "event_time", "known_time", "source", "margin"]
RANKS = {source.value: source.rank for source in TagSource}


class Resolution(NamedTuple):
    """What the tags say, each frame sorted by (event_time, row_id)."""

    labels: pd.DataFrame
    """row_id, value, event_time, known_time, source, confidence (0 to 1: of a lone tag its own; of
    classes 1 / (1 + exp(-margin)); of numbers the highest of those who stated the value)."""
    unresolved: pd.DataFrame
    """row_id, the leading value, event_time, known_time, source, margin (below `MARGIN`)."""


class _Vote(NamedTuple):
    """The leading value of one row, by how much it leads, and how sure it is."""

    value: Any
    margin: float
    confidence: float


def resolve(tags: pd.DataFrame, as_of: datetime) -> Resolution:
    """The labels that follow from the tags known at `as_of`, by the rules above.

    `tags` has the columns of the lake's table `tags`, `event_time` being that of the row; values
    are float64 (numbers) or strings (classes). The order of its rows has no influence.

    A label's known_time is the newest known_time among the tags it rests on, those that superseded
    or took back others included: resolving as of that moment gives the same label.
    """
    known = _known(tags, as_of)
    lone = _lone(known)
    votes = _unopposed(known[lone]) if lone.all() else _put_to_vote(known, lone)
    votes = votes.sort_values(["event_time", "row_id"])
    resolved = votes["margin"] >= MARGIN
    return Resolution(
        labels=votes.loc[resolved, LABEL_COLUMNS].reset_index(drop=True),
        unresolved=votes.loc[~resolved, DOUBT_COLUMNS].reset_index(drop=True),
    )


def standing_tags(tags: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The tags that still say something at `as_of`, of whatever rank: steps 1 to 4 above."""
    return _standing(_known(tags, as_of))[0]


def rule_digest(rule: TagRule) -> str:
    """Names one version of a rule: equal for rules that say the same, 16 hex digits."""
    said = rule.model_dump(mode="json", exclude_none=True)
    return digest_of(json.dumps(said, sort_keys=True, ensure_ascii=False))


def rule_tag_id(row_id: str, name: str, digest: str) -> str:
    """The id of the tag that one version of a rule gives to a row."""
    return digest_of(row_id, name, digest)


def in_force(tags: pd.DataFrame, rules: Iterable[TagRule]) -> pd.DataFrame:
    """The tags without those of rules which the capability's file does not hold, word for word.

    So a rule taken out or changed stops having effect at once, and one put back has it again;
    its tags stay in the lake. Run it before `resolve`, or a stale tag would supersede others.
    """
    made_by_rule = (tags["source"] == TagSource.RULE.value).to_numpy()
    if not made_by_rule.any():
        return tags
    digests = {rule.name: rule_digest(rule) for rule in rules}
    ours = tags[made_by_rule]
    holds = made_by_rule.copy()
    holds[made_by_rule] = [
        name in digests and rule_tag_id(row_id, name, digests[name]) == tag_id
        for tag_id, row_id, name in zip(ours["id"], ours["row_id"], ours["by"], strict=True)
    ]
    return tags[holds | ~made_by_rule]


def _known(tags: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    known = tags[tags["known_time"] <= as_of]
    if known["id"].duplicated().any():
        order = ["id", "known_time", "event_time", "row_id", "source", "by", "value", "confidence"]
        known = known.sort_values(order).drop_duplicates("id")
    return known.reset_index(drop=True)


def _lone(known: pd.DataFrame) -> pd.Series[bool]:
    """Which tags are all that is said of their row, so that there is nothing to weigh."""
    return ~known["row_id"].duplicated(keep=False) & known["supersedes"].isna()


def _unopposed(lone: pd.DataFrame) -> pd.DataFrame:
    """The votes of lone tags: nearly all there are, and no rule above has anything to drop."""
    said = lone[lone["value"].notna()]
    return said.assign(margin=_log_odds(said))


def _put_to_vote(known: pd.DataFrame, lone: pd.Series[bool]) -> pd.DataFrame:
    """One row per row_id that somebody still says something of: value, source, confidence, margin,
    known_time, event_time."""
    several = known[~lone]
    standing, turning = _standing(several)
    voting = standing[_is_top(standing)]
    votes = _votes(voting)
    votes["known_time"] = _latest(pd.concat([voting, turning])).reindex(votes.index)
    votes["event_time"] = several.groupby("row_id", sort=False)["event_time"].min()
    votes = votes.rename_axis("row_id").reset_index()
    return pd.concat([votes, _unopposed(known[lone])[votes.columns]]) if lone.any() else votes


def _log_odds(tags: pd.DataFrame) -> NDArray[np.float64]:
    sure = np.clip(tags["confidence"].to_numpy(), 1 - CERTAIN, CERTAIN)
    odds: NDArray[np.float64] = np.log(sure / (1 - sure))
    return odds


def _standing(known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tags that still say something, and those that silenced others of their row."""
    pointing = known.loc[known["supersedes"].notna(), ["row_id", "id", "supersedes"]]
    silenced = pointing.merge(
        known[["row_id", "id"]], left_on=["row_id", "supersedes"], right_on=["row_id", "id"]
    )
    standing = known[~known["id"].isin(silenced["supersedes"])]
    newest = standing.groupby(["row_id", "source", "by"], sort=False)["known_time"].transform("max")
    standing = standing[standing["known_time"] == newest]
    withdrawing = standing["value"].isna()
    turning = [known[known["id"].isin(silenced["id_x"])], standing[withdrawing]]
    return standing[~withdrawing], pd.concat(turning)


def _is_top(standing: pd.DataFrame) -> pd.Series[bool]:
    rank = standing["source"].map(RANKS).astype("int64")
    return rank == rank.groupby(standing["row_id"], sort=False).transform("max")


def _latest(tags: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    return tags.groupby("row_id", sort=False)["known_time"].max()


def _votes(voting: pd.DataFrame) -> pd.DataFrame:
    """One row per row_id: value, source, confidence, margin."""
    voting = voting.assign(margin=_log_odds(voting))
    contested = voting["row_id"].duplicated(keep=False)
    columns = ["row_id", "value", "source", "confidence", "margin"]
    alone = voting.loc[~contested, columns]
    if not contested.any():
        return alone.set_index("row_id")
    settled = pd.DataFrame(_settle(voting[contested]), columns=columns)
    settled["value"] = settled["value"].astype(voting["value"].dtype)
    return pd.concat([alone, settled]).set_index("row_id")


def _settle(contested: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Put rows with several voices to the vote, one by one."""
    vote = _middle if pd.api.types.is_numeric_dtype(contested["value"]) else _most_likely
    # One who says the same twice at one moment is one voice, the surer one.
    order = ["row_id", "source", "by", "value", "confidence"]
    voices = contested.sort_values(order).drop_duplicates(order[:-1], keep="last")
    columns = ["row_id", "source", "value", "confidence", "margin"]
    tuples = zip(*(voices[name].tolist() for name in columns), strict=True)
    settled = []
    for row_id, group in groupby(tuples, key=itemgetter(0)):
        _, sources, values, confidences, odds = zip(*group, strict=True)
        value, margin, confidence = vote(values, odds, confidences)
        # Ranks tie for model and rule alone: `model` where any model had a voice.
        settled.append((row_id, value, min(sources), confidence, margin))
    return settled


def _most_likely(
    values: Sequence[str], odds: Sequence[float], confidences: Sequence[float]
) -> _Vote:
    if len(values) == 1:
        return _Vote(values[0], odds[0], confidences[0])
    # fsum is exact, so no order of the voices changes the last digit.
    sums = {
        value: fsum(o for v, o in zip(values, odds, strict=True) if v == value) for value in values
    }
    best, *others = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    margin = best[1] - max([0.0, *(total for _, total in others)])
    return _Vote(best[0], margin, 1 / (1 + exp(-margin)))


def _middle(values: Sequence[float], odds: Sequence[float], confidences: Sequence[float]) -> _Vote:
    ordered = sorted(zip(values, odds, confidences, strict=True))
    weights = np.maximum(0.0, [weight for _, weight, _ in ordered])
    total = fsum(weights)
    below = np.cumsum(weights)
    at = int(np.argmax(below >= total / 2 * (1 - 1e-9)))
    value = ordered[at][0]
    ties = at + 1 < len(ordered) and ordered[at + 1][0] != value
    halves = ties and abs(below[at] - total / 2) <= 1e-9 * total
    confidence = max(sure for stated, _, sure in ordered if stated == value)
    return _Vote(value, 0.0 if halves else total, confidence)
