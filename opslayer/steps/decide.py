"""Decide what to do about what was watched: serve another version, train, or leave it be.

The policy itself is pure (`opslayer.judgement.policy`). What it saw, what it said and what it
remembers are in one verdict of the ledger, so every decision can be read and replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from opslayer.capability import Capability
from opslayer.records import Cause, CauseKind, Verdict, VerdictKind, verdict_id
from opslayer.steps.canary import bring, failed_versions
from opslayer.steps.memory import Memory, decided_windows, recall
from opslayer.steps.observe import Observed, Span, observe
from opslayer.steps.promote import Promotion
from opslayer.stores import Stores
from opslayer.windows import window_bounds, window_index, window_indices

if TYPE_CHECKING:
    from opslayer.judgement.policy import Decision, Facts

LATE = 100
"""Verdicts read beside those of undecided windows: of older ones, whose labels came late."""
MOST = 10_000
"""Windows about which the policy hears at once: hourly ones for a year in which nobody watched."""


@dataclass(frozen=True)
class Decided:
    """What came of one run: the verdicts, and the cause to train for, if any."""

    verdicts: tuple[Verdict, ...] = ()
    cause: Cause | None = None


@dataclass(frozen=True)
class Occasion:
    """Where and when a decision is made, and the labelled window it is about."""

    capability: Capability
    stores: Stores
    as_of: datetime
    window: int

    @property
    def about(self) -> str:
        """What the policy's verdict of this occasion is about."""
        return f"window {self.window}"


def decide(capability: Capability, stores: Stores, as_of: datetime) -> Decided:
    """Let the policy speak about every measured window it has not spoken about.

    Only what it says about the newest is acted on: after a gap in watching, the older windows
    bring the policy's memory up to date.
    """
    verdicts: list[Verdict] = []
    cause = None
    windows = undecided(capability, stores, as_of)
    while windows:
        occasion = Occasion(capability, stores, as_of, windows[0])
        memory = recall(capability, stores)
        if memory is None:
            break
        decision = _ask(occasion, memory)
        if len(windows) == 1:
            cause = _act(occasion, decision)
        if kept := _record(occasion, memory, decision):
            verdicts.append(kept)
            windows = windows[1:]
        else:  # a training that ended meanwhile, or another watch, has changed what is to decide
            windows = undecided(capability, stores, as_of)
    return Decided(tuple(verdicts), cause)


def undecided(capability: Capability, stores: Stores, as_of: datetime) -> list[int]:
    """Measured windows newer than the last one the policy spoke about, oldest first."""
    newest = max(decided_windows(capability, stores), default=-1)
    since = max(0, window_index(as_of, capability.monitor.window) - newest)
    limit = min(MOST, since) + LATE
    measured = stores.ledger.verdicts.list(capability.name, VerdictKind.QUALITY, limit=limit)
    windows = {v.numbers["window"] for v in measured if v.outcome == "measured"}
    return sorted(window for window in windows if window > newest)


def _ask(occasion: Occasion, memory: Memory) -> Decision:
    from opslayer.judgement import policy

    return policy.decide(memory.state, facts(occasion, memory), occasion.capability.retrain)


def facts(occasion: Occasion, memory: Memory) -> Facts:
    """What the policy is told: each pool member's losses on rows it was not trained on."""
    from opslayer.judgement.policy import LOOK_BACK, Facts

    width = occasion.capability.monitor.window
    span = Span(
        window_bounds(occasion.window - LOOK_BACK + 1, width)[0],
        window_bounds(occasion.window, width)[1],
    )
    rows = observe(occasion.capability, occasion.stores, span, occasion.as_of).labelled
    index = window_indices(rows.event_time, width)
    return Facts(
        window=max(occasion.window, window_index(occasion.as_of, width) - 1),
        labelled=occasion.window,
        losses=_losses(occasion, memory, rows, index),
        rows_per_window=len(rows) / max(1, len(set(index.tolist()))),
    )


def _losses(
    occasion: Occasion, memory: Memory, rows: Observed, index: np.ndarray
) -> dict[int, dict[int, np.ndarray]]:
    from opslayer.judgement.losses import row_losses
    from opslayer.steps.predict import score

    name, truth = occasion.capability.name, rows.label.to_numpy()
    losses: dict[int, dict[int, np.ndarray]] = {}
    for member in memory.state.pool if len(rows) else ():
        version = occasion.stores.ledger.versions.get(name, member.version)
        said = score(occasion.capability, version, rows.features, occasion.stores).values
        loss = row_losses(truth, said, occasion.capability.task, memory.scale)
        fair = sorted({k for k in index.tolist() if k >= member.cut})
        losses[member.version] = {k: loss[index == k] for k in fair}
    return losses


def _act(occasion: Occasion, decision: Decision) -> Cause | None:
    failed = failed_versions(occasion.capability, occasion.stores)
    if decision.serve is not None and decision.serve not in failed:
        _serve(occasion, decision.serve, decision)
    if not decision.train:
        return None
    rules = occasion.capability.retrain
    cause = Cause(
        capability=occasion.capability.name,
        kind=CauseKind(decision.because),
        about=f"window {occasion.window} under policy {rules.policy.value}",
        at=occasion.as_of,
        recipes=decision.train,
    )
    occasion.stores.ledger.causes.open(cause)
    return cause


def _serve(occasion: Occasion, version: int, decision: Decision) -> None:
    """A free move: an older version does better on labels that neither was trained on."""
    gain = decision.outcome.numbers["gains"][str(version)]
    error = decision.outcome.numbers["gain_errors"][str(version)]
    reason = (
        f"version {version} of the pool has a mean loss {gain:.3f} ± {error:.3f} lower on labels "
        f"that neither was trained on"
    )
    stores, name = occasion.stores, occasion.capability.name
    current = stores.ledger.releases.newest(name)
    move = Promotion(
        parent=current.number if current else 0,
        by="loop",
        reason=reason,
        cause=f"move in window {occasion.window}",
        evidence=(verdict_id(name, VerdictKind.POLICY, occasion.about),),
        at=occasion.as_of,
    )
    bring(occasion.capability, version, stores, move)


def _record(occasion: Occasion, memory: Memory, decision: Decision) -> Verdict | None:
    outcome = decision.outcome
    verdict = Verdict(
        capability=occasion.capability.name,
        kind=VerdictKind.POLICY,
        about=occasion.about,
        outcome=outcome.outcome,
        reason=outcome.reason,
        at=occasion.as_of,
        numbers={
            **outcome.numbers,
            **Memory(decision.state, memory.scale).numbers(),
            "window": occasion.window,
        },
        error_rate=outcome.error_rate,
    )
    kept = occasion.stores.ledger.verdicts.record_next(verdict, memory.last)
    return verdict if kept else None
