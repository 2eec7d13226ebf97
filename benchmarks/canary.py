"""Does a trial catch harm, and leave alone what is harmless? Traffic made up, judged as it is.

Every look is the product's own `judge` on all that was seen so far: at each bad answer of the
canary that becomes known, and in between; a trial ends at its first `rollback`. Excess: bad answers
of the canary beyond those that its callers would have had anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.bars import Bar, finish, say
from opslayer.judgement.canary import Side, Stage, judge

RUNS = 400
REQUESTS = 20_000
LOOK = 200
"""Requests between two looks, beside one at each bad answer of the canary."""
MAX_HARM = 0.05
GAP = 0.1
SHARE = 0.1
RAMP = (0.1, 0.25, 0.5)
SIGNALS = {
    "error": (0.02, 1.0), "latency": (0.05, 1.0), "guard": (0.01, 1.0),
    "thumb": (0.1, 0.05), "label": (0.2, 1.0),
}  # fmt: skip
"""By kind of bad answer, how often control's are, and the share of calls of which it is known."""

MORE_THUMBS = 0.15
"""Share of calls with a thumb at which a trial of this length can be sure of what thumbs say."""
THUMB_REQUESTS = 40_000
SUBJECTS = 3_000
MOST_CALLS = 200

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Traffic:
    """What one run is made of."""

    base: float = 0.1
    gap: float = 0.0
    """How much more often the canary's answers are bad."""
    known: float = 1.0
    """Share of calls of which anything is known."""
    delay: int = 0
    """Requests until it is."""
    ramp: Sequence[float] = (SHARE,)
    requests: int = REQUESTS


@dataclass
class Seen:
    """One kind of bad answer in one run: counts after each request, stage by stage."""

    traffic: Traffic
    canary: Bools
    bad: Bools
    known: Bools
    counts: list[NDArray[np.int64]] = field(default_factory=list)

    @classmethod
    def of(cls, traffic: Traffic, points: NDArray[np.float64], rng: np.random.Generator) -> Seen:
        """Draw a run whose requests lie at these points of [0, 1)."""
        canary = points < shares(traffic)
        rate = traffic.base + traffic.gap * canary
        bad, known = rng.random(len(points)) < rate, rng.random(len(points)) < traffic.known
        seen = cls(traffic, canary, bad, known)
        stage = np.arange(len(points)) * len(traffic.ramp) // len(points)
        for number in range(len(traffic.ramp)):
            here = known & (stage == number)
            for side in (canary, ~canary):
                seen.counts += [np.cumsum(here & side), np.cumsum(here & side & bad)]
        return seen

    def stages(self, at: int) -> list[Stage]:
        """As judged after so many requests."""
        last = at - 1 - self.traffic.delay
        if last < 0:
            return []
        told = [int(one[last]) for one in self.counts]
        sides = [side(*told[place : place + 2]) for place in range(0, len(told), 2)]
        return [
            Stage(share, sides[2 * place], sides[2 * place + 1])
            for place, share in enumerate(self.traffic.ramp)
            if sides[2 * place].units or sides[2 * place + 1].units
        ]

    def excess(self, at: int) -> float:
        """Bad answers of the canary by then beyond what control's rate would have given."""
        mine = self.canary[:at]
        return float(self.bad[:at][mine].sum() - self.traffic.base * mine.sum())


def shares(traffic: Traffic) -> NDArray[np.float64]:
    """The canary's share at each request: the ramp's steps are equally long."""
    steps = np.arange(traffic.requests) * len(traffic.ramp) // traffic.requests
    return np.array(traffic.ramp)[steps]


def side(units: int, bad: int) -> Side:
    """A side of units with one answer each."""
    mean = bad / units if units else 0.0
    variance = mean * (1 - mean) * units / (units - 1) if units > 1 else 0.0
    return Side(units, bad, mean, variance, bad)


def ends(run: Mapping[str, Seen], requests: int, outcome: str = "rollback") -> int | None:
    """After how many requests a trial first comes to an outcome; None where it never does."""
    looks: set[int] = {*range(LOOK, requests + 1, LOOK)}
    for seen in run.values():
        told = np.flatnonzero(seen.canary & seen.bad & seen.known) + 1 + seen.traffic.delay
        looks |= {int(at) for at in told if at <= requests}
    for at in sorted(looks):
        signals = {name: stages for name, seen in run.items() if (stages := seen.stages(at))}
        if judge(signals, MAX_HARM).outcome == outcome:
            return at
    return None


