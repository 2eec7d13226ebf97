"""Examine templates: they and the one that serves answer the same rated conversations again.

A reply that was liked, or the correction of one that was not, is a reference. The gate that judges
models judges how far replies are from it. References that were this prompt's own replies favour it:
a candidate has to do better all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from opslayer.capability import Capability, Gate, Kind, Metric
from opslayer.judgement.assignment import named
from opslayer.records import Variant, Verdict, VerdictKind, digest_of
from opslayer.steps.converse import converse
from opslayer.steps.rated import Case
from opslayer.stores import Stores
from opslayer.template import fill, places

WORD = re.compile(r"\w+")


def examine(
    capability: Capability, case: Case, templates: Sequence[str], stores: Stores, at: datetime
) -> list[tuple[Variant, Verdict]]:
    """Each template registered and judged against the prompt that serves, once ever for the same
    rated answers."""
    assert case.variant.prompt is not None
    before = _replies(capability, case, case.template)
    found = []
    for template in templates:
        declared = next(one for one in capability.prompts if one.name == case.variant.prompt)
        prompt = declared.model_copy(update={"template": template})
        version = stores.prompts.register(capability.name, prompt)
        variant = named(case.variant.model_copy(update={"prompt_version": version}))
        now = _replies(capability, case, template)
        verdict = _judge(capability, case, (before, now), (variant, at, len(templates)))
        found.append((variant, stores.ledger.verdicts.record(verdict)))
    return found


def _replies(capability: Capability, case: Case, template: str) -> list[str | None]:
    """What a template leads to in each conversation that is examined."""
    assert case.variant.pool is not None
    defaults = next(
        (one.defaults for one in capability.prompts if one.name == case.variant.prompt), {}
    )
    values = {name: defaults.get(name, "") for name in places(template)}
    instructions = fill(template, values)
    asked = [[{"role": "system", "content": instructions}, *one.messages] for one in case.examined]
    return converse(capability, case.variant.pool, asked)


Sides = tuple[list[str | None], list[str | None]]


def _judge(
    capability: Capability, case: Case, sides: Sides, candidate: tuple[Variant, datetime, int]
) -> Verdict:
    """The gate's verdict: the error is how far a reply is from its reference, 0 to 1."""
    import numpy as np

    from opslayer.judgement import gate
    from opslayer.judgement.losses import Answers

    variant, at, among = candidate
    rules = capability.improve
    pairs = [
        (one, before, now)
        for one, before, now in zip(case.examined, *sides, strict=True)
        if before is not None and now is not None
    ]
    errors = np.array([
        [1 - likeness(reply, one.reference or "") for reply in said] for one, *said in pairs
    ]).reshape(len(pairs), 2)  # fmt: skip
    exam = gate.Exam(
        truth=np.zeros(len(pairs)),
        champion=Answers(errors[:, 0], None, ()),
        candidate=Answers(errors[:, 1], None, ()),
        blocks=np.arange(len(pairs)),
    )
    terms = Gate(
        metric=Metric.MAE,
        alpha=rules.alpha / among,
        min_labels=max(30, rules.min_rated),
        min_disagreements=5,
    )
    result = gate.judge(exam, terms, Kind.REGRESSION)
    rated = digest_of(*(one.id for one in case.examined))
    return Verdict(
        capability=capability.name,
        kind=VerdictKind.GATE,
        about=f"{variant.name} against {case.variant.name} on {rated}",
        outcome=result.outcome,
        reason=result.reason,
        at=at,
        numbers={**result.numbers, "prompt": variant.prompt, "version": variant.prompt_version},
        error_rate=result.error_rate,
    )


def likeness(reply: str, reference: str) -> float:
    """How near a reply is to a reference, 0 to 1: the F1 of their words, each as often as it occurs
    (Rajpurkar et al., EMNLP 2016)."""
    said, wanted = (Counter(WORD.findall(text.casefold())) for text in (reply, reference))
    shared = sum((said & wanted).values())
    return 2 * shared / (sum(said.values()) + sum(wanted.values())) if shared else 0.0
