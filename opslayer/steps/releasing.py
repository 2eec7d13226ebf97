"""Change who gets what beside the champion: a share, a rule for some, a shadow."""

from __future__ import annotations

from opslayer.capability import Capability
from opslayer.errors import Refused
from opslayer.records import Release, Rule, Variant
from opslayer.steps.promote import Change, Promotion, publish
from opslayer.stores import Stores


def share_out(
    capability: Capability, variant: Variant, stores: Stores, decision: Promotion
) -> Release:
    """Give a variant `variant.weight` of all subjects, and leave the others their proportions.

    Only subjects whose share moved get another variant: it stands behind those there are. Raises
    what `publish` raises, and Refused for a share that is none, or where nothing serves yet.
    """
    newest = _newest(capability, stores)
    share = variant.weight
    if not 0 < share < 1:
        raise Refused(f"a share of {share:g} is none: write one between 0 and 1, or promote it")
    others = [one for one in newest.variants if one.name != variant.name and one.weight > 0]
    if not others:
        raise Refused(f"{capability.name}: {variant.name} is all there is: it has every share")
    total = sum(one.weight for one in others) / (1 - share)
    picked = [one for one in newest.variants if one.weight == 0 and one.name != variant.name]
    scaled = [one.model_copy(update={"weight": one.weight / total}) for one in others]
    update = {"variants": (*scaled, variant, *picked)}
    return publish(capability, stores, decision, Change("share", update))


def favour(
    capability: Capability, variant: Variant, stores: Stores, decision: Promotion, rule: Rule
) -> Release:
    """Let a variant answer those whom a rule is for; the newest rule is asked first.

    A rule with the same tests is replaced. Raises what `publish` raises, and Refused for a rule
    without any test, one on a segment nobody can be in, or where nothing serves yet.
    """
    newest = _newest(capability, stores)
    _need_tests(capability, rule)
    others = [one for one in newest.rules if _tests(one) != _tests(rule)]
    there = {one.name for one in newest.variants}
    beside = variant.model_copy(update={"weight": 0.0})
    update = {
        "variants": newest.variants if variant.name in there else (*newest.variants, beside),
        "rules": (rule.model_copy(update={"variant": variant.name}), *others),
    }
    return publish(capability, stores, decision, Change("rule", update))


def shadow(
    capability: Capability, variant: Variant | None, stores: Stores, decision: Promotion
) -> Release:
    """Let a variant answer copies of calls from now on; None ends that.

    Raises what `publish` raises, and Refused where nothing serves yet.
    """
    newest = _newest(capability, stores)
    if variant is not None and variant.name == newest.champion.name:
        raise Refused(f"{capability.name}: {variant.name} is the champion: its copies tell nothing")
    numbers = {"positions": stores.events.ends(capability.name)}
    change = Change("shadow", {"shadow": variant}, numbers)
    return publish(capability, stores, decision, change)


def stop_canary(capability: Capability, stores: Stores, decision: Promotion) -> Release:
    """End a trial as a person's decision; who had it gets what everybody gets.

    Raises what `publish` raises, and Refused where nothing is on trial.
    """
    if _newest(capability, stores).canary is None:
        raise Refused(f"{capability.name}: nothing is on trial")
    return publish(capability, stores, decision, Change("stopped", {"canary": None}))


def drop_rules(capability: Capability, stores: Stores, decision: Promotion) -> Release:
    """Take away every rule, and the variants that only rules picked.

    Raises what `publish` raises, and Refused where there is none.
    """
    newest = _newest(capability, stores)
    if not newest.rules:
        raise Refused(f"{capability.name}: there are no rules")
    update = {"rules": (), "variants": tuple(one for one in newest.variants if one.weight > 0)}
    return publish(capability, stores, decision, Change("no_rules", update))


def _newest(capability: Capability, stores: Stores) -> Release:
    newest = stores.ledger.releases.newest(capability.name)
    if newest is None:
        raise Refused(f"{capability.name}: nothing was released yet that this could stand beside")
    return newest


def _tests(rule: Rule) -> Rule:
    return rule.model_copy(update={"variant": ""})


def _need_tests(capability: Capability, rule: Rule) -> None:
    if _tests(rule) == Rule(variant=""):
        raise Refused("the rule is for everybody: name a tenant, a segment or a time, or promote")
    if rule.since and rule.until and rule.until <= rule.since:
        raise Refused(f"the rule ends at {rule.until} and begins at {rule.since}: put it right")
    strange = [name for name in rule.segment if capability.inputs and name not in capability.inputs]
    if strange and not capability.upstreams:
        there = ", ".join(capability.inputs)
        raise Refused(f"{', '.join(strange)} is no input of {capability.name}; there are {there}")
