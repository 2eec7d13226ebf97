"""Has something changed? Distances between a window and a trusted reference, with a threshold
calibrated on windows drawn from the reference itself, so that its false-alarm rate is known.

Rows inside a block (a day, a session) depend on each other; tests that take them for independent
alarm on nearly every stationary window. Here reference and window are both redrawn in whole
blocks, and each column's distance is judged against its own usual distance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from opslayer.capability import Monitor
from opslayer.judgement import blocks as grouping
from opslayer.judgement.columns import Column, Counted, Profile, faults, missing, profiles
from opslayer.judgement.outcome import Outcome

__all__ = ["Calibration", "Column", "calibrate", "judge", "together"]

Reals = NDArray[np.float64]

FEWEST_BLOCKS = 10
FEWEST_ROWS = 30
DRAWS = 200
MOST_DRAWS = 5_000
OFF = 0.1
"""Share of the stated rate that references may cause which lie off their source."""
SMALLEST_THRESHOLD = 1.5
"""And a usual distance is taken as at least that of one odd row: a column that never varied in the
reference needs three odd rows in a window to exceed, not one."""
OTHER_SIZE = 1.25
"""A window with so many times more or fewer blocks than calibrated for is calibrated anew."""


@dataclass(frozen=True)
class Threshold:
    """What is usual for windows of a number of blocks."""

    blocks: int
    medians: Reals
    """Usual distance of each profile."""
    value: float
    """v = max over profiles of distance / median is compared with it (`_limit`)."""


@dataclass(frozen=True)
class Calibration:
    """A trusted reference, counted once, and what is usual for its windows."""

    rate: float
    """Stated false alarms per window."""
    seed: int = 0
    problem: str = ""
    """Why nothing can be calibrated, or ""."""
    profiles: tuple[tuple[str, Profile], ...] = ()
    """Column name and histogram."""
    counts: tuple[Reals, ...] = ()
    """Per profile: blocks x bins of the reference."""
    block_rows: Reals = field(default_factory=lambda: np.zeros(0))
    threshold: Threshold | None = None
    not_judged: Mapping[str, str] = field(default_factory=dict)


def calibrate(
    reference: Mapping[str, Column],
    blocks: NDArray[Any],
    rows: int,
    rules: Monitor,
    seed: int = 0,
) -> Calibration:
    """Learn bins and the usual distances of windows of about `rows` rows.

    `blocks[i]` is the block of reference row i, rows in order of time. Where a window is shorter
    than a block, blocks are cut to the window's length. Never raises on dirty values: below 10
    blocks or 30 rows, or without a usable column, the calibration says why in `problem`.
    """
    plain = Calibration(rules.false_alarms_per_100_windows / 100, seed)
    codes = grouping.number(blocks)
    if len(codes) and 0 < rows < np.median(np.bincount(codes)):
        codes = grouping.cut(codes, rows)
    unusable = {name: "no value in the reference" for name in reference if _gone(reference[name])}
    problem = _problem(codes, rows) or (
        "" if len(unusable) < len(reference) else "no usable column"
    )
    if problem:
        return _with(plain, problem=problem, not_judged=unusable)
    found = [
        (name, profile)
        for name, column in reference.items()
        if name not in unusable
        for profile in profiles(column)
    ]
    counted = _with(
        plain,
        profiles=tuple(found),
        counts=tuple(_per_block(profile, codes) for _, profile in found),
        block_rows=np.bincount(codes).astype(float),
        not_judged=unusable,
    )
    size = max(1, round(rows / float(np.mean(counted.block_rows))))
    return _with(counted, threshold=_threshold(counted, size))


def judge(
    calibration: Calibration,
    window: Mapping[str, Column],
    blocks: NDArray[Any],
    previous_exceeded: bool,
) -> Outcome:
    """Whether the window is further from the reference than windows of the reference are.

    `alarm`: this window and the one before it exceed the threshold (`previous_exceeded`: its
    outcome was `alarm` or `exceeded`); `exceeded`: the first to do so; `quiet`; and
    `cannot_calibrate` below 10 reference blocks, 30 reference rows or 30 window rows. Numbers:
    `score`, `median` and `ratio` by column, `v` = the largest ratio, `threshold`, `worst`,
    `not_judged` and `faults` by column. Never raises on dirty values.
    """
    rows = len(blocks)
    unjudged, dirty = _findings(calibration, window, rows)
    numbers: dict[str, Any] = {"rows": rows, "not_judged": unjudged, "faults": dirty}
    problem = calibration.problem
    if not problem and rows < FEWEST_ROWS:
        problem = f"the window has {rows} rows: at least {FEWEST_ROWS} are needed"
    scored = [] if problem else _scores(calibration, window, rows)
    if not problem and not scored:
        problem = "the window has none of the reference's columns"
    if problem:
        return Outcome("cannot_calibrate", problem, numbers, calibration.rate)
    threshold = _fitting(calibration, _blocks_of(calibration, rows, blocks))
    table = _table(scored, threshold)
    return _verdict(calibration, numbers | _summary(table, threshold), previous_exceeded)


LOUDNESS = {"exceeded": 1, "alarm": 2}
"""Of outcomes; of two that are not loud the inputs' counts, so that quiet answers hide nothing."""


