"""Put the best of the examined prompts on trial, or say why none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opslayer.capability import Capability
from opslayer.records import Release, Variant, Verdict
from opslayer.steps.canary import begin
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores


@dataclass(frozen=True, slots=True)
class Improved:
    """What came of it."""

    release: Release | None
    reason: str
    verdicts: tuple[Verdict, ...] = ()


def improve(
    capability: Capability,
    judged: Sequence[tuple[Variant, Verdict]],
    stores: Stores,
    decision: tuple[str, datetime],
) -> Improved:
    """Put the best candidate that passed on trial, or say why none did."""
    verdicts = tuple(verdict for _, verdict in judged)
    passed = [one for one in judged if one[1].outcome == "promote"]
    if not passed:
        said = "; ".join(verdict.reason for verdict in verdicts) or "there is nothing else to try"
        return Improved(None, said, verdicts)
    variant, verdict = min(passed, key=lambda one: float(one[1].numbers["candidate"]))
    newest = stores.ledger.releases.newest(capability.name)
    by, at = decision
    # Always on trial, however few calls there are: what it was held against is not what comes.
    tried = 0 < capability.release.canary < 1
    release = (begin if tried else promote)(
        capability,
        variant,
        stores,
        Promotion(
            parent=newest.number if newest else 0,
            by=by,
            reason=f"its replies are nearer to what people wanted: {verdict.reason}",
            cause=verdict.id,
            evidence=(verdict.id,),
            at=at,
        ),
    )
    return Improved(release, release.reason, verdicts)
