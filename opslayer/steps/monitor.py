"""Watch production: for each window that is due, did it change, how good was it, did it hurt.

A window is judged for change as soon as it is complete, for quality once its labels are in. Each
judgement is one verdict in the ledger about one window, so a late, repeated or doubled run judges
nothing twice and skips nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from opslayer.capability import Capability, Kind
from opslayer.judgement.outcome import Outcome
from opslayer.records import Release, Verdict, VerdictKind, Version, verdict_id
from opslayer.steps.champion import champion, first_window_after
from opslayer.steps.estimate import estimate
from opslayer.steps.observe import Observed, Span, inputs, observe
from opslayer.steps.snapshot import load
from opslayer.stores import Stores
from opslayer.stores.lake import moment
from opslayer.windows import EPOCH, window_bounds, window_index, window_indices

if TYPE_CHECKING:
    import pandas as pd

    from opslayer.frame import Frame
    from opslayer.judgement.drift import Column
    from opslayer.judgement.losses import Answers

MATURE = 0.95
"""Share of a window's rows whose label must be known before quality is judged on it."""

ONCE = 1_000
"""Windows that one run judges anew, at most: hourly ones of six weeks."""

LOOK_BACK = 52
"""Windows whose labels are still waited for, besides those that the usual delay takes."""

ANSWER = "(answer)"
"""The champion's answers as a column; no input can be called so."""
SHARES = {"inputs": 0.8, "answers": 0.2}
"""Of the stated false alarms: what inputs may cause, and what answers may."""

ANSWERED_BLOCKS = 20
"""Blocks after its training whose answers stand for the champion's usual ones."""

REFERENCE_ROWS = 10_000
"""Newest training rows that stand for "as it was"; more rows sharpen nothing a window can show."""


@dataclass(frozen=True)
class Losses:
    """The loss of each row (see `judgement.losses.row_losses`), and the block it belongs to."""

    lost: NDArray[np.float64]
    blocks: NDArray[np.int64]
    scale: float


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

    @property
    def block(self) -> timedelta:
        """Rows of one such span depend on each other."""
        assert self.capability.gate is not None
        return self.capability.gate.block

    @cached_property
    def reference(self) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """The newest rows the champion learnt from, and the block of each; read once a run."""
        learnt = load(self.capability, self.version.snapshot, self.stores)
        columns = columns_of(self.capability, learnt.features.iloc[-REFERENCE_ROWS:])
        return columns, window_indices(learnt.event_time.iloc[-REFERENCE_ROWS:], self.block)

    def answered(self, window: int) -> tuple[dict[str, Column], NDArray[np.int64]]:
        """What the champion says of the first rows after its training, and the block of each: its
        exam, and windows before this one. Not of what it learnt from: there it is surer than ever
        after."""
        from opslayer.judgement.drift import Column

        times, said = self.first_answers
        before = (times < self.span(window).since).to_numpy()
        known = {ANSWER: Column(said.values[before], said.kind)} if before.any() else {}
        return known, window_indices(times[before], self.block)

    @cached_property
    def first_answers(self) -> tuple[pd.Series[pd.Timestamp], Column]:
        """The times of the first rows after the champion's training, and what it says of them;
        read once a run."""
        span = Span(self.version.cut, self.version.cut + ANSWERED_BLOCKS * self.block)
        times, features = inputs(self.capability, self.stores, span, self.as_of)
        return times, self.answers(features)

    def answers(self, features: pd.DataFrame) -> Column:
        """What the champion says of rows."""
        from opslayer.judgement.drift import Column
        from opslayer.steps.predict import score

        said = score(self.capability, self.version, features, self.stores).values
        regression = self.capability.task is Kind.REGRESSION
        return Column(said, "number" if regression else "category")

    @cached_property
    def held_back(self) -> Frame:
        """The rows the champion was released on; read once a run."""
        return load(self.capability, self.version.exam, self.stores)

    @cached_property
    def exam(self) -> Losses:
        """How the champion did on the rows it was released on; scored once a run."""
        from opslayer.judgement.losses import typical_deviation

        exam = self.held_back
        regression = self.capability.task is Kind.REGRESSION
        scale = typical_deviation(exam.target.to_numpy()) if regression else 1.0
        return self.losses(exam, exam.target, scale)

    def losses(self, rows: Frame | Observed, truth: pd.Series[Any], scale: float) -> Losses:
        """The champion's loss on each row, and the row's block."""
        from opslayer.judgement.losses import row_losses
        from opslayer.steps.predict import score

        said = score(self.capability, self.version, rows.features, self.stores).values
        lost = row_losses(truth.to_numpy(), said, self.capability.task, scale)
        return Losses(lost, window_indices(rows.event_time, self.block), scale)

    def judged(self, kind: VerdictKind, window: int) -> Verdict | None:
        """The verdict about a window, if there is one already."""
        id = verdict_id(self.capability.name, kind, _about(window))
        return self.stores.ledger.verdicts.get(id)

    def keep(self, kind: VerdictKind, window: int, outcome: Outcome) -> Verdict:
        """Record what was found about a window; returns what is kept."""
        verdict = Verdict(
            capability=self.capability.name,
            kind=kind,
            about=_about(window),
            outcome=outcome.outcome,
            reason=outcome.reason,
            at=self.as_of,
            numbers={**outcome.numbers, "window": window},
            error_rate=outcome.error_rate,
        )
        return self.stores.ledger.verdicts.record(verdict)