def together(inputs: Outcome, answers: Outcome) -> Outcome:
    """One outcome of what was judged of the inputs and of the champion's answers, each at its share
    of the stated rate: that of the louder. Numbers are the inputs', and the answers' under
    `answers`; the outcome of either alone is in `inputs_alone` and `answers_alone`."""
    louder = max(inputs, answers, key=lambda one: LOUDNESS.get(one.outcome, 0))
    reason = inputs.reason if louder is inputs else f"the champion's answers: {answers.reason}"
    numbers = inputs.numbers | {
        "answers": answers.numbers,
        "inputs_alone": inputs.outcome,
        "answers_alone": answers.outcome,
    }
    rate = (inputs.error_rate or 0.0) + (answers.error_rate or 0.0)
    return Outcome(louder.outcome, reason, numbers, rate)


def _with(calibration: Calibration, **changes: Any) -> Calibration:
    return Calibration(**(calibration.__dict__ | changes))


def _gone(column: Column) -> bool:
    return bool(missing(column).all())


def _problem(codes: NDArray[np.int64], rows: int) -> str:
    blocks = len(np.unique(codes))
    if len(codes) < FEWEST_ROWS:
        return f"the reference has {len(codes)} rows: at least {FEWEST_ROWS} are needed"
    if blocks < FEWEST_BLOCKS:
        return f"the reference has {blocks} blocks: at least {FEWEST_BLOCKS} are needed"
    if rows < FEWEST_ROWS:
        return f"windows have {rows} rows: at least {FEWEST_ROWS} are needed"
    return ""


def _per_block(profile: Profile, codes: NDArray[np.int64]) -> Reals:
    blocks = int(codes.max()) + 1
    place = codes[profile.reference.rows] * profile.size + profile.reference.bins
    counts = np.bincount(place, minlength=blocks * profile.size)
    return counts.astype(float).reshape(blocks, profile.size)


def _threshold(calibration: Calibration, size: int) -> Threshold:
    """Redraw a reference and two windows in whole blocks, and see how far they lie apart."""
    rng = np.random.default_rng(calibration.seed)
    blocks = len(calibration.block_rows)
    draws = min(MOST_DRAWS, max(DRAWS, math.ceil(4 / (OFF * calibration.rate))))
    even = np.full(blocks, 1 / blocks)
    reference, *windows = (
        rng.multinomial(count, even, size=draws) for count in (blocks, size, size)
    )
    distances = np.stack(
        [
            [_distance(reference @ counts, window @ counts) for counts in calibration.counts]
            for window in windows
        ]
    )  # 2 windows x profiles x draws
    rows = size * float(np.mean(calibration.block_rows))
    one_odd_row = _distance(np.array([1.0, 0.0]), np.array([rows - 1, 1.0]))
    medians = np.maximum(np.median(distances, axis=(0, 2)), one_odd_row)
    value = _limit(np.max(distances / medians[:, None], axis=1), calibration.rate)
    return Threshold(size, medians, max(SMALLEST_THRESHOLD, value))


def _limit(largest: Reals, rate: float) -> float:
    """The threshold for 2 x draws of v, of two windows measured against one drawn reference.

    An alarm needs two windows in a row. Would the second exceed independently of the first, a
    chance p of exceeding gave p² alarms per window; but both are measured against one reference,
    and where that lies off its source, both exceed, and so do all windows after them. So the
    threshold is what both windows of a pair exceed with a tenth of the chance `rate`, and at
    least what one exceeds with chance 2·rate (the 98 % quantile for one false alarm per 100
    windows), for pairs are drawn too few to know it alone.
    """
    both = np.quantile(largest.min(axis=0), 1 - OFF * rate, method="higher")
    one = np.quantile(largest, 1 - min(2 * rate, 0.5), method="higher")
    return float(max(both, one))


