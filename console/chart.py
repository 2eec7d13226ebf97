"""Small pictures, drawn here: nothing is loaded, and what they show stands beside them as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opslayer.reports.page import Markup, text

WIDTH, HEIGHT, EDGE = 640, 160, 8


@dataclass(frozen=True, slots=True)
class Point:
    """One value, and how sure it is."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values lie in a picture."""

    lowest: float
    highest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float], count: int) -> Scale:
        """A scale on which all values have room."""
        lowest, highest = min(values), max(values)
        if lowest == highest:
            lowest, highest = lowest - 1, highest + 1
        return cls(lowest, highest, count)

    def x(self, place: int) -> float:
        """Of the value at a place."""
        return EDGE + (WIDTH - 2 * EDGE) * (place / max(1, self.count - 1))

    def y(self, value: float) -> float:
        """Of a value: greater ones lie higher."""
        share = (value - self.lowest) / (self.highest - self.lowest)
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * share


def over_time(points: Sequence[Point], label: str) -> Markup:
    """A line through values, oldest first, with their confidence band."""
    if not points:
        return Markup("")
    ends = [end for one in points for end in (one.low, one.high) if end is not None]
    scale = Scale.of([one.value for one in points] + ends, len(points))
    sure = [(place, one.low, one.high) for place, one in enumerate(points)]
    upper = [_at(scale, place, high) for place, _, high in sure if high is not None]
    lower = [_at(scale, place, low) for place, low, _ in sure if low is not None]
    band = f'<polygon class="band" points="{" ".join([*upper, *lower[::-1]])}"/>' if upper else ""
    line = " ".join(_at(scale, place, one.value) for place, one in enumerate(points))
    last = scale.x(len(points) - 1), scale.y(points[-1].value)
    dot = f'<circle class="last" cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="4"/>'
    return _picture(label, f'{band}<polyline class="now" points="{line}"/>{dot}')


def together(first: Sequence[float | None], second: Sequence[float | None], label: str) -> Markup:
    """Two lines over the same places: what was true in grey, what was said in the accent."""
    known = [one for one in (*first, *second) if one is not None]
    if not known:
        return Markup("")
    scale = Scale.of(known, max(len(first), len(second)))
    lines = "".join(
        f'<path class="{style}" d="{_path(scale, values)}"/>'
        for style, values in (("truth", first), ("now", second))
    )
    return _picture(label, lines)


def interval(low: float | None, high: float | None, widest: float, label: str) -> Markup:
    """An interval beside zero, on a scale from -widest to widest; an open end reaches the edge."""
    scale = Scale(-widest, widest, 2)

    def x(value: float | None, edge: float) -> float:
        share = scale.y(max(-widest, min(widest, edge if value is None else value)))
        return 120 * (1 - (share - EDGE) / (HEIGHT - 2 * EDGE))

    left, right = x(low, -widest), x(high, widest)
    return Markup(
        f'<svg class="interval" viewBox="0 0 120 16" width="120" height="16" role="img" '
        f'aria-label="{text(label)}"><line class="zero" x1="60" x2="60" y1="0" y2="16"/>'
        f'<line class="now" x1="{left:.1f}" x2="{right:.1f}" y1="8" y2="8"/></svg>'
    )


def _at(scale: Scale, place: int, value: float) -> str:
    return f"{scale.x(place):.1f},{scale.y(value):.1f}"


def _path(scale: Scale, values: Sequence[float | None]) -> str:
    """A line that is broken where nothing is known."""
    said, open_ = [], False
    for place, value in enumerate(values):
        if value is not None:
            said.append(f"{'L' if open_ else 'M'}{_at(scale, place, value)}")
        open_ = value is not None
    return " ".join(said)


def _picture(label: str, inside: str) -> Markup:
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text(label)}">{inside}</svg>'
    )
