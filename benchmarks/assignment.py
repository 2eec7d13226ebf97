"""Does everybody keep their arm, and does chance alone deal the arms out?

A million subjects, as several replicas and their restarts see them (each a process with a hash seed
of its own), and as an experiment's weights change. Then chi-square tests over many salts, whose
p-values must be uniform; crc32 in the bucket's place sees the same subjects.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, kstest

from benchmarks.bars import Bar, finish, say
from opslayer.judgement.assignment import arm, bucket
from opslayer.judgement.experiment import sample_ratio

SUBJECTS = 1_000_000
WEIGHTS = (0.5, 0.3, 0.2)
REPLICAS = ("0", "1", "20260101", "random")
"""PYTHONHASHSEED of each; each is started twice."""
SALTS = 1_000
PER_SALT = 10_000
CHANGES = {
    "weights": (WEIGHTS, (0.4, 0.4, 0.2), (0.5, 0.25, 0.25), (0.2, 0.3, 0.5), (1, 1, 1), WEIGHTS),
    "an arm added at the end": ((0.5, 0.5), (0.5, 0.4, 0.1), (0.5, 0.3, 0.1, 0.1)),
    "an arm emptied": (WEIGHTS, (0.5, 0, 0.5), (0.5, 0.5, 0)),
    "a canary": ((0, 1), (0.1, 0.9), (0.25, 0.75), (0.5, 0.5), (1, 0)),
}
KNOWN = {
    ("exp1", "user-1"): 0.074499537096,
    ("exp1", "user-2"): 0.084249499264,
    ("exp2", "user-1"): 0.348312292938,
    ("", ""): 0.248000234903,
    ("exp1", "üser"): 0.927107638886,
}
KNOWN_ARMS = (50_062, 29_926, 20_012)
"""Of user-0 to user-99999 in exp1 at WEIGHTS."""
SIGMAS = 5
"""By how many standard errors more than the share that moved may move."""

Bucket = Callable[[str, str], float]
Bytes = NDArray[np.uint8]


def by_crc(salt: str, unit: str) -> float:
    """What many use instead."""
    return crc32(f"{salt}:{unit}".encode()) / 2**32


def arms_of(
    salt: str, count: int, weights: Sequence[float] = WEIGHTS, by: Bucket = bucket
) -> Bytes:
    """The arm of each of so many users."""
    arms = (arm(by(salt, f"user-{number}"), weights) for number in range(count))
    return np.fromiter(arms, np.uint8, count)


def replicas() -> list[Bar]:
    """Start every replica twice and compare what each says of every subject."""
    command = [sys.executable, "-m", "benchmarks.assignment", "replica"]
    said = []
    for seed in REPLICAS * 2:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, check=True, capture_output=True)
        said.append(np.frombuffer(done.stdout, np.uint8))
        say(f"replica with hash seed {seed}: {np.bincount(said[-1]).tolist()} of {len(said[-1]):,}")
    short = sum(len(one) != SUBJECTS for one in said)
    differ = sum(int((one != said[0]).sum()) for one in said) if not short else SUBJECTS
    asked = SUBJECTS * (len(said) - 1)
    return [Bar("replicas and restarts: subjects with another arm", differ, "== 0", asked)]


def changes() -> list[Bar]:
    """Change weights step by step, and count who moved though their stretch kept its arm.

    Where a weight moves from one end of the order to the other, all stretches between shift, and
    more subjects move than the weights alone would ask for: printed beside, and no bar.
    """
    points = [bucket("exp1", f"user-{number}") for number in range(SUBJECTS)]
    places = np.array(points)
    bars = []
    for name, steps in CHANGES.items():
        still, too_many = 0, 0
        arms = [np.array([arm(point, step) for point in points], np.uint8) for step in steps]
        for (before, was), (after, now) in pairwise(zip(steps, arms, strict=True)):
            moved, share = (
                was != now,
                float(1 - sum(high - low for low, high in kept(before, after))),
            )
            still += int((moved & stays(places, before, after)).sum())
            bound = SUBJECTS * share + SIGMAS * (SUBJECTS * share * (1 - share)) ** 0.5
            too_many += int(moved.sum() > bound)
            say(
                f"{name}, {before} to {after}: {moved.mean():.4f} moved, {share:.4f} by the "
                f"stretches, where no rule can do with less than {least(before, after):.4f}"
            )
        bars.append(
            Bar(f"{name}: subjects moved from a stretch that did not", still, "== 0", SUBJECTS)
        )
        bars.append(Bar(f"{name}: steps in which more moved than the stretches", too_many, "== 0"))
        if name == "a canary":
            left = sum(int((was < now).sum()) for was, now in pairwise(arms))
            bars.append(Bar("a growing canary: subjects that left it", left, "== 0", SUBJECTS))
    return bars


def least(before: Sequence[float], after: Sequence[float]) -> float:
    """The share that has to move under any rule: what the arms that grow gain."""
    wide = max(len(before), len(after))
    was, now = (
        np.pad(np.array(weights) / sum(weights), (0, wide - len(weights)))
        for weights in (before, after)
    )
    return float(np.maximum(now - was, 0).sum())


def stretches(weights: Sequence[float]) -> list[tuple[Fraction, Fraction]]:
    """Each arm's part of [0, 1), in exact numbers."""
    parts = [Fraction(str(weight)) for weight in weights]
    ends = [end / sum(parts) for end in accumulate(parts)]
    return list(zip([Fraction(0), *ends[:-1]], ends, strict=True))