def _distance(first: Reals, second: Reals) -> Reals:
    """Jensen-Shannon distance (0 to 1) of histograms along the last axis.

    The square root of the divergence in bits. On day-block replays of elec2 it found more of the
    half-deviation shifts than total variation, Kolmogorov-Smirnov or Wasserstein distances did.
    """
    shares = [
        counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1.0) for counts in (first, second)
    ]
    middle = (shares[0] + shares[1]) / 2
    bits = sum(rel_entr(share, middle).sum(axis=-1) for share in shares) / (2 * math.log(2))
    return np.asarray(np.sqrt(np.maximum(bits, 0.0)))


def _fitting(calibration: Calibration, blocks: int) -> Threshold:
    """The calibrated threshold, or that of another number of blocks where the window has it."""
    threshold = calibration.threshold
    assert threshold is not None
    larger, smaller = max(blocks, threshold.blocks), min(blocks, threshold.blocks)
    return threshold if larger <= OTHER_SIZE * smaller else _threshold(calibration, blocks)


def _blocks_of(calibration: Calibration, rows: int, blocks: NDArray[Any]) -> int:
    """The window's size in reference blocks: by its rows, but no more than its own blocks say."""
    by_rows = round(rows / float(np.mean(calibration.block_rows)))
    return max(1, min(by_rows, max(len(np.unique(blocks)), 1)))


def _findings(
    calibration: Calibration, window: Mapping[str, Column], rows: int
) -> tuple[dict[str, str], dict[str, str]]:
    """What could not be judged and what is wrong with values, by column."""
    unjudged = dict(calibration.not_judged)
    for name in dict.fromkeys(name for name, _ in calibration.profiles):
        if name not in window:
            unjudged[name] = "the window has no such column"
        elif len(window[name].values) != rows:
            unjudged[name] = f"{len(window[name].values)} values for {rows} rows"
    for name, column in window.items():
        if name not in unjudged and _gone(column):
            only = ": only that they are missing was judged" if rows else ""
            unjudged[name] = f"no value in the window{only}"
    wrong = {name: "; ".join(faults(column)) for name, column in window.items()}
    return unjudged, {name: text for name, text in wrong.items() if text}


Scored = tuple[int, str, float]
"""A profile's place in the calibration, its column, and its distance."""


def _scores(calibration: Calibration, window: Mapping[str, Column], rows: int) -> list[Scored]:
    scored = []
    for place, (name, profile) in enumerate(calibration.profiles):
        if name in window and len(window[name].values) == rows:
            seen = _histogram(profile.count(window[name]), profile.size)
            total = calibration.counts[place].sum(axis=0)
            scored.append((place, name, float(_distance(total, seen))))
    return scored


def _histogram(counted: Counted, size: int) -> Reals:
    return np.bincount(counted.bins, minlength=size).astype(float)


def _table(scored: list[Scored], threshold: Threshold) -> dict[str, dict[str, float]]:
    """Score, median and ratio by column: of its histogram with the largest ratio."""
    table: dict[str, dict[str, float]] = {}
    for place, name, score in scored:
        median = float(threshold.medians[place])
        if name not in table or score / median > table[name]["ratio"]:
            table[name] = {"score": score, "median": median, "ratio": score / median}
    return table


def _summary(table: dict[str, dict[str, float]], threshold: Threshold) -> dict[str, Any]:
    worst = max(table, key=lambda name: table[name]["ratio"])
    return {
        "columns": table,
        "worst": worst,
        "v": table[worst]["ratio"],
        "threshold": threshold.value,
        "blocks": threshold.blocks,
    }


def _verdict(calibration: Calibration, numbers: dict[str, Any], previous_exceeded: bool) -> Outcome:
    numbers |= {"previous_exceeded": bool(previous_exceeded), "seed": calibration.seed}
    numbers |= {"reference_blocks": len(calibration.block_rows)}
    beyond = numbers["v"] > numbers["threshold"]
    outcome = ("alarm" if previous_exceeded else "exceeded") if beyond else "quiet"
    often = f"{numbers['v']:.2f} times its usual distance from the reference"
    limit = f"the threshold is {numbers['threshold']:.2f}"
    reason = f"{numbers['worst']} lies {often}, {limit}"
    if outcome == "alarm":
        reason += ", and the window before exceeded it too"
    return Outcome(outcome, reason, numbers, calibration.rate)
