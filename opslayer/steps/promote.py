"""Decide what serves: publish a release, go back to one, and let MLflow's alias follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from opslayer.capability import Capability
from opslayer.errors import Refused, StaleParent, StoreError
from opslayer.records import Release, Variant, Verdict, VerdictKind, Version
from opslayer.stores import Stores


@dataclass(frozen=True, slots=True)
class Promotion:
    """Who makes a version champion, why, and what serves as they decide."""

    parent: int
    """Number of the release that was the newest when the decision was made; 0 for none."""
    by: str
    reason: str
    cause: str | None
    evidence: tuple[str, ...]
    """Ids of the verdicts it rests on."""
    at: datetime
    starts: datetime | None = None
    """From when it serves; at once without it. A later decision takes its place all the same."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """Who goes back, why, and to which release."""

    by: str
    reason: str
    at: datetime
    to: int | None = None
    """Number of the release to serve again; without it, the newest one's parent."""


def promote(
    capability: Capability, what: Version | Variant | int, stores: Stores, decision: Promotion
) -> Release:
    """Make a registered version, or another variant, champion, and MLflow's alias with it.

    It ends a canary and leaves rules, experiments and flows as they are. Asking again for the same
    cause, or as the same person with the same words, returns the release that came of it, so that
    whatever was killed may be repeated. Raises StaleParent where another release came first,
    NotFound for an unknown version, Refused for one that is champion already or was removed by an
    erasure or by retention, or a decision without a name or a reason.
    """
    variant = what if isinstance(what, Variant) else model_variant(what)
    newest = stores.ledger.releases.newest(capability.name)
    return publish(capability, stores, decision, promoting(newest, variant))


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision makes other in the newest release."""

    outcome: str
    """Of the verdict that says so."""
    update: Mapping[str, Any]
    """Fields of the release."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What the verdict holds beside."""


def promoting(newest: Release | None, variant: Variant, outcome: str = "promote") -> Change:
    """The change that makes a variant champion in place of the newest release's."""
    return Change(outcome, {"variants": _with_champion(newest, variant), "canary": None})


def publish(capability: Capability, stores: Stores, decision: Promotion, change: Change) -> Release:
    """Make a release that is the newest one with a change, and let MLflow's alias follow.

    Raises what `promote` raises, NotFound for any model version that the ledger does not know,
    and Refused where the change changes nothing.
    """
    _need_words(decision.by, decision.reason)
    newest = stores.ledger.releases.newest(capability.name)
    made = _release(capability, newest, decision, change)
    _need_models(made, newest, stores)
    release = _earlier(made, newest, stores)
    if release is None and newest is not None and serves(newest) == serves(made):
        follow(capability, stores)  # a killed promotion is mended by whoever asks again
        raise _already(newest)
    if release is None:
        release = stores.ledger.releases.publish(made, _verdict(made, newest, change))
    follow(capability, stores)
    return release


class Consequence(NamedTuple):
    """What a verdict of the loop leads to."""

    newest: Release
    """That it was reached on."""
    change: Change
    told: str
    """What is done, in the words that stand before the verdict's reason."""


def carry_out(
    capability: Capability, stores: Stores, verdict: Verdict, then: Consequence
) -> Release | None:
    """Make the release that a kept verdict leads to.

    None where another release came first: what that one says is looked at next.
    """
    decision = Promotion(
        parent=then.newest.number,
        by="loop",
        reason=f"{then.told}: {verdict.reason}",
        cause=verdict.id,
        evidence=(verdict.id,),
        at=verdict.at,
    )
    try:
        return publish(capability, stores, decision, then.change)
    except StaleParent:
        return None
    except StoreError:  # the ledger has it; MLflow's alias is mended by the next who follows it
        return stores.ledger.releases.for_cause(capability.name, verdict.id)


def serves(release: Release) -> dict[str, Any]:
    """All of a release that decides who gets what: two that are equal in it serve alike."""
    return {name: getattr(release, name) for name in SERVES}


SERVES = ("variants", "rules", "canary", "shadow", "experiments", "flows", "starts")


def rollback(capability: Capability, stores: Stores, decision: Rollback) -> Release:
    """Serve again what an earlier release served, as a new release; its canary, shadow and
    experiments do not come back.

    Asking again as the same person with the same words returns the release that came of it: a
    repeated request never goes back twice. Raises NotFound for an unknown release, StaleParent
    where another release came first, Refused where there is nothing to go back to, where it
    serves already or its model was removed by an erasure or by retention, or without a name or a
    reason.
    """
    _need_words(decision.by, decision.reason)
    release = stores.ledger.releases.newest(capability.name)
    if release is None:
        raise Refused(f"{capability.name} has nothing to go back to: nothing was released yet")
    if not _went_back(capability, stores, release, decision):
        target = _target(capability, stores, release, decision.to)
        made = _return(release, target, decision)
        _need_models(made, release, stores)
        verdict = _verdict(made, release, Change("rollback", {}))
        release = stores.ledger.releases.publish(made, verdict)
    follow(capability, stores)
    return release


def follow(capability: Capability, stores: Stores) -> Release | None:
    """Set MLflow's alias to the champion of what serves wherever it differs.

    The ledger decides and the alias, which has no compare-and-set, follows: it is read again after
    each write, so that of several followers the last one leaves what the ledger says. Returns the
    release it followed; None where nothing was released yet.
    """
    release = stores.ledger.releases.serving(capability.name)
    while release is not None:
        _set_alias(capability, release, stores)
        now = stores.ledger.releases.serving(capability.name)
        if now == release:
            break
        release = now
    return release