def one_kind(traffic: Traffic, runs: int, seed: int) -> tuple[list[int | None], list[float]]:
    """Runs with a single kind of bad answer: where each ended, and the excess by then."""
    rng, found, excess = np.random.default_rng(seed), [], []
    for _ in range(runs):
        seen = Seen.of(traffic, rng.random(traffic.requests), rng)
        end = ends({"error": seen}, traffic.requests)
        found.append(end)
        if end is not None:
            excess.append(seen.excess(end))
    return found, excess


def false_passes(base: float, runs: int, seed: int) -> int:
    """How many trials pass at any time although the canary does just the harm to be excluded."""
    rng, traffic = np.random.default_rng(seed), Traffic(base=base, gap=MAX_HARM)
    found = [
        ends({"error": Seen.of(traffic, rng.random(REQUESTS), rng)}, REQUESTS, "passed")
        for _ in range(runs)
    ]
    return sum(end is not None for end in found)


Kinds = Mapping[str, tuple[float, float]]


def five_kinds(harmed: str | None, runs: int, seed: int, kinds: Kinds = SIGNALS) -> int:
    """How many of so many trials end that are judged by five kinds, of which one may be worse."""
    rng, ended = np.random.default_rng(seed), 0
    requests = THUMB_REQUESTS if harmed == "thumb" else REQUESTS
    for _ in range(runs):
        points = rng.random(requests)
        run = {
            name: Seen.of(
                Traffic(base, GAP if name == harmed else 0.0, known, requests=requests), points, rng
            )
            for name, (base, known) in kinds.items()
        }
        ended += ends(run, requests) is not None
    return ended


def best_single_look(runs: int = 20_000) -> float:
    """In what share a single look at the end finds worse thumbs, with all of their kind's alpha.

    The z-test of two shares, nearly the best there is where one may look once: a test that may be
    asked at any time pays for that, and finds less.
    """
    rng = np.random.default_rng(90)
    base, known = SIGNALS["thumb"]
    units = [rng.binomial(round(THUMB_REQUESTS * part), known, runs) for part in (SHARE, 1 - SHARE)]
    bad = [rng.binomial(units[0], base + GAP), rng.binomial(units[1], base)]
    rate = (bad[0] + bad[1]) / (units[0] + units[1])
    error = np.sqrt(rate * (1 - rate) * (1 / units[0] + 1 / units[1]))
    z = (bad[0] / units[0] - bad[1] / units[1]) / error
    return float(np.mean(z >= norm.isf(0.05 / len(SIGNALS))))


def clustered(runs: int, seed: int) -> int:
    """A/A trials that end although nothing is worse: few subjects call most, what is bad is bad for
    the same ones again and again, and their calls come in any order."""
    rng, ended = np.random.default_rng(seed), 0
    for _ in range(runs):
        calls = np.minimum(MOST_CALLS, rng.pareto(1.0, SUBJECTS).astype(int) + 1)
        who = rng.permutation(np.repeat(np.arange(SUBJECTS), calls))[:REQUESTS]
        rate = np.where(rng.random(SUBJECTS) < 0.1, 0.9, 0.01)
        canary, bad = rng.random(SUBJECTS) < SHARE, rng.random(len(who)) < rate[who]
        ended += any(
            judge({"error": [stage]}, MAX_HARM).outcome == "rollback"
            for stage in of_subjects(who, bad, canary)
        )
    return ended


def of_subjects(who: NDArray[np.int64], bad: Bools, canary: Bools, step: int = 50) -> list[Stage]:
    """One stage as it is seen after every so many calls, each subject one unit.

    `who` calls and whether the answer was bad, call by call; who of them is on the canary.
    """
    known, first = np.unique(who, return_index=True)
    begun = np.zeros(len(canary), bool)
    begun[known] = bad[first]
    calls, wrong, stages = np.zeros(len(canary)), np.zeros(len(canary)), []
    for at in range(0, len(who), step):
        batch = who[at : at + step]
        calls += np.bincount(batch, minlength=len(canary))
        wrong += np.bincount(batch, bad[at : at + step], len(canary))
        sides = [(calls > 0) & mine for mine in (canary, ~canary)]
        units = [Side.of(wrong[its] / calls[its], begun[its]) for its in sides]
        stages.append(Stage(SHARE, *units))
    return stages