def _about(window: int) -> str:
    return f"window {window}"


def monitor(capability: Capability, stores: Stores, as_of: datetime) -> list[Verdict]:
    """Judge every window that is due; returns the new verdicts, oldest window first."""
    release, version = stores.ledger.releases.serving(capability.name), champion(capability, stores)
    if release is None or version is None:
        return []
    watch = Watch(capability, stores, as_of, release, version)
    found: list[Verdict] = []
    windows = due(watch)
    filled = _filled(watch, windows)
    for window in windows:
        if window in filled:
            found += judge_window(watch, window)
        else:
            found.append(_empty(watch, window))
    return found


def _filled(watch: Watch, windows: Sequence[int]) -> set[int]:
    """Which of some windows have rows. Asked once: looking into each window of a long gap takes
    the lake a second where it is an object store."""
    if not windows:
        return set()
    width = watch.capability.monitor.window
    span = Span(watch.span(windows[0]).since, watch.span(windows[-1]).until)
    sql = f"""
        SELECT DISTINCT date_bin(
            INTERVAL '{width.total_seconds():.6f} seconds', event_time, {moment(EPOCH)}
        ) AS since FROM rows
        WHERE event_time >= {moment(span.since)} AND event_time < {moment(span.until)}
    """  # noqa: S608 - nothing but times
    begins = watch.stores.lake.query(watch.capability, sql, ("rows",))["since"].to_pylist()
    return {window_index(since, width) for since in begins}


def due(watch: Watch) -> list[int]:
    """Complete windows after the first training's cut that lack a verdict about quality.

    Asks the ledger which windows are judged instead of remembering the last one, so that a monitor
    that slept for a month finds all it missed, labels that come late are still judged, and one
    that runs every minute finds nothing twice. After more than `ONCE` windows the next run goes on.
    """
    name, width = watch.capability.name, watch.capability.monitor.window
    first = first_window_after(watch.stores.ledger.versions.all(name)[0].cut, width)
    end, back = _first_incomplete(watch), LOOK_BACK + 2 * watch.capability.labels.delay // width
    # Back from where the last look ended: whoever slept for longer than that has missed the rest.
    start = max(first, min(end, _left_off(watch, first)) - back)
    end = min(end, start + back + ONCE)
    verdicts = watch.stores.ledger.verdicts
    kept = verdicts.list(name, VerdictKind.QUALITY, limit=max(0, end - start) + back)
    judged = {verdict.numbers["window"] for verdict in kept}
    return [window for window in range(start, end) if window not in judged]


def _left_off(watch: Watch, first: int) -> int:
    """The window after the newest that was looked at; the first one of all before any was."""
    verdicts, name = watch.stores.ledger.verdicts, watch.capability.name
    kinds = (VerdictKind.ALARM, VerdictKind.QUALITY)  # one without rows has the second alone
    kept = [one for kind in kinds for one in verdicts.list(name, kind)]
    return max((one.numbers["window"] + 1 for one in kept), default=first)


def _first_incomplete(watch: Watch) -> int:
    # A window is over when a later row is there, or a whole further window has passed without
    # one: a clock that runs ahead ends no window early.
    sql = f"""
        SELECT max(event_time) AS newest FROM rows WHERE event_time < {moment(watch.as_of)}
    """  # noqa: S608 - nothing but a time
    newest = watch.stores.lake.query(watch.capability, sql, ("rows",))["newest"][0].as_py()
    if newest is None:
        return 0
    width = watch.capability.monitor.window
    last = window_index(newest, width)
    return last + 1 if window_index(watch.as_of, width) > last + 1 else last


def judge_window(watch: Watch, window: int) -> list[Verdict]:
    """Alarm, then harm and quality if the window's labels are in, else what is to be expected."""
    rows = watch.observe(window)
    if not len(rows):  # what is there is not known yet
        return [_empty(watch, window)]
    found = []
    if watch.judged(VerdictKind.ALARM, window) is None:
        found.append(watch.keep(VerdictKind.ALARM, window, alarm(watch, window, rows)))
    if mature(watch, window, rows):
        # Quality comes last: a window that has it is done, and whoever dies before has it to do.
        found.append(watch.keep(VerdictKind.HARM, window, harm(watch, rows)))
        found.append(watch.keep(VerdictKind.QUALITY, window, quality(watch, window, rows)))
    elif watch.judged(VerdictKind.ESTIMATE, window) is None:
        expected = estimate(watch, window, rows)
        found += [watch.keep(VerdictKind.ESTIMATE, window, expected)] if expected else []
    return found


