"""Watch production: for each window that is due, did it change, how good was it, did it hurt.

A window is judged for change as soon as it is complete, for quality once its labels are in. Each
judgement is one verdict in the ledger about one window, so a late, repeated or doubled run judges
nothing twice and skips nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from opslayer.capability import Capability
from opslayer.records import Release, Verdict, VerdictKind, Version
from opslayer.steps.champion import champion, first_window_after
from opslayer.steps.observe import Observed, Span, observe
from opslayer.steps.snapshot import load
from opslayer.stores import Stores
from opslayer.windows import window_bounds, window_index

if TYPE_CHECKING:
    from opslayer.frame import Frame
    from opslayer.judgement.drift import Column
    from opslayer.judgement.losses import Answers

MATURE = 0.95
"""Share of a window's rows whose label must be known before quality is judged on it."""

LOOK_BACK = 52
"""Windows back to which a missing verdict is still made up for."""

REFERENCE_ROWS = 10_000
"""Newest training rows that stand for "as it was"; more rows sharpen nothing a window can show."""


@dataclass(frozen=True)
class Watch:
    """What one run of the monitor looks at."""

    capability: Capability
    stores: Stores
    as_of: datetime
    release: Release
    version: Version

    def span(self, window: int) -> Span:
        """First moment of a window and first moment after it."""
        return Span(*window_bounds(window, self.capability.monitor.window))

    def observe(self, window: int) -> Observed:
        """The rows of a window as known now."""
        return observe(self.capability, self.stores, self.span(window), self.as_of)

    @cached_property
    def learnt(self) -> Frame:
        """The rows the champion learnt from, read once for all windows."""
        return load(self.capability, self.version.snapshot, self.stores)

    @cached_property
    def exam(self) -> Frame:
        """The rows the champion was judged on."""
        return load(self.capability, self.version.exam, self.stores)

    def judged(self, kind: VerdictKind, window: int) -> Verdict | None:
        """The verdict about a window, if there is one already."""
        return self.stores.ledger.verdicts.get(self.verdict(kind, window, "", "").id)

    def verdict(self, kind: VerdictKind, window: int, outcome: str, reason: str) -> Verdict:
        """A verdict of ours about a window, still without numbers."""
        return Verdict(
            capability=self.capability.name,
            kind=kind,
            about=f"window {window}",
            outcome=outcome,
            reason=reason,
            at=self.as_of,
        )


def monitor(capability: Capability, stores: Stores, as_of: datetime) -> list[Verdict]:
    """Judge every window that is due; returns the new verdicts, oldest window first."""
    release, version = stores.ledger.releases.newest(capability.name), champion(capability, stores)
    if release is None or version is None:
        return []
    watch = Watch(capability, stores, as_of, release, version)
    found: list[Verdict] = []
    for window in due(watch):
        found += judge_window(watch, window)
    return found


def due(watch: Watch) -> list[int]:
    """Complete windows after the first training's cut that lack a verdict about quality.

    Asks the ledger which windows are judged instead of remembering the last one, so that a monitor
    that slept for a month finds all it missed, labels that come late are still judged, and one
    that runs every minute finds nothing twice.
    """
    name, width = watch.capability.name, watch.capability.monitor.window
    first = watch.stores.ledger.versions.all(name)[0]
    end = _first_incomplete(watch)
    start = max(first_window_after(first.cut, width), end - LOOK_BACK)
    verdicts = watch.stores.ledger.verdicts.list(name, VerdictKind.QUALITY, limit=2 * LOOK_BACK)
    judged = {verdict.numbers["window"] for verdict in verdicts}
    return [window for window in range(start, end) if window not in judged]


def _first_incomplete(watch: Watch) -> int:
    # A window is over when a later row is there, or a whole further window has passed without
    # one: a clock that runs ahead ends no window early.
    moment = f"TIMESTAMP '{watch.as_of.isoformat()}'"
    sql = f"SELECT max(event_time) AS newest FROM rows WHERE event_time < {moment}"  # noqa: S608
    newest = watch.stores.lake.query(watch.capability, sql, ("rows",))["newest"][0].as_py()
    if newest is None:
        return 0
    width = watch.capability.monitor.window
    last = window_index(newest, width)
    return last + 1 if window_index(watch.as_of, width) > last + 1 else last


def judge_window(watch: Watch, window: int) -> list[Verdict]:
    """Alarm, then quality and harm if the window's labels are in."""
    rows = watch.observe(window)
    if not len(rows):
        return [_keep(watch, _empty(watch, window))]
    found = []
    if watch.judged(VerdictKind.ALARM, window) is None:
        found.append(_keep(watch, alarm(watch, window, rows)))
    if mature(watch, window, rows):
        found.append(_keep(watch, quality(watch, window, rows)))
        found.append(_keep(watch, harm(watch, window, rows)))
    return found


def mature(watch: Watch, window: int, rows: Observed) -> bool:
    """Whether a window's labels are in: nearly all known, or twice the usual delay has passed."""
    share = len(rows.labelled) / len(rows)
    late = watch.span(window).until + 2 * watch.capability.labels.delay
    return share >= MATURE or (watch.as_of >= late and share > 0)


