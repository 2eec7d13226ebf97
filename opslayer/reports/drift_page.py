"""Our own page about one window, drawn from the report's scores and the prepared columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opslayer.reports import histogram
from opslayer.reports.page import (
    Markup,
    facts,
    heading,
    mark,
    name,
    page,
    paragraph,
    table,
    text,
)
from opslayer.reports.window_columns import Pair

HEADS = (
    "Column", "Shape", "Result", "#Times usual", "#Distance", "#Reference", "#Window",
    "#Missing", "#Evidently",
)  # fmt: skip
LOUD = frozenset({"alarm", "exceeded", "harm", "harm_expected", "failed", "retrain", "rollback"})
"""Outcomes that a person should see first."""


def draw(summary: Mapping[str, Any], pairs: Sequence[Pair], *, with_evidently: bool) -> str:
    """The page as HTML. `summary` is what `scores.json` holds, `pairs` its columns in order."""
    title = f"Drift: {summary['capability']}, {summary['period']}"
    return page(
        title,
        heading(title, 1),
        _lead(summary),
        facts(_facts(summary)),
        *_verdicts(summary["verdicts"]),
        *_columns(summary, pairs),
        *_findings(summary["findings"]),
        *_evidently(with_evidently),
    )


def _lead(summary: Mapping[str, Any]) -> Markup:
    alarms = [verdict for verdict in summary["verdicts"] if verdict["kind"] == "alarm"]
    if not alarms:
        return paragraph("No alarm was judged for this window.", "lead")
    outcome, reason = alarms[-1]["outcome"], _sentence(alarms[-1]["reason"])
    word = mark(_words(outcome).capitalize(), stands_out=outcome in LOUD)
    return paragraph(Markup(f"{word}: {text(reason)}"), "lead")


def _sentence(reason: str) -> str:
    return f"{reason.rstrip('.')}."


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, object]]:
    rows = summary["rows"]
    return [
        ("Window", f"{summary['period']}, {rows['window']:,} rows"),
        ("Compared with", f"{summary['reference']}, {rows['reference']:,} rows"),
        ("Threshold", _threshold(summary["threshold"])),
    ]


def _threshold(value: float | None) -> str:
    if value is None:
        return "none: the alarm could not be calibrated, or was not judged"
    return f"{value:.3g} times a column's usual distance, in two windows in a row"


def _verdicts(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    if not verdicts:
        return []
    heads = ("Judgement", "Outcome", "~Reason", "#Wrong at most")
    rows = [
        (
            verdict["kind"],
            mark(_words(verdict["outcome"]), stands_out=verdict["outcome"] in LOUD),
            _sentence(verdict["reason"]),
            None if verdict["error_rate"] is None else f"{verdict['error_rate']:.1%}",
        )
        for verdict in verdicts
    ]
    return [heading("Decisions"), table("Decisions", heads, rows)]


def _columns(summary: Mapping[str, Any], pairs: Sequence[Pair]) -> list[str]:
    both = sorted(
        zip(summary["columns"], pairs, strict=True),
        key=lambda item: (item[0]["ratio"] or 0.0, _score(item[0]) or 0.0),
        reverse=True,
    )
    if not both:
        return []
    return [
        heading("Columns"),
        table("Columns", HEADS, [_row(*item, summary["threshold"]) for item in both]),
        paragraph(
            "Shape: the reference grey, the window as a line. Times usual: the distance, in usual "
            "distances of such windows. Distance: the share of rows that would have to move. "
            "Reference and window: the mean of numbers; for levels, the share of the reference's "
            "commonest one. Missing: before and now. Of texts only "
            "their lengths are compared, and undeclared levels go by their rank, because both may "
            "be personal.",
            "soft",
        ),
    ]


def _row(column: Mapping[str, Any], pair: Pair, threshold: float | None) -> tuple[object, ...]:
    ratio = column["ratio"]
    beyond = ratio is not None and threshold is not None and ratio > threshold
    return (
        name(column["label"]),
        histogram.draw(pair),
        mark(_result(ratio, beyond), stands_out=beyond),
        *(None if value is None else f"{value:.2f}" for value in (ratio, column["distance"])),
        *(_level(pair, column[side]) for side in ("reference", "window")),
        _missing(column["missing"]),
        None if _score(column) is None else f"{_score(column):.2f}",
    )


def _level(pair: Pair, value: float | None) -> object:
    return value if pair.numeric or value is None else f"{value:.1%}"


def _missing(shares: Mapping[str, float]) -> str | None:
    before, now = shares["reference"], shares["window"]
    return f"{before:.1%}, {now:.1%}" if before or now else None


def _result(ratio: float | None, beyond: bool) -> str:
    if ratio is None:
        return "not judged"
    return "beyond" if beyond else "quiet"


def _score(column: Mapping[str, Any]) -> float | None:
    evidently = column["evidently"]
    return None if evidently is None else float(evidently["score"])


def _findings(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    if not findings:
        return []
    rows = [
        (
            name(finding["column"]) if finding["column"] else "the window",
            mark(finding["code"], stands_out=True),
            finding["sentence"],
        )
        for finding in findings
    ]
    return [heading("Findings"), table("Findings", ("Column", "Fault", "~What was found"), rows)]


def _evidently(drawn: bool) -> list[str]:
    if not drawn:
        return []
    words = (
        "To look at; it decides nothing. Its own thresholds take rows for independent and are not "
        "calibrated for this source. At most 5,000 rows of each side are drawn. Wasserstein "
        "distance for numbers, Jensen-Shannon for levels."
    )
    frame = (
        '<iframe sandbox="allow-scripts" src="evidently.html" title="Evidently report"></iframe>'
    )
    return [heading("Evidently"), paragraph(words, "soft"), frame]
