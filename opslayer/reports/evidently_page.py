"""Evidently's drift page and scores for columns that were made fit before."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from opslayer.reports.window_columns import Pair

SAMPLE = 5_000
"""Rows of each side that are drawn: 9 columns of 10,000 rows take a second, and look the same."""
METHODS = {True: "wasserstein", False: "jensenshannon"}
"""Pinned: left alone Evidently picks by size, and a score's meaning changes with its method.
Wasserstein distance in reference standard deviations for numbers; Jensen-Shannon for levels."""
VALUE_DRIFT = "evidently:metric_v2:ValueDrift"
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""The page may run its own script and reach nothing: no request leaves it."""


@dataclass(frozen=True, slots=True)
class Score:
    """What Evidently says of one column."""

    method: str
    value: float


def draw(pairs: Sequence[Pair], seed: int) -> tuple[str, dict[str, Score]]:
    """The page as HTML (about 4 MB, complete in itself), and each pair's score by its label."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[pair.label for pair in pairs if pair.numeric],
        categorical_columns=[pair.label for pair in pairs if not pair.numeric],
    )
    preset = DataDriftPreset(
        columns=[pair.label for pair in pairs], num_method=METHODS[True], cat_method=METHODS[False]
    )
    before, now = (
        Dataset.from_pandas(_sample(pairs, side, seed), data_definition=definition)
        for side in ("reference", "window")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Report([preset], include_tests=False).run(current_data=now, reference_data=before)
        html = run.get_html_str(as_iframe=False)
    scores = {
        metric["config"]["column"]: Score(metric["config"]["method"], float(metric["value"]))
        for metric in run.dict()["metrics"]
        if metric["config"]["type"] == VALUE_DRIFT
    }
    return _confined(html), scores


def _sample(pairs: Sequence[Pair], side: str, seed: int) -> pd.DataFrame:
    frame = pd.DataFrame({pair.label: getattr(pair, side) for pair in pairs})
    return frame.sample(min(SAMPLE, len(frame)), random_state=seed).sort_index()


def _confined(html: str) -> str:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return html.replace("<head>", f"<head>\n{policy}", 1)
