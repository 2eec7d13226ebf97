"""How often do alarms cry wolf, and what do they hear?

Stationary replays: reference and windows are drawn anew from one population, as whole days (rows of
a day depend on each other) or as single rows, so that nothing ever changes and every alarm is
false. Then one column is moved by a share of its standard deviation. Evidently's defaults (a share
of 0.5 of the columns drifts, each by a test that it picks) see the same windows.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.bars import Bar, finish, say
from benchmarks.streams import Stream, bike_sharing, elec2
from opslayer.capability import Monitor
from opslayer.judgement.drift import Calibration, Column, calibrate, judge

REFERENCES = 10
REFERENCE_ROWS = 10_000
SIZES = (100, 1_000, 10_000, 100_000)
WINDOWS = {100: 100, 1_000: 100, 10_000: 100, 100_000: 30}
EVIDENTLY_WINDOWS = 10
"""Windows for each reference that Evidently sees: each takes it a third of a second."""
SHIFTS = (0.25, 0.5, 1.0)
REPEATS = 5
LONGEST = 8
"""Windows after a shift in which it is waited for."""

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Rows that windows are drawn from, whole days or single rows."""

    name: str
    rows: Reals
    per_day: int
    by_day: bool

    def draw(self, rng: np.random.Generator, count: int) -> Reals:
        """So many rows, drawn with replacement."""
        if not self.by_day:
            return self.rows[rng.integers(len(self.rows), size=count)]
        whole = len(self.rows) // self.per_day
        days = rng.integers(whole, size=-(-count // self.per_day))
        place = days[:, None] * self.per_day + np.arange(self.per_day)
        return self.rows[place.reshape(-1)[:count]]

    def blocks(self, count: int) -> NDArray[np.int64]:
        """The day of each of so many rows."""
        return np.arange(count) // self.per_day

    def calibrated(self, rng: np.random.Generator, size: int) -> Calibration:
        """A reference of its own, for windows of a size."""
        reference = self.draw(rng, REFERENCE_ROWS)
        return calibrate(columns(reference), self.blocks(REFERENCE_ROWS), size, Monitor())


def populations() -> list[Population]:
    """Both real streams, whole days kept and shuffled."""
    return [
        Population(f"{stream.name}, {how}", _distinct(stream), per_day, how == "days")
        for stream, per_day in ((elec2(), 48), (bike_sharing(), 24))
        for how in ("days", "shuffled")
    ]


def _distinct(stream: Stream) -> Reals:
    return stream.features[:, stream.features.std(axis=0) > 0]


def columns(rows: Reals) -> dict[str, Column]:
    """Rows as the alarm sees them."""
    return {f"column {place}": Column(values, "number") for place, values in enumerate(rows.T)}


def false_alarms(there: Population, size: int) -> float:
    """False alarms in 100 windows, averaged over the references."""
    alarms = 0
    for number in range(REFERENCES):
        rng = np.random.default_rng([number, size])
        calibration, before = there.calibrated(rng, size), False
        for _ in range(WINDOWS[size]):
            window = there.draw(rng, size)
            outcome = judge(calibration, columns(window), there.blocks(size), before).outcome
            before = outcome in ("alarm", "exceeded")
            alarms += outcome == "alarm"
    return 100 * alarms / (REFERENCES * WINDOWS[size])


def delays(there: Population, size: int, shift: float) -> Iterator[float]:
    """Windows from a shift to its alarm, for every reference and column; inf for never."""
    spread = there.rows.std(axis=0)
    for number in range(REFERENCES):
        rng = np.random.default_rng([number, size, 1])
        calibration = there.calibrated(rng, size)
        for column in np.repeat(np.arange(there.rows.shape[1]), REPEATS):
            moved = np.zeros(there.rows.shape[1])
            moved[column] = shift * spread[column]
            yield _delay(there, calibration, (size, moved), rng)


def _delay(
    there: Population,
    calibration: Calibration,
    window: tuple[int, Reals],
    rng: np.random.Generator,
) -> float:
    (size, moved), before = window, False
    for late in range(1, LONGEST + 1):
        rows = columns(there.draw(rng, size) + moved)
        outcome = judge(calibration, rows, there.blocks(size), before).outcome
        if outcome == "alarm":
            return late
        before = outcome == "exceeded"
    return float("inf")


def evidently_alarms(there: Population, size: int) -> float:
    """In how many of 100 stationary windows Evidently's defaults say that the data has drifted."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    drifted = 0
    for number in range(REFERENCES):
        rng = np.random.default_rng([number, size])
        reference = pd.DataFrame(there.draw(rng, REFERENCE_ROWS)).add_prefix("c")
        for _ in range(EVIDENTLY_WINDOWS):
            window = pd.DataFrame(there.draw(rng, size)).add_prefix("c")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run = Report([DataDriftPreset()], include_tests=False).run(window, reference)
            share = next(
                metric["value"]["share"]
                for metric in run.dict()["metrics"]
                if "DriftedColumnsCount" in metric["config"]["type"]
            )
            drifted += share >= 0.5
    return 100 * drifted / (REFERENCES * EVIDENTLY_WINDOWS)


def heard(there: Population) -> list[Bar]:
    """What is heard of shifts, and how late; the bar is on half a deviation at 1,000 rows."""
    bars = []
    for size in SIZES[:3]:
        for shift in SHIFTS:
            waited = np.array(list(delays(there, size, shift)))
            share, found = float(np.mean(waited <= 2)), waited[np.isfinite(waited)]
            usual = f"{np.median(found):g} windows" if len(found) else "never"
            say(
                f"{there.name}, {size:,} rows, {shift} sd in one column: within two windows "
                f"{share:.0%}, ever (of {LONGEST}) {len(found) / len(waited):.0%}, usually {usual}"
            )
            if (size, shift) == (1_000, 0.5):
                bars.append(Bar(f"{there.name}: 0.5 sd found within two windows", share, ">= 0.9"))
    return bars


def main() -> int:
    """Count false alarms everywhere, then shifts on elec2, then Evidently's."""
    bars = []
    everywhere = populations()
    for there in everywhere:
        for size in SIZES:
            rate = false_alarms(there, size)
            bars.append(Bar(f"{there.name}, {size:,} rows: false of 100", rate, "<= 1"))
            say(f"{there.name}, {size:,} rows: {rate:.2f} false alarms in 100 windows")
    for there in everywhere[:2]:
        bars += heard(there)
    for there in everywhere:
        rate = evidently_alarms(there, 1_000)
        say(f"{there.name}, 1,000 rows: Evidently's defaults drift in {rate:.0f} of 100 windows")
    return finish("alarms", REFERENCES * sum(WINDOWS.values()) * len(everywhere), bars)


if __name__ == "__main__":
    sys.exit(main())
