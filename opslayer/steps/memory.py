"""The policy's memory between two runs: its state, carried from verdict to verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslayer.capability import Capability
from opslayer.records import Verdict, VerdictKind
from opslayer.steps.champion import champion, member
from opslayer.stores import Stores

if TYPE_CHECKING:
    from opslayer.judgement.policy import State


@dataclass(frozen=True)
class Memory:
    """What the policy knows from before."""

    state: State
    scale: float
    """For regression: the absolute error that counts as one error; 1 for classification."""
    last: str | None = None
    """Id of the verdict it was recalled from: what is learnt next must follow that one."""

    def numbers(self) -> dict[str, Any]:
        """As kept in a verdict."""
        return {"state": self.state.to_json(), "scale": self.scale}


def recall(capability: Capability, stores: Stores) -> Memory | None:
    """What the newest policy verdict left; None before the first training.

    A person may have promoted or rolled back since. The ledger, not the policy, says who serves:
    then what not retraining has cost is counted anew. Models that were removed are in no pool.
    """
    from opslayer.judgement import policy

    newest = stores.ledger.verdicts.list(capability.name, VerdictKind.POLICY, limit=1)
    if not newest:
        return None
    state = policy.State.from_json(newest[0].numbers["state"])
    serving = champion(capability, stores)
    if serving:
        state = policy.serving(state, member(capability, serving))
    state = policy.without(state, stores.ledger.forgotten.of(capability.name))
    return Memory(state, newest[0].numbers["scale"], newest[0].id)


def decided_windows(capability: Capability, stores: Stores) -> set[int]:
    """Windows the policy has spoken about, among its newest verdicts."""
    verdicts: list[Verdict] = stores.ledger.verdicts.list(capability.name, VerdictKind.POLICY)
    return {verdict.numbers["window"] for verdict in verdicts if "window" in verdict.numbers}