def kept(before: Sequence[float], after: Sequence[float]) -> list[tuple[Fraction, Fraction]]:
    """The parts of [0, 1) that have the same arm before and after."""
    both = zip(stretches(before), stretches(after), strict=False)
    parts = [(max(was[0], now[0]), min(was[1], now[1])) for was, now in both]
    return [(low, high) for low, high in parts if low < high]


def stays(
    places: NDArray[np.float64], before: Sequence[float], after: Sequence[float]
) -> NDArray[np.bool_]:
    """Who lies in a part that keeps its arm, those within a rounding of its ends left out."""
    inside = np.zeros(len(places), bool)
    for low, high in kept(before, after):
        inside |= (places > float(low) + 1e-12) & (places < float(high) - 1e-12)
    return inside


def chances(by: Bucket) -> tuple[float, float]:
    """K-S p-values: of "arms have their shares" and of "two salts know nothing of each other"."""
    shares, pairs, last = [], [], None
    for number in range(SALTS):
        arms = arms_of(f"exp{number}", PER_SALT, by=by)
        shares.append(sample_ratio(np.bincount(arms, minlength=3).tolist(), WEIGHTS))
        if last is not None:
            pairs.append(_independent(last, arms))
        last = arms
    return float(kstest(shares, "uniform").pvalue), float(kstest(pairs, "uniform").pvalue)


def _independent(one: Bytes, other: Bytes) -> float:
    """Chi-square's p for two salts' arms of the same subjects, 3 x 3."""
    table = np.bincount(3 * one + other, minlength=9).reshape(3, 3)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / len(one)
    return float(chi2.sf(((table - expected) ** 2 / expected).sum(), 4))


def known() -> list[Bar]:
    """The values that other programs must compute too."""
    off = sum(abs(bucket(*who) - point) > 1e-12 for who, point in KNOWN.items())
    counts = np.bincount(arms_of("exp1", 100_000), minlength=3)
    return [
        Bar("known buckets that differ", off, "== 0"),
        Bar("known arms that differ", int(np.abs(counts - KNOWN_ARMS).sum()), "== 0"),
    ]


def microseconds(rounds: int = 21, each: int = 10_000) -> float:
    """The median time of a bucket and its arm."""
    units = [f"user-{number}" for number in range(each)]
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        for unit in units:
            arm(bucket("exp1", unit), WEIGHTS)
        took.append((time.perf_counter() - began) / each * 1e6)
    return float(np.median(took))


def main() -> int:
    """Compare replicas, change weights, test chance, take the time."""
    bars = known() + replicas() + changes()
    say(f"chance over {SALTS:,} salts of {PER_SALT:,} subjects")
    uniform, independent = chances(bucket)
    theirs = chances(by_crc)
    say(f"K-S p of arms' shares {uniform:.3g}, of pairs of salts {independent:.3g}")
    say(f"crc32 instead: of arms' shares {theirs[0]:.3g}, of pairs of salts {theirs[1]:.3g}")
    bars += [
        Bar("arms' shares over salts, K-S p", uniform, "> 0.001"),
        Bar("independence of two salts, K-S p", independent, "> 0.001"),
        Bar("bucket and arm, microseconds", microseconds(), "<= 5"),
    ]
    return finish("assignment", SUBJECTS, bars)


if __name__ == "__main__":
    if sys.argv[1:] == ["replica"]:
        sys.stdout.buffer.write(arms_of("exp1", SUBJECTS).tobytes())
        sys.exit(0)
    sys.exit(main())
