"""What a reviewer reads about one window: our page, the scores as JSON, and Evidently's page.

Our page stands by itself, so that a calm window needs no 4 MB. What decided is the alarm's
verdict with its calibrated threshold; Evidently is there to look at, and decides nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from opslayer.capability import Capability
from opslayer.records import Verdict, VerdictKind
from opslayer.reports import drift_page, evidently_page
from opslayer.reports.evidently_page import Score
from opslayer.reports.page import Shelf
from opslayer.reports.window_columns import Finding, Pair, pair_up


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says besides the two samples."""

    window: str
    """Names the folder: letters, digits, dots and dashes."""
    period: str
    """What the window is, for a person: `2012-03-05 to 2012-03-12`."""
    reference: str
    """What it is compared with: `training snapshot 3fa9…, newest 10,000 rows`."""
    verdicts: Sequence[Verdict] = ()
    """About this window, in the order in which they were reached. The columns' calibrated
    distances are read from the alarm's."""
    with_evidently: bool = True
    seed: int = 0
    """Of the sample that Evidently draws."""


@dataclass(frozen=True)
class DriftReport:
    """A finished report, not yet written anywhere."""

    capability: str
    scores: dict[str, Any]
    """What `scores.json` holds."""
    findings: tuple[Finding, ...]
    files: Mapping[str, str | dict[str, Any]] = field(repr=False)
    """Content by name, as in `drift/WINDOW/index.html`; the index is last."""

    def keep(self, shelf: Shelf) -> Path:
        """Write every file whole, the index last; returns where the index lies."""
        paths = [shelf.write(self.capability, name, text) for name, text in self.files.items()]
        return paths[-1]


def draw(
    reference: pd.DataFrame, window: pd.DataFrame, capability: Capability, facts: Facts
) -> DriftReport:
    """Compare a window with its reference, column by column.

    Both frames hold rows in order of time and any of: the capability's inputs, its target, and
    further columns such as a prediction. Nothing in them raises: what can't be compared is a
    finding. No text, undeclared level or single value gets into any file.
    """
    pairs, findings = pair_up(reference, window, capability)
    html = ""
    scores: dict[str, Score] = {}
    if facts.with_evidently and pairs:
        html, scores, failed = _evidently(pairs, facts)
        findings += failed
    findings += _of_alarm(facts.verdicts)
    summary = _summary((reference, window), (pairs, scores, findings), capability, facts)
    folder = f"drift/{re.sub(r'[^A-Za-z0-9.-]+', '-', facts.window).strip('.-') or 'window'}"
    files: dict[str, str | dict[str, Any]] = {f"{folder}/scores.json": summary}
    if html:
        files[f"{folder}/evidently.html"] = html
    files[f"{folder}/index.html"] = drift_page.draw(summary, pairs, with_evidently=bool(html))
    return DriftReport(capability.name, summary, tuple(findings), files)


def _evidently(pairs: list[Pair], facts: Facts) -> tuple[str, dict[str, Score], list[Finding]]:
    try:
        return *evidently_page.draw(pairs, facts.seed), []
    except Exception as error:  # a page to look at must not stop the monitor that decides
        # The message may quote a value, so only its kind is passed on.
        sentence = f"Evidently could not draw its page ({type(error).__name__})."
        return "", {}, [Finding(None, "evidently", sentence)]


def _of_alarm(verdicts: Sequence[Verdict]) -> list[Finding]:
    """What the alarm itself could not judge, or found wrong with values."""
    alarms = [verdict.numbers for verdict in verdicts if verdict.kind is VerdictKind.ALARM]
    return [
        Finding(column, code.replace("_", "-"), f"Said the alarm: {words}.")
        for numbers in alarms[-1:]
        for code in ("not_judged", "faults")
        for column, words in (numbers.get(code) or {}).items()
    ]


def _summary(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    found: tuple[list[Pair], dict[str, Score], list[Finding]],
    capability: Capability,
    facts: Facts,
) -> dict[str, Any]:
    pairs, scores, findings = found
    alarms = [verdict for verdict in facts.verdicts if verdict.kind is VerdictKind.ALARM]
    numbers = alarms[-1].numbers if alarms else {}
    calibrated = numbers.get("columns") or {}
    return {
        "capability": capability.name,
        "window": facts.window,
        "period": facts.period,
        "reference": facts.reference,
        "rows": {"reference": len(frames[0]), "window": len(frames[1])},
        "threshold": numbers.get("threshold"),
        "columns": [_column(pair, calibrated, scores.get(pair.label)) for pair in pairs],
        "findings": [finding.as_dict() for finding in findings],
        "verdicts": [_verdict(verdict) for verdict in facts.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "kind": verdict.kind.value,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "at": verdict.at.isoformat(),
        "error_rate": verdict.error_rate,
    }


def _column(
    pair: Pair, calibrated: Mapping[str, Mapping[str, float]], score: Score | None
) -> dict[str, Any]:
    known = calibrated.get(pair.column, {})
    return {
        "column": pair.column,
        "label": pair.label,
        "measure": "mean" if pair.numeric else "share of the reference's commonest level",
        "reference": _centre(pair, pair.reference),
        "window": _centre(pair, pair.window),
        "missing": {
            "reference": float(pair.reference.isna().mean()),
            "window": float(pair.window.isna().mean()),
        },
        "distance": known.get("score"),
        "ratio": known.get("ratio"),
        "evidently": {"method": score.method, "score": score.value} if score else None,
    }


def _centre(pair: Pair, column: pd.Series) -> float | None:
    if pair.numeric:
        mean = float(column.mean())
        return mean if math.isfinite(mean) else None
    commonest = pair.reference.value_counts().index[0]
    return float((column.dropna() == commonest).mean())