def mature(watch: Watch, window: int, rows: Observed) -> bool:
    """Whether a window's labels are in: nearly all known, or twice the usual delay has passed."""
    share = len(rows.labelled) / len(rows)
    late = watch.span(window).until + 2 * watch.capability.labels.delay
    return share >= MATURE or (watch.as_of >= late and share > 0)


def _empty(watch: Watch, window: int) -> Verdict:
    span = watch.span(window)
    reason = f"no rows between {span.since:%Y-%m-%d %H:%M} and {span.until:%Y-%m-%d %H:%M}"
    return watch.keep(VerdictKind.QUALITY, window, Outcome("not_judged", reason, {"rows": 0}))


def quality(watch: Watch, window: int, rows: Observed) -> Outcome:
    """The gate's metric over what users got; rows nobody asked about are scored now."""
    from opslayer.judgement.interval import jackknife
    from opslayer.judgement.losses import metric

    judged, name = rows.labelled, watch.capability.metric
    truth, said = judged.label.to_numpy(), answered(watch, judged)
    value = metric(name, truth, said)
    band = jackknife(
        window_indices(judged.event_time, watch.block),
        lambda kept: metric(name, truth[kept], said.of(kept)),
    )
    span = watch.span(window)
    numbers = {
        "metric": name.value,
        "value": value,
        "low": band[0] if band else None,
        "high": band[1] if band else None,
        "start": span.since.isoformat(),
        "end": span.until.isoformat(),
        "rows": len(rows),
        "labelled": len(judged),
        "served": int(judged.served.notna().sum()),
        "release": watch.release.number,
    }
    reason = f"{name} {value:.4g} on {len(judged)} of {len(rows)} rows"
    return Outcome("measured", reason, numbers)


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


def alarm(watch: Watch, window: int, rows: Observed) -> Outcome:
    """Has the window changed against what the champion learnt from, beyond chance: in its inputs,
    or in what the champion says of them."""
    from opslayer.judgement import drift

    before = watch.judged(VerdictKind.ALARM, window - 1)
    parts = (
        Part("inputs", watch.reference, columns_of(watch.capability, rows.features)),
        Part("answers", watch.answered(window), {ANSWER: watch.answers(rows.features)}),
    )
    result = drift.together(*(_changed(watch, part, rows, before) for part in parts))
    more = {
        "reference": watch.version.snapshot,
        "goes_on": before is not None and before.outcome == result.outcome == "alarm",
    }
    return replace(result, numbers={**result.numbers, **more})


@dataclass(frozen=True)
class Part:
    """What an alarm listens to: inputs, or answers."""

    name: Literal["inputs", "answers"]
    reference: tuple[dict[str, Column], NDArray[np.int64]]
    """Columns of trusted rows, and the block of each row."""
    seen: dict[str, Column]
    """The window's."""


def _changed(watch: Watch, part: Part, rows: Observed, before: Verdict | None) -> Outcome:
    """One part alone, at its share of the stated rate."""
    from opslayer.judgement import drift

    rate = SHARES[part.name] * watch.capability.monitor.false_alarms_per_100_windows
    rules = watch.capability.monitor.model_copy(update={"false_alarms_per_100_windows": rate})
    calibration = drift.calibrate(*part.reference, len(rows), rules)
    alone = before.numbers.get(f"{part.name}_alone", before.outcome) if before else ""
    blocks = window_indices(rows.event_time, watch.block)
    return drift.judge(calibration, part.seen, blocks, alone in ("exceeded", "alarm"))


def columns_of(capability: Capability, features: pd.DataFrame) -> dict[str, Column]:
    """Input columns as judgements of distributions take them."""
    from opslayer.judgement.drift import Column

    return {
        name: Column(
            features[name].to_numpy(),
            "number" if column.type.numeric else column.type.value,  # type: ignore[arg-type]
        )
        for name, column in capability.inputs.items()
    }


def harm(watch: Watch, rows: Observed) -> Outcome:
    """Is the champion worse on this window's labels than on the rows it was released on."""
    from opslayer.judgement.harm import judge

    exam, judged = watch.exam, rows.labelled
    now = watch.losses(judged, judged.label, exam.scale)
    result = judge(exam.lost, exam.blocks, now.lost, now.blocks)
    return replace(result, numbers={**result.numbers, "version": watch.version.version})
