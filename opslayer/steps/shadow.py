"""Compare a shadow's answers with those that callers got, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median
from typing import Any

from opslayer.capability import Capability, Kind
from opslayer.judgement.outcome import Outcome
from opslayer.records import Shadow, Variant, Verdict, VerdictKind
from opslayer.steps.heard import Call, Heard, wrong
from opslayer.stores import Stores

SHOWN = 20.0
"""Evidence from which one of them is said to be better: by chance it comes in 1 of 20 trials, for
each direction, however often somebody looks."""


@dataclass(frozen=True, slots=True)
class Shadowing:
    """A shadow that answers copies, and since which release."""

    capability: Capability
    variant: Variant
    begun: int
    """Number of the first release that has it."""

    @property
    def about(self) -> str:
        """What its verdict is about."""
        return f"shadow {self.variant.name} since release {self.begun}"


def shadowing(capability: Capability, stores: Stores) -> Shadowing | None:
    """The shadow of what serves; None where it has none."""
    newest = stores.ledger.releases.serving(capability.name)
    if newest is None or newest.shadow is None:
        return None
    variant = newest.shadow
    releases = stores.ledger.releases.streak(newest, lambda one: one.shadow == variant)
    return Shadowing(capability, variant, releases[0].number)


def compare(its: Shadowing, heard: Heard) -> Outcome:
    """What the pairs say. Outcomes: `better` or `worse` (the shadow, where the truth is known, by
    `gate.e_value`); `alike` as long as neither is shown."""
    from opslayer.judgement.gate import e_value

    pairs = [
        (call, its_answer)
        for call in heard.calls.values()
        if (its_answer := call.shadow) is not None and its_answer.variant == its.variant.name
    ]
    better, worse = _judged(its.capability, pairs)
    numbers = _numbers(its.capability, pairs) | {"better": better, "worse": worse}
    numbers["e_better"], numbers["e_worse"] = e_value(better, worse), e_value(worse, better)
    outcome = "alike"
    if max(numbers["e_better"], numbers["e_worse"]) >= SHOWN:
        outcome = "better" if better > worse else "worse"
    return Outcome(outcome, _told(its, numbers), numbers, 2 / SHOWN)


Pair = tuple[Call, Shadow]
"""A call as it was answered, and the shadow's answer to its copy."""


def _judged(capability: Capability, pairs: Sequence[Pair]) -> tuple[int, int]:
    """Pairs of which only the shadow, or only the answer, was right; of numbers, was nearer."""
    better = worse = 0
    for call, copy in pairs:
        said = copy.output.get("value")
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


def _numbers(capability: Capability, pairs: Sequence[Pair]) -> dict[str, Any]:
    answered = [(call, copy) for call, copy in pairs if copy.outcome == "ok"]
    same = [pair for pair in answered if _agrees(capability, *pair)]
    own = [call.latency_ms for call, _ in pairs if call.latency_ms is not None]
    return {
        "copies": len(pairs),
        "failed": len(pairs) - len(answered),
        "agreeing": len(same),
        "cost": sum(copy.cost for _, copy in pairs),
        "latency_ms": median(copy.latency_ms for _, copy in pairs) if pairs else None,
        "latency_ms_answer": median(own) if own else None,
    }


def _agrees(capability: Capability, call: Call, copy: Shadow) -> bool:
    said = copy.output.get("value")
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
