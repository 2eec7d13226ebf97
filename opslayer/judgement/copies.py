"""Has a model seen its exam? Rows of the exam that stand in the training set under another id."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from opslayer.judgement.checks import Check, Result

MARGIN = 0.02
"""Share of the exam that may be in the training set beyond what is natural."""
SURE = 0.99999
"""How surely rows that are equal by nature stop nothing."""
FEWEST = 30
"""Rows on either side, below which nothing is said."""


def shared_rows(
    learnt: tuple[pd.DataFrame, pd.Series], exam: tuple[pd.DataFrame, pd.Series]
) -> Check:
    """Whether too many rows of an exam were learnt from: equal in every input and in the label.

    Each side: inputs and labels of its rows. Some rows are equal by nature (short texts, few
    levels): the share of training rows that occur more than once says how many of the next rows
    will be known (Good, Biometrika 40, 1953). Of a small training set it says little, so that what
    counts is the highest share that could have shown so few of them, repeated rows taken as pairs
    that come like a Poisson variable (exact bound, Garwood 1936). Allowed: it + 0.02 + four
    standard errors of the exam's own share.
    """
    before, now = (_keys(*side) for side in (learnt, exam))
    if min(len(before), len(now)) < FEWEST:
        sentence = f"Fewer than {FEWEST} rows to compare."
        return Check("shared-rows", None, Result.NOT_JUDGED, sentence)
    often = np.unique(before, return_counts=True)[1]
    repeated = len(before) - int((often == 1).sum())
    natural = repeated / len(before)
    highest = min(1.0, float(chi2.ppf(SURE, repeated + 2)) / len(before))
    most = min(1.0, highest + MARGIN + 4 * math.sqrt(highest * (1 - highest) / len(now)))
    share = float(np.isin(now, before).mean())
    allowed = f"at most {most:.3g}"
    if share > most:
        sentence = (
            f"{share:.1%} of the held-back rows stand in the training set too, where {natural:.1%} "
            "is natural: the exam says nothing. Are rows delivered twice, under different ids?"
        )
        return Check("shared-rows", None, Result.FAILED, sentence, share, allowed)
    sentence = "The held-back rows are not in the training set."
    return Check("shared-rows", None, Result.PASSED, sentence, share, allowed)


def _keys(features: pd.DataFrame, target: pd.Series) -> NDArray[np.uint64]:
    """64 bits for each row: a collision of any two of a million rows has chance 1 in 10^7."""
    rows = features.assign(**{"": target})
    return np.asarray(pd.util.hash_pandas_object(rows, index=False))
