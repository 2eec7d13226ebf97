"""After a training: release what the gate let through, and tell the policy what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opslayer.capability import Capability, Kind
from opslayer.errors import StaleParent
from opslayer.records import Cause, CauseKind, Release, Verdict, VerdictKind, Version
from opslayer.steps.canary import bring
from opslayer.steps.champion import member
from opslayer.steps.memory import Memory, recall
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores
from opslayer.windows import window_index


@dataclass(frozen=True)
class Judged:
    """A candidate and what the gate said."""

    version: Version
    verdict: Verdict

    @property
    def passed(self) -> bool:
        """Whether it may serve."""
        return self.verdict.outcome == "promote"


@dataclass(frozen=True)
class Settled:
    """What one training led to."""

    release: Release | None
    reason: str


def settle(
    capability: Capability, cause: Cause, judged: Sequence[Judged], stores: Stores
) -> Settled:
    """Promote the best candidate that passed, by compare-and-set on the release it was judged
    against; whatever happens, the policy learns of the new models."""
    winner = best(capability, judged)
    settled = _release(capability, cause, winner, stores) if winner else _kept(judged)
    served = winner.version.version if winner and _is_champion(winner, settled) else None
    _remember(capability, cause, judged, stores, served)
    return settled


def _is_champion(winner: Judged, settled: Settled) -> bool:
    release = settled.release
    return release is not None and release.champion.model_version == winner.version.version


def best(capability: Capability, judged: Sequence[Judged]) -> Judged | None:
    """The candidate with the best metric among those that passed; the first of equals."""
    passed = [one for one in judged if one.passed]
    if not passed:
        return None
    choose = max if capability.metric.higher_is_better else min
    return choose(passed, key=lambda one: float(one.verdict.numbers["candidate"]))


def _kept(judged: Sequence[Judged]) -> Settled:
    return Settled(None, "; ".join(one.verdict.reason for one in judged) or "nothing was trained")


def _release(capability: Capability, cause: Cause, winner: Judged, stores: Stores) -> Settled:
    promotion = Promotion(
        parent=_parent(capability, winner, stores),
        by=cause.by,
        reason=f"{cause.kind.value}, {cause.about}: {winner.verdict.reason}",
        cause=cause.id,
        evidence=(winner.verdict.id,),
        at=cause.at,
    )
    # A trial would let what had learnt from the erased go on answering for as long as it lasts.
    serve = promote if cause.kind is CauseKind.ERASURE else bring
    try:
        release = serve(capability, winner.version, stores, promotion)
    except StaleParent as error:
        return Settled(None, f"judged against a champion that no longer serves: {error}")
    return Settled(release, release.reason)


def _parent(capability: Capability, winner: Judged, stores: Stores) -> int:
    """The release it follows: the newest one, while that has the champion it was judged against. A
    canary that was widened meanwhile has made a new release, and changed nothing of that."""
    newest, numbers = stores.ledger.releases.newest(capability.name), winner.verdict.numbers
    same = newest and newest.champion.model_version == numbers["champion_version"]
    return newest.number if newest and same else int(numbers["parent"])


def _remember(
    capability: Capability,
    cause: Cause,
    judged: Sequence[Judged],
    stores: Stores,
    served: int | None,
) -> None:
    from opslayer.judgement import policy

    verdict = _note(cause, judged, served)
    # What another process has the policy learn meanwhile must not be lost: then it starts anew.
    while judged and stores.ledger.verdicts.get(verdict.id) is None:
        known = recall(capability, stores)
        memory = known or _first_memory(capability, judged, stores)
        # The first model is what the policy begins with, not a training it has to pay for.
        new = judged if known else judged[1:]
        fresh = [member(capability, one.version) for one in new]
        window = window_index(cause.at, capability.monitor.window)
        state = policy.trained(memory.state, fresh, window, served, capability.retrain)
        full = verdict.model_copy(update={"numbers": Memory(state, memory.scale).numbers()})
        stores.ledger.verdicts.record_next(full, memory.last)


def _note(cause: Cause, judged: Sequence[Judged], served: int | None) -> Verdict:
    return Verdict(
        capability=cause.capability,
        kind=VerdictKind.POLICY,
        about=f"training for {cause.id}",
        outcome="served" if served else "kept",
        reason=f"{len(judged)} trained for {cause.kind.value}, {cause.about}",
        at=cause.at,
        cause=cause.id,
    )


def _first_memory(capability: Capability, judged: Sequence[Judged], stores: Stores) -> Memory:
    from opslayer.judgement import policy

    first = judged[0].version
    window = window_index(first.trained_at, capability.monitor.window)
    state = policy.begin(member(capability, first), window, capability.retrain)
    return Memory(state, _scale(capability, first, stores))


def _scale(capability: Capability, first: Version, stores: Stores) -> float:
    from opslayer.judgement.losses import typical_deviation
    from opslayer.steps import snapshot

    if capability.task is Kind.CLASSIFICATION:
        return 1.0
    frame = snapshot.load(capability, first.snapshot, stores)
    return typical_deviation(frame.target.to_numpy())