def _keep(watch: Watch, verdict: Verdict) -> Verdict:
    return watch.stores.ledger.verdicts.record(verdict)


def _empty(watch: Watch, window: int) -> Verdict:
    span = watch.span(window)
    reason = f"no rows between {span.since:%Y-%m-%d %H:%M} and {span.until:%Y-%m-%d %H:%M}"
    verdict = watch.verdict(VerdictKind.QUALITY, window, "not_judged", reason)
    return verdict.model_copy(update={"numbers": {"window": window, "rows": 0}})


def quality(watch: Watch, window: int, rows: Observed) -> Verdict:
    """The gate's metric over what users got; rows nobody asked about are scored now."""
    from opslayer.judgement.losses import metric

    judged = rows.labelled
    answers = answered(watch, judged)
    value = metric(watch.capability.metric, judged.label.to_numpy(), answers)
    span = watch.span(window)
    verdict = watch.verdict(
        VerdictKind.QUALITY,
        window,
        "measured",
        f"{watch.capability.metric} {value:.4g} on {len(judged)} of {len(rows)} rows",
    )
    numbers = {
        "metric": watch.capability.metric.value,
        "value": value,
        "window": window,
        "start": span.since.isoformat(),
        "end": span.until.isoformat(),
        "rows": len(rows),
        "labelled": len(judged),
        "served": int(judged.served.notna().sum()),
        "release": watch.release.number,
    }
    return verdict.model_copy(update={"numbers": numbers})


def answered(watch: Watch, rows: Observed) -> Answers:
    """What users got for each row; where nobody asked, what the champion would have said."""
    from opslayer.judgement.losses import Answers
    from opslayer.steps.predict import score

    if rows.served.notna().all():
        classes = tuple(watch.capability.classes or sorted(set(map(str, rows.served))))
        return Answers(rows.served.to_numpy(), rows.probabilities(classes), classes)
    scored = score(watch.capability, watch.version, rows.features, watch.stores)
    if rows.served.isna().all():
        return Answers(scored.values, scored.probabilities, scored.classes)
    values = np.where(rows.served.notna(), rows.served.to_numpy(), scored.values)
    return Answers(values, None, scored.classes)


def alarm(watch: Watch, window: int, rows: Observed) -> Verdict:
    """Has the window changed against what the champion learnt from, beyond chance."""
    from opslayer.judgement import drift

    width = watch.capability.gate.block if watch.capability.gate else None
    assert width is not None
    learnt = watch.learnt
    tail = learnt.features.iloc[-REFERENCE_ROWS:]
    blocks = [window_index(moment, width) for moment in learnt.event_time.iloc[-REFERENCE_ROWS:]]
    calibration = drift.calibrate(
        _columns(watch.capability, tail), np.array(blocks), len(rows), watch.capability.monitor
    )
    before = watch.judged(VerdictKind.ALARM, window - 1)
    result = drift.judge(
        calibration,
        _columns(watch.capability, rows.features),
        np.array([window_index(moment, width) for moment in rows.event_time]),
        before is not None and before.outcome in ("exceeded", "alarm"),
    )
    verdict = watch.verdict(VerdictKind.ALARM, window, result.outcome, result.reason)
    numbers = {
        **result.numbers,
        "window": window,
        "reference": watch.version.snapshot,
        "goes_on": before is not None and before.outcome == result.outcome == "alarm",
    }
    return verdict.model_copy(update={"numbers": numbers, "error_rate": result.error_rate})


def _columns(capability: Capability, features: object) -> dict[str, Column]:
    from opslayer.judgement.drift import Column

    return {
        name: Column(
            features[name].to_numpy(),  # type: ignore[index]
            "number" if column.type.numeric else column.type.value,  # type: ignore[arg-type]
        )
        for name, column in capability.inputs.items()
    }


def harm(watch: Watch, window: int, rows: Observed) -> Verdict:
    """Is the champion worse on this window's labels than on the rows it was released on."""
    from opslayer.judgement.harm import judge
    from opslayer.judgement.losses import row_losses, typical_deviation
    from opslayer.steps.predict import score

    judged = rows.labelled
    exam = watch.exam
    kind = watch.capability.kind
    scale = typical_deviation(exam.target) if kind == "regression" else 1.0
    losses, blocks = [], []
    for features, truth, moments in (
        (exam.features, exam.target, exam.event_time),
        (judged.features, judged.label, judged.event_time),
    ):
        said = score(watch.capability, watch.version, features, watch.stores).values
        losses.append(row_losses(truth.to_numpy(), said, kind, scale))
        assert watch.capability.gate is not None
        blocks.append(
            np.array([window_index(moment, watch.capability.gate.block) for moment in moments])
        )
    result = judge(losses[0], blocks[0], losses[1], blocks[1])
    verdict = watch.verdict(VerdictKind.HARM, window, result.outcome, result.reason)
    numbers = {**result.numbers, "window": window, "version": watch.version.version}
    return verdict.model_copy(update={"numbers": numbers, "error_rate": result.error_rate})