def _set_alias(capability: Capability, release: Release, stores: Stores) -> None:
    """Set the alias where it differs; MLflow fails one of two that set a new one at once."""
    import stamina

    wanted = release.champion.model_version
    if wanted is None:
        return
    for attempt in stamina.retry_context(on=StoreError, attempts=5, wait_initial=0.02, wait_max=1):
        with attempt:
            if stores.models.champion(capability.name) != wanted:
                stores.models.set_champion(capability.name, wanted)


def _need_words(by: str, reason: str) -> None:
    missing = [name for name, text in (("by", by), ("reason", reason)) if not text.strip()]
    if missing:
        raise Refused(
            f"{' and '.join(missing)} must not be empty: a release says who decided, and why"
        )


def _need_models(made: Release, newest: Release | None, stores: Stores) -> None:
    """Refuse a release that names a model which is not there, beside what serves already."""
    name, removed = made.capability, stores.ledger.forgotten.of(made.capability)
    for number in sorted(made.model_versions - (newest.model_versions if newest else set())):
        stores.ledger.versions.get(name, number)
        if number in removed:
            at, why = removed[number]
            raise Refused(
                f"{name}: model version {number} was removed on {at:%Y-%m-%d}, since {why}: choose "
                "a later one"
            )


def _earlier(made: Release, newest: Release | None, stores: Stores) -> Release | None:
    """The release that an earlier, equal request led to."""
    if made.cause is not None:
        return stores.ledger.releases.for_cause(made.capability, made.cause)
    asked = ("by", "reason", "cause", *SERVES)
    same = newest and all(getattr(newest, name) == getattr(made, name) for name in asked)
    return newest if same else None


def _already(newest: Release) -> Refused:
    return Refused(
        f"{newest.capability}: {newest.champion.name} is the champion already, since release "
        f"{newest.number} by {newest.by} at {newest.at:%Y-%m-%d %H:%M} UTC"
    )


def model_variant(version: Version | int) -> Variant:
    """A model version as a variant."""
    number = version if isinstance(version, int) else version.version
    return Variant(name=f"model-{number}", model_version=number)


def _with_champion(newest: Release | None, champion: Variant) -> tuple[Variant, ...]:
    """A champion alone, and beside it what rules pick for some."""
    picked = {rule.variant for rule in newest.rules} if newest else set()
    others = [one for one in newest.variants if one.name in picked] if newest else []
    kept = [one.model_copy(update={"weight": 0.0}) for one in others if one.name != champion.name]
    return (champion, *kept)


def _release(
    capability: Capability, newest: Release | None, decision: Promotion, change: Change
) -> Release:
    kept = serves(newest) if newest else {}
    return Release(
        capability=capability.name,
        number=decision.parent + 1,
        parent=decision.parent,
        at=decision.at,
        by=decision.by.strip(),
        reason=decision.reason.strip(),
        cause=decision.cause,
        evidence=decision.evidence,
        **{**kept, **change.update, "starts": decision.starts},
    )


def _went_back(capability: Capability, stores: Stores, newest: Release, decision: Rollback) -> bool:
    """Whether the newest release is what this very request led to."""
    to = decision.to
    if to is None and newest.parent > 0:
        to = stores.ledger.releases.get(capability.name, newest.parent).parent
    return (newest.by, newest.reason) == (decision.by.strip(), _words(to, decision))


def _target(capability: Capability, stores: Stores, newest: Release, to: int | None) -> Release:
    """The release to go back to."""
    number = newest.parent if to is None else to
    if number == 0 and to is None:
        raise Refused(f"{capability.name} has nothing to go back to: there is only release 1")
    target = stores.ledger.releases.get(capability.name, number)
    if serves(newest) == serves(newest) | _again(target):
        raise Refused(
            f"{capability.name}: release {newest.number} serves what release {number} served: "
            "name another one (`opslayer release list` shows them)"
        )
    return target


def _return(newest: Release, target: Release, decision: Rollback) -> Release:
    return Release(
        capability=newest.capability,
        number=newest.number + 1,
        parent=newest.number,
        at=decision.at,
        by=decision.by.strip(),
        reason=_words(target.number, decision),
        **_again(target),
    )


def _again(target: Release) -> dict[str, Any]:
    """What of an earlier release serves again: everything that had been decided by then."""
    return {
        "variants": target.variants,
        "rules": target.rules,
        "canary": None,
        "shadow": None,
        "experiments": (),
        "flows": target.flows,
    }


def _words(to: int | None, decision: Rollback) -> str:
    return f"back to release {to}: {decision.reason.strip()}"


def _verdict(release: Release, newest: Release | None, change: Change) -> Verdict:
    return Verdict(
        capability=release.capability,
        kind=VerdictKind.PROMOTION,
        about=f"release {release.number}",
        outcome=change.outcome,
        reason=f"{release.by}: {release.reason}",
        at=release.at,
        numbers={
            "release": release.number,
            "parent": release.parent,
            "version": release.champion.model_version,
            "replaced_version": newest.champion.model_version if newest else None,
            "canary": release.canary.variant.name if release.canary else None,
            "evidence": release.evidence,
            **change.numbers,
        },
        cause=release.cause,
    )
