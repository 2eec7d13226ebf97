"""Compare a shadow's answers with those that callers got, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from opslayer.capability import Capability, Kind
from opslayer.judgement.outcome import Outcome
from opslayer.records import Release, Variant, Verdict, VerdictKind, verdict_id
from opslayer.steps.heard import Call, Heard, position_of, wrong
from opslayer.stores import Stores

SHOWN = 20.0
"""Evidence from which one of them is said to be better: by chance it comes in 1 of 20 trials, for
each direction, however often somebody looks."""


@dataclass(frozen=True, slots=True)
class Shadowing:
    """A shadow that answers copies, and since which release."""

    capability: Capability
    variant: Variant
    since: Release

    @property
    def about(self) -> str:
        """What its verdict is about."""
        return f"shadow {self.variant.name} since release {self.since.number}"


def shadowing(capability: Capability, stores: Stores) -> Shadowing | None:
    """The shadow of what serves; None where it has none."""
    newest = stores.ledger.releases.serving(capability.name)
    if newest is None or newest.shadow is None:
        return None
    since = newest
    while since.parent:
        earlier = stores.ledger.releases.get(capability.name, since.parent)
        if earlier.shadow != newest.shadow:
            break
        since = earlier
    return Shadowing(capability, newest.shadow, since)


def listen(its: Shadowing, stores: Stores) -> Heard:
    """An ear at the place in the log where the shadow began."""
    about = f"release {its.since.number}"
    id = verdict_id(its.capability.name, VerdictKind.PROMOTION, about)
    begun = stores.ledger.verdicts.get(id)
    return Heard(its.capability, position_of(begun.numbers if begun else {}))


def compare(its: Shadowing, heard: Heard) -> Outcome:
    """What the pairs say. Outcomes: `better` or `worse` (the shadow, where the truth is known, by
    `gate.e_value`); `alike` as long as neither is shown."""
    from opslayer.judgement.gate import e_value

    pairs = [one for one in heard.calls.values() if one.shadow is not None and _of(its, one)]
    better, worse = _judged(its.capability, pairs)
    numbers = _numbers(its.capability, pairs) | {"better": better, "worse": worse}
    numbers["e_better"], numbers["e_worse"] = e_value(better, worse), e_value(worse, better)
    outcome = "alike"
    if max(numbers["e_better"], numbers["e_worse"]) >= SHOWN:
        outcome = "better" if better > worse else "worse"
    return Outcome(outcome, _told(its, numbers), numbers, 2 / SHOWN)


def _of(its: Shadowing, call: Call) -> bool:
    return call.shadow is not None and call.shadow.variant == its.variant.name


def _judged(capability: Capability, pairs: Sequence[Call]) -> tuple[int, int]:
    """Pairs of which only the shadow, or only the answer, was right; of numbers, was nearer."""
    better = worse = 0
    for call in pairs:
        assert call.shadow is not None
        said = call.shadow.output.get("value")
        if call.truth is None or (call.value is None and said is None):
            continue
        ours, theirs = _error(capability, call, call.value), _error(capability, call, said)
        better, worse = better + (theirs < ours), worse + (ours < theirs)
    return better, worse


def _error(capability: Capability, call: Call, value: Any) -> float:
    """The error of a value; no value at all is the worst."""
    if value is None:
        return float("inf")
    return wrong(replace(call, value=value), capability.task)


def _numbers(capability: Capability, pairs: Sequence[Call]) -> dict[str, Any]:
    shadows = [one.shadow for one in pairs if one.shadow is not None]
    answered = [one for one in pairs if one.shadow is not None and one.shadow.outcome == "ok"]
    same = [one for one in answered if one.shadow is not None and _agrees(capability, one)]
    own = [one.latency_ms for one in pairs if one.latency_ms is not None]
    return {
        "copies": len(pairs),
        "failed": len(pairs) - len(answered),
        "agreeing": len(same),
        "cost": sum(one.cost for one in shadows),
        "latency_ms": median(one.latency_ms for one in shadows) if shadows else None,
        "latency_ms_answer": median(own) if own else None,
    }


def _agrees(capability: Capability, call: Call) -> bool:
    assert call.shadow is not None
    said = call.shadow.output.get("value")
    if capability.task is Kind.REGRESSION and said is not None and call.value is not None:
        return abs(float(said) - float(call.value)) <= 0.01 * max(abs(float(call.value)), 1e-9)
    return said is not None and str(said) == str(call.value)


def _told(its: Shadowing, numbers: dict[str, Any]) -> str:
    if not numbers["copies"]:
        return f"{its.variant.name} has answered no copy yet"
    judged = (
        f"; where the truth is known it alone was right {numbers['better']} times, and wrong "
        f"{numbers['worse']}"
        if numbers["better"] + numbers["worse"]
        else ""
    )
    return (
        f"{its.variant.name} answered {numbers['copies'] - numbers['failed']} of "
        f"{numbers['copies']} copies, {numbers['agreeing']} as the answer was{judged}; "
        f"{numbers['latency_ms']:.3g} ms against {numbers['latency_ms_answer'] or 0:.3g}"
    )


def record(its: Shadowing, seen: Outcome, stores: Stores, now: datetime) -> Verdict | None:
    """Keep that one of them was shown better, once; nothing is promoted by it."""
    if seen.outcome == "alike":
        return None
    verdict = Verdict(
        capability=its.capability.name,
        kind=VerdictKind.SHADOW,
        about=its.about,
        outcome=seen.outcome,
        reason=seen.reason,
        at=now,
        numbers={**seen.numbers, "version": its.variant.model_version},
        error_rate=seen.error_rate,
    )
    if stores.ledger.verdicts.get(verdict.id) is not None:
        return None
    return stores.ledger.verdicts.record(verdict)
