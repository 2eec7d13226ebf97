"""Whether a training carries the champion on, or challenges it: that sets what it has to show.

The champion's own settings and recipe on newer data are the same model kept fresh. It has only to
do no harm, for which a small exam does, so that nearly all the newest rows can be learnt from.
Anything else has to win, on an exam large enough to show it.
"""

from __future__ import annotations

from datetime import datetime

from opslayer.capability import Capability
from opslayer.records import Cause, Version
from opslayer.steps.champion import champion, member
from opslayer.steps.memory import recall
from opslayer.steps.snapshot import split
from opslayer.stores import Stores


def cut(capability: Capability, stores: Stores, cause: Cause) -> datetime:
    """Where the exam of a cause's training begins; for a run taken up again, where it began.

    Raises NotEnoughData, as `split`.
    """
    begun = stores.ledger.versions.for_cause(capability.name, cause.id)
    if begun:
        return begun[0].cut
    return split(capability, stores, cause.at, held_back(capability, stores))


def held_back(capability: Capability, stores: Stores) -> int:
    """Labelled rows that the exam of a training begun now should have."""
    from opslayer.judgement.gate import NO_HARM_LABELS

    assert capability.gate is not None
    serving = champion(capability, stores)
    if serving and serving.settings == capability.settings:
        return min(NO_HARM_LABELS, capability.gate.min_labels)
    return capability.gate.min_labels


def succeeds(capability: Capability, candidate: Version, stores: Stores) -> bool:
    """Whether a candidate carries the champion on with newer data, or is the very first."""
    from opslayer.judgement import policy

    serving, memory = champion(capability, stores), recall(capability, stores)
    if serving is None or memory is None:
        return True
    fresh = [member(capability, candidate)]
    return serving.settings == candidate.settings and bool(policy.successor(memory.state, fresh))
