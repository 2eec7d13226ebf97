"""What levels of a category, and classes, are called where a person reads of them.

Verdicts and reports outlive an erasure, and what nobody declared may be a person's: it goes by its
rank.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

NAMED_FROM = 20
"""Rows from which an undeclared class is named: a word, not a person's."""


def level_names(column: pd.Series, declared: Collection[str]) -> dict[str, str]:
    """Names by level, the commonest first: a declared one's own, `level 3` for any other."""
    ranked = enumerate(column.value_counts().index, 1)
    return {str(one): str(one) if one in declared else f"level {rank}" for rank, one in ranked}


def class_names(column: pd.Series, declared: Collection[str]) -> dict[str, str]:
    """As `level_names`, of a target: what is common enough is named all the same."""
    ranked = enumerate(column.value_counts().items(), 1)
    return {
        str(one): str(one) if one in declared or rows >= NAMED_FROM else f"class {rank}"
        for rank, (one, rows) in ranked
    }
