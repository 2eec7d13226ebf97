"""The bars of a benchmark: what was measured, what it must be, and the last line that says so."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured value and the bar it must take, as `<= 1.3` or `== 0`."""

    name: str
    value: float
    bar: str
    of: int | None = None
    """For a count of failures: in how many trials, which gives its upper bound."""

    @property
    def ok(self) -> bool:
        """Whether the value takes the bar; NaN takes none."""
        sign, limit = self.bar.split()
        return bool(COMPARISONS[sign](self.value, float(limit)))

    def as_json(self) -> dict[str, Any]:
        """The bar as the last line has it; a value that JSON can't say is null."""
        value = self.value if math.isfinite(self.value) else None
        said = {"name": self.name, "value": value, "bar": self.bar, "ok": self.ok}
        if self.of is not None:
            said["upper_95"] = round(upper_bound(int(self.value), self.of), 6)
        return said


def upper_bound(failures: int, trials: int, confidence: float = 0.95) -> float:
    """The one-sided Clopper-Pearson upper bound of a failure rate (0 of 100: 0.0295)."""
    from scipy.stats import beta

    if failures >= trials:
        return 1.0
    return float(beta.ppf(confidence, failures + 1, trials - failures))


def say(text: str) -> None:
    """Print a line of progress at once."""
    print(text, flush=True)


def finish(name: str, n: int, bars: Sequence[Bar]) -> int:
    """Print every bar and the last line; the program's exit code: 1 if a bar is missed."""
    for bar in bars:
        bound = f", at most {upper_bound(int(bar.value), bar.of):.2%} (95 %)" if bar.of else ""
        say(f"{'ok    ' if bar.ok else 'MISSED'} {bar.name}: {bar.value:g} {bar.bar}{bound}")
    say(json.dumps({"name": name, "n": n, "bars": [bar.as_json() for bar in bars]}))
    return int(not all(bar.ok for bar in bars))