def excess_bars() -> list[Bar]:
    """A variant 10 points worse at equal latency."""
    bars = []
    for base, most in ((0.1, 20), (0.3, 30)):
        found, excess = one_kind(Traffic(base=base, gap=GAP), RUNS, int(base * 10))
        missed = sum(end is None for end in found)
        say(
            f"base {base}: caught {RUNS - missed} of {RUNS}; excess mean {np.mean(excess):.1f}, "
            f"median {np.median(excess):.1f}, 95 % {np.quantile(excess, 0.95):.1f}; requests "
            f"{np.median([end for end in found if end]):.0f}"
        )
        bars += [
            Bar(
                f"10 points worse at base {base}: mean excess", float(np.mean(excess)), f"<= {most}"
            ),
            Bar(f"10 points worse at base {base}: missed", missed, "<= 0", RUNS),
        ]
    return bars


def calm_bars() -> list[Bar]:
    """Nothing is worse."""
    bars = []
    for base in (0.005, 0.02, 0.1, 0.3):
        found, _ = one_kind(Traffic(base=base), RUNS, 10 + int(base * 100))
        ended = sum(end is not None for end in found)
        bars.append(Bar(f"A/A at base {base}: rollbacks", ended, f"<= {0.05 * RUNS:g}", RUNS))
        say(f"A/A at base {base}: {ended} of {RUNS}")
    found, _ = one_kind(Traffic(ramp=RAMP), RUNS, 50)
    ended = sum(end is not None for end in found)
    bars.append(Bar("A/A on the ramp: rollbacks", ended, f"<= {0.05 * RUNS:g}", RUNS))
    alike = clustered(RUNS, 51)
    bars.append(Bar("A/A of busy subjects: rollbacks", alike, f"<= {0.05 * RUNS:g}", RUNS))
    say(f"A/A on the ramp {ended}, of busy subjects {alike}, of {RUNS}")
    for base in (0.02, 0.2):
        passed = false_passes(base, RUNS // 2, 52)
        name = f"harm of {MAX_HARM:.0%} at base {base}: passed"
        bars.append(Bar(name, passed, f"<= {0.05 * RUNS / 2:g}", RUNS // 2))
        say(f"{name} {passed} of {RUNS // 2}")
    return bars


def late_bars() -> list[Bar]:
    """Labels that come late: the test is as quick, and the delay is paid for beside."""
    bars, runs = [], RUNS // 4
    for delay in (2_000, 5_000):
        late, at_once = Traffic(base=0.2, gap=GAP, delay=delay), Traffic(base=0.2, gap=GAP)
        found, excess = one_kind(late, runs, 60 + delay)
        _, prompt = one_kind(at_once, runs, 60 + delay)
        missed, paid = sum(end is None for end in found), SHARE * GAP * delay
        say(
            f"labels {delay} requests late: excess {np.mean(excess):.1f}, of which share x gap x "
            f"delay is {paid:g} and the excess without a delay {np.mean(prompt):.1f}"
        )
        bars.append(Bar(f"labels {delay} requests late: missed", missed, "<= 5", runs))
    return bars


def kind_bars() -> list[Bar]:
    """Five kinds of bad answers judged together."""
    runs, bars = RUNS // 4, []
    trials: list[tuple[str, str, Kinds]] = [(name, name, SIGNALS) for name in SIGNALS]
    often = {**SIGNALS, "thumb": (SIGNALS["thumb"][0], MORE_THUMBS)}
    trials.append((f"thumb (of {MORE_THUMBS:.0%} of calls)", "thumb", often))
    for name, harmed, kinds in trials:
        missed = runs - five_kinds(harmed, runs, 70, kinds)
        say(f"{name} alone is worse by 10 points: caught {runs - missed} of {runs}")
        if harmed == "thumb" and kinds is SIGNALS:
            continue  # no bar: not even a single look at the end finds it surely, as is told below
        bars.append(Bar(f"{name} worse among five: missed", missed, f"<= {0.05 * runs:g}", runs))
    say(f"of thumbs, a single look at the end would have found {best_single_look():.1%}")
    ended = five_kinds(None, RUNS, 80)
    bars.append(Bar("A/A of five kinds: rollbacks", ended, f"<= {0.05 * RUNS:g}", RUNS))
    return bars


def main() -> int:
    """Run it all; the exit code."""
    bars = [*excess_bars(), *calm_bars(), *late_bars(), *kind_bars()]
    return finish("canary", RUNS * REQUESTS, bars)


if __name__ == "__main__":
    sys.exit(main())
