"""Which arm a subject gets: a pure function, the same on every replica, for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import product
from typing import Any

from opslayer.records import Arm, Experiment, Release, Rule, Variant


def bucket(salt: str, unit: str) -> float:
    """A number in [0, 1) for a unit, uniform and independent between salts.

    The first 8 bytes of BLAKE2b over `salt:unit` in UTF-8, big-endian, divided by 2^64.
    """
    digest = blake2b(f"{salt}:{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def arm(point: float, weights: Sequence[float]) -> int:
    """The index of the arm in whose stretch of [0, 1) a point lies.

    Arms take stretches in their order, as long as their weights' shares, so that a change of
    weights moves only the subjects whose share moved. Raises ValueError without a positive weight.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError("no arm has any weight")
    passed = 0.0
    last = 0
    for index, weight in enumerate(weights):
        if weight <= 0:
            continue
        passed += weight / total
        last = index
        if point < passed:
            return index
    return last  # rounding may leave the last stretch a hair short of 1


@dataclass(frozen=True, slots=True)
class Who:
    """For whom an answer is, and when."""

    unit: str
    """The subject's keyed hash; the call's id, which is random, where none was named."""
    at: datetime
    tenant: str = ""
    segment: Mapping[str, Any] = field(default_factory=dict)
    """Values by which rules tell segments apart."""
    named: bool = True
    """Whether `unit` is a subject. Experiments are for those alone: a person who is dealt out anew
    at each call is in no arm."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """What a caller gets, and why."""

    variant: Variant
    arms: dict[str, str]
    """By experiment, the arm's name."""
    release: Release
    who: Who
    rule: Rule | None = None
    """The rule that picked it."""

    @property
    def why(self) -> str:
        """One sentence for a person; made when somebody asks, since every call is assigned."""
        name, canary = self.variant.name, self.release.canary
        if self.rule is not None:
            return f"a rule for {told(self.rule)} picks {name}"
        whose = "the subject" if self.who.named else "the call, which names no subject,"
        if canary is not None and self.variant is canary.variant:
            return f"{whose} is in the {canary.share:.1%} that try {name}"
        arms = "".join(f"; in experiment {one} its arm is {its}" for one, its in self.arms.items())
        return _by_share_told(self.release, self.who, whose) + arms


def assign(release: Release, who: Who) -> Assigned:
    """What a release has for a caller: by the first rule that holds, else the canary by its share,
    else by the variants' shares; then what each experiment sets. Who falls under a rule or the
    canary is in no experiment, since there the arms would not decide what is answered."""
    rule = next((one for one in release.rules if holds(one, who)), None)
    if rule is not None and (picked := release.variant(rule.variant)) is not None:
        return Assigned(picked, {}, release, who, rule)
    if (canary := release.canary) is not None and bucket(canary.salt, who.unit) < canary.share:
        return Assigned(canary.variant, {}, release, who)
    base = _by_share(release, who)
    if not release.experiments or not who.named:
        return Assigned(base, {}, release, who)
    arms = [_arm(release, one, who) for one in release.experiments]
    names = {one.name: its.name for one, its in zip(release.experiments, arms, strict=True)}
    return Assigned(composed(base, arms), names, release, who)


def holds(rule: Rule, who: Who) -> bool:
    """Whether every test of a rule that is given holds."""
    return (
        (not rule.tenants or who.tenant in rule.tenants)
        and (rule.since is None or rule.since <= who.at)
        and (rule.until is None or who.at < rule.until)
        and all(who.segment.get(name) in values for name, values in rule.segment.items())
    )


def told(rule: Rule) -> str:
    """A rule in words."""
    parts = [f"tenant {' or '.join(rule.tenants)}"] if rule.tenants else []
    parts += [f"{name} = {' or '.join(map(str, values))}" for name, values in rule.segment.items()]
    parts += [f"from {rule.since:%Y-%m-%d %H:%M} UTC"] if rule.since else []
    parts += [f"until {rule.until:%Y-%m-%d %H:%M} UTC"] if rule.until else []
    return ", ".join(parts) or "everybody"


def _by_share(release: Release, who: Who) -> Variant:
    if len(release.variants) == 1:
        return release.variants[0]
    point = bucket(release.capability, who.unit)
    return release.variants[arm(point, [one.weight for one in release.variants])]


def _by_share_told(release: Release, who: Who, whose: str) -> str:
    chosen = _by_share(release, who)
    if len(release.variants) == 1:
        return f"{chosen.name} is the champion of release {release.number}"
    point = bucket(release.capability, who.unit)
    share = chosen.weight / sum(one.weight for one in release.variants)
    return f"{whose} lies at {point:.4f}, in the {share:.1%} of {chosen.name}"


def _arm(release: Release, experiment: Experiment, who: Who) -> Arm:
    point = bucket(experiment.salt(release.capability), who.unit)
    return experiment.arms[arm(point, [one.weight for one in experiment.arms])]


def composed(base: Variant, arms: Sequence[Arm]) -> Variant:
    """A variant with what arms set of it. A prompt is for pools: a model of our own has none."""
    for one in arms:
        if one.model_version is not None:
            base = Variant(name="", model_version=one.model_version)
        if one.pool is not None:
            base = Variant(
                name="",
                pool=one.pool,
                prompt=base.prompt,
                prompt_version=base.prompt_version,
            )
        if one.prompt is not None and base.pool is not None:
            base = base.model_copy(
                update={"prompt": one.prompt, "prompt_version": one.prompt_version}
            )
    return named(base) if arms else base


def every_variant(release: Release) -> list[Variant]:
    """Whatever `assign` may pick for somebody, each once."""
    arms = product(*(one.arms for one in release.experiments))
    picked = [composed(base, some) for some in arms for base in release.variants]
    on_trial = [release.canary.variant] if release.canary else []
    return list({one.name: one for one in (*release.variants, *picked, *on_trial)}.values())


def named(variant: Variant) -> Variant:
    """A variant with the name of what it is: its model version, or its pool and its prompt's
    version; a rule keeps its own."""
    name = variant.name
    if variant.model_version is not None:
        name = f"model-{variant.model_version}"
    elif variant.pool is not None:
        prompt = f"-{variant.prompt}-{variant.prompt_version}" if variant.prompt else ""
        name = f"{variant.pool}{prompt}"
    return variant.model_copy(update={"name": name})
