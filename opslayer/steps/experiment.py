"""Compare arms on a release's subjects: start, look, and let the winner serve.

Terms are kept with the release that begins it, so that no result has a say in them. A subject's
values are brought to one mean before anything is compared: its answers depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from opslayer.capability import ArmRules, Capability, ExperimentRules, Kind
from opslayer.configuration.nearest import nearest
from opslayer.errors import NotFound, Refused
from opslayer.judgement.assignment import composed
from opslayer.records import (
    Arm,
    Experiment,
    Measured,
    Release,
    Verdict,
    VerdictKind,
)
from opslayer.steps.heard import Call, Heard, ear, wrong
from opslayer.steps.introduce import pool_variant
from opslayer.steps.promote import Change, Consequence, Promotion, carry_out, publish
from opslayer.stores import Stores

if TYPE_CHECKING:
    from opslayer.judgement.experiment import Measure, Units
    from opslayer.judgement.outcome import Outcome

FACTORS = ("model", "prompt", "flow")
RATIO_ALPHA = 1e-4
"""Of the check of the sample ratio, which is looked at again and again: about 1 in 1,000 in all."""
SHIFT = 0.05
"""By how much a bandit's share has to move before it is released."""
HOUR = timedelta(hours=1)
"""Between two such releases."""


@dataclass(frozen=True)
class Running:
    """An experiment that is under way, and what has been heard of it."""

    capability: Capability
    experiment: Experiment
    newest: Release
    heard: Heard

    @property
    def about(self) -> str:
        """What its verdicts are about."""
        return f"experiment {self.experiment.name} since {self.experiment.since:%Y-%m-%dT%H:%M:%S}"

    @property
    def calls(self) -> list[Call]:
        """Every call of a named subject that was in one of its arms, oldest first."""
        name, since = self.experiment.name, self.experiment.since
        found = (one for one in self.heard.calls.values() if one.named and name in one.arms)
        return sorted((one for one in found if one.at >= since), key=lambda call: call.at)


def start(capability: Capability, name: str, stores: Stores, decision: Promotion) -> Release:
    """Begin an experiment that the capability's file declares.

    Raises NotFound for one that it does not, Refused where it runs already, where another one that
    runs sets what it sets, or where an arm sets a prompt and nothing would read it; and what
    `publish` raises.
    """
    declared = _declared(capability, name)
    newest = stores.ledger.releases.newest(capability.name)
    if newest is None:
        raise Refused(f"{capability.name}: nothing was released yet that arms could be compared to")
    arms = tuple(_arm(capability, one, stores) for one in declared.arms)
    terms = declared.model_dump(exclude={"name", "arms"})
    made = Experiment.model_validate(
        {"name": name, "arms": arms, "since": decision.at, "by": decision.by, "terms": terms}
    )
    _need_room(newest, made)
    update = {
        "experiments": (*newest.experiments, made),
        "flows": {flag: arm for flag, arm in newest.flows.items() if flag != name},
    }
    numbers = {"positions": stores.events.ends(capability.name)}
    return publish(capability, stores, decision, Change("experiment", update, numbers))


def stop(
    capability: Capability, name: str, stores: Stores, decision: Promotion, winner: str | None
) -> Release:
    """End an experiment, and let the winner serve if one is named; without it all is as before.

    Raises NotFound where no such experiment runs or it has no such arm, and what `publish` raises.
    """
    newest = stores.ledger.releases.newest(capability.name)
    running = {one.name: one for one in newest.experiments} if newest else {}
    if newest is None or name not in running:
        there = f"; there are {', '.join(running)}" if running else ""
        raise NotFound(f"{capability.name}: no experiment {name} runs{there}")
    arm = next((one for one in running[name].arms if one.name == winner), None)
    if winner is not None and arm is None:
        there = ", ".join(one.name for one in running[name].arms)
        raise NotFound(f"{name} has no arm {winner}; there are {there}")
    outcome = "winner" if arm else "stopped"
    return publish(capability, stores, decision, Change(outcome, _without(newest, name, arm)))


def _declared(capability: Capability, name: str) -> ExperimentRules:
    found = next((one for one in capability.experiments if one.name == name), None)
    if found is None:
        names = [one.name for one in capability.experiments]
        there = f"; there are {', '.join(names)}" if names else "; declare it under experiments"
        raise NotFound(f"{capability.name} has no experiment {name}{nearest(name, names)}{there}")
    return found


def _arm(capability: Capability, rules: ArmRules, stores: Stores) -> Arm:
    """An arm as it is kept: with the version that its prompt has now."""
    if rules.model is not None:
        stores.ledger.versions.get(capability.name, rules.model)
    prompt_version = None
    if rules.prompt is not None:
        pool = rules.pool or capability.pools[0]
        prompt_version = pool_variant(capability, pool, rules.prompt, stores).prompt_version
    return Arm(
        name=rules.name,
        weight=rules.weight,
        model_version=rules.model,
        pool=rules.pool,
        prompt=rules.prompt,
        prompt_version=prompt_version,
        flow=rules.flow,
    )


def factors(experiment: Experiment) -> set[str]:
    """What of an answer an experiment sets: model, prompt, flow."""
    arms = experiment.arms
    sets = (
        any(arm.model_version or arm.pool for arm in arms),
        any(arm.prompt for arm in arms),
        any(arm.flow is not None for arm in arms),
    )
    return {name for name, it in zip(FACTORS, sets, strict=True) if it}


def _need_room(newest: Release, made: Experiment) -> None:
    """Refuse what would leave an arm without effect."""
    for one in newest.experiments:
        if one.name == made.name:
            raise Refused(f"{made.name} runs already, since {one.since:%Y-%m-%d %H:%M} UTC")
        both = (factors(one) & factors(made)) - {"flow"}
        if both:
            raise Refused(
                f"{one.name} runs and sets the {' and the '.join(sorted(both))} too: stop it first"
            )
    base = newest.champion
    deaf = [
        arm.name for arm in made.arms if arm.prompt and composed(base, [arm]).prompt != arm.prompt
    ]
    if deaf:
        raise Refused(
            f"{', '.join(deaf)}: {base.name} reads no prompt: name a pool in the arm as well"
        )


def _without(newest: Release, name: str, winner: Arm | None) -> dict[str, Any]:
    """The release without an experiment, with what its winner sets for everybody."""
    update: dict[str, Any] = {
        "experiments": tuple(one for one in newest.experiments if one.name != name)
    }
    if winner is None:
        return update
    champion, now = newest.champion, composed(newest.champion, [winner])
    if now.name != champion.name:
        others = [one for one in newest.variants if one.name not in (champion.name, now.name)]
        update["variants"] = (now.model_copy(update={"weight": champion.weight}), *others)
    return {**update, "flows": {**newest.flows, name: winner}}


def running(capability: Capability, stores: Stores, heard: Mapping[str, Heard]) -> list[Running]:
    """The experiments of what serves; `heard` has the ear of each that is known by its about."""
    newest = stores.ledger.releases.serving(capability.name)
    found = []
    for one in newest.experiments if newest else ():
        assert newest is not None
        bare = Running(capability, one, newest, Heard(capability, {}))
        its = heard.get(bare.about) or ear(capability, stores, _begun(bare, stores))
        found.append(replace(bare, heard=its))
    return found


def _begun(run: Running, stores: Stores) -> int:
    """Number of the release that began it."""
    name, since = run.experiment.name, run.experiment.since
    releases = stores.ledger.releases.streak(
        run.newest,
        lambda one: any(its.name == name and its.since == since for its in one.experiments),
    )
    return releases[0].number


def look(run: Running) -> Outcome:
    """What can be said of an experiment by what was heard; see `judgement.experiment.judge`."""
    from opslayer.judgement.experiment import Rules, judge

    terms, arms = run.experiment.terms, _arms(run)
    rules = Rules(
        weights={arm.name: arm.weight for arm in run.experiment.arms},
        alpha=terms.alpha,
        smallest=terms.smallest,
        most=terms.most,
        ratio_alpha=0.0 if terms.bandit else RATIO_ALPHA,
    )
    outcome = judge(
        {name: len(subjects) for name, subjects in arms.items()},
        main := measure(run, terms.metric, arms),
        [(measure(run, name, arms), allowed) for name, allowed in terms.guardrails.items()],
        rules,
    )
    return _bandit_end(run, outcome, shares(main)) if terms.bandit else outcome


def _bandit_end(run: Running, outcome: Outcome, now: Mapping[str, float]) -> Outcome:
    """Under shares that follow results no interval is one: only the end says which arm leads."""
    if outcome.outcome == "guardrail":
        return outcome
    numbers = {**outcome.numbers, "shares": now}
    if outcome.numbers["subjects"] < run.experiment.terms.most:
        told = ", ".join(f"{name} {share:.0%}" for name, share in numbers["shares"].items())
        return replace(outcome, outcome="running", reason=f"shares now: {told}", numbers=numbers)
    best = max(numbers["shares"], key=lambda name: numbers["shares"][name])
    chance = f"{numbers['shares'][best]:.0%}"
    reason = (
        f"{best} is likeliest the best ({chance}); shares followed results, so that no difference "
        "is stated with any confidence"
    )
    numbers["winner"] = best
    return replace(outcome, outcome="winner", reason=reason, numbers=numbers, error_rate=None)


def shares(its: Measure) -> dict[str, float]:
    """What a bandit would give each arm by a measure of them."""
    from opslayer.judgement.bandit import weights

    now = weights([its.of(name) for name in its.arms], better=its.better)
    return dict(zip(its.arms, now, strict=True))


def act(run: Running, outcome: Outcome, stores: Stores, now: datetime) -> Release | None:
    """Let a winner serve, end what harms or shows nothing; None where it goes on as it is.

    The verdict is kept with its numbers before anything changes.
    """
    word, name = outcome.outcome, run.experiment.name
    if word == "sample_ratio":
        _keep(run, outcome, stores, now)  # told once; a person has to find out who is missing
        return None
    if word == "running":
        return _shift(run, outcome, stores, now) if run.experiment.terms.bandit else None
    together = interactions(run)
    warned = [told for told, found in together.items() if found.outcome == "interaction"]
    reason = outcome.reason + "".join(f"; beware: {together[one].reason}" for one in warned)
    numbers = {**outcome.numbers, "interactions": {k: v.numbers for k, v in together.items()}}
    kept = _keep(run, replace(outcome, reason=reason, numbers=numbers), stores, now)
    # What was kept first counts: whoever was killed before it was done goes on from there.
    named = kept.numbers.get("winner")
    winner = next((one for one in run.experiment.arms if one.name == named), None)
    if winner is not None and not run.experiment.terms.promote:
        return None
    change = Change(word, _without(run.newest, name, winner))
    return _publish(run, stores, kept, change)


def _publish(run: Running, stores: Stores, kept: Verdict, change: Change) -> Release | None:
    told = f"experiment {run.experiment.name}, {kept.outcome.replace('_', ' ')}"
    return carry_out(run.capability, stores, kept, Consequence(run.newest, change, told))


def _keep(run: Running, outcome: Outcome, stores: Stores, now: datetime, of: str = "") -> Verdict:
    verdict = Verdict(
        capability=run.capability.name,
        kind=VerdictKind.EXPERIMENT,
        about=f"{run.about}{of}" if of else f"{run.about}: {outcome.outcome}",
        outcome=outcome.outcome,
        reason=outcome.reason,
        at=now,
        numbers=outcome.numbers,
        error_rate=outcome.error_rate,
    )
    return stores.ledger.verdicts.record(verdict)


def _shift(run: Running, outcome: Outcome, stores: Stores, now: datetime) -> Release | None:
    """A bandit's new shares, where they have moved enough and long enough ago."""
    arms, wanted = run.experiment.arms, outcome.numbers["shares"]
    total = sum(arm.weight for arm in arms)
    moved = max(abs(wanted[arm.name] - arm.weight / total) for arm in arms)
    if moved < SHIFT or now - run.newest.at < HOUR:
        return None
    kept = _keep(run, replace(outcome, outcome="shares"), stores, now, f" at {now:%Y-%m-%dT%H}")
    new = tuple(arm.model_copy(update={"weight": wanted[arm.name]}) for arm in arms)
    its = run.experiment.model_copy(update={"arms": new})
    experiments = tuple(its if one.name == its.name else one for one in run.newest.experiments)
    return _publish(run, stores, kept, Change("shares", {"experiments": experiments}))


def interactions(run: Running) -> dict[str, Outcome]:
    """For each other experiment that runs, whether its arms change what this one's do."""
    from opslayer.judgement.experiment import interaction

    found, calls = {}, run.calls
    first = run.experiment.arms[:2]
    for other in run.newest.experiments:
        if other.name != run.experiment.name:
            cells = [
                [
                    _cell(run, calls, {run.experiment.name: one.name, other.name: its.name})
                    for its in other.arms[:2]
                ]
                for one in first
            ]
            found[other.name] = interaction(cells)
    return found


def _cell(run: Running, calls: Iterable[Call], arms: Mapping[str, str]) -> Units:
    """The subjects that are in one arm of each of two experiments."""
    its = [one for one in calls if arms.items() <= one.arms.items()]
    return _units(its, _value(run.capability, run.experiment.terms.metric))


Arms = Mapping[str, Mapping[str, list[Call]]]
"""By arm, each of its subjects with its calls."""


def _arms(run: Running) -> Arms:
    """By arm, each of its subjects with its calls; a subject counts where it was met first."""
    met: dict[str, str] = {}
    found: dict[str, dict[str, list[Call]]] = {arm.name: {} for arm in run.experiment.arms}
    for call in run.calls:
        arm = met.setdefault(call.unit, call.arms[run.experiment.name])
        if arm in found and call.arms[run.experiment.name] == arm:
            found[arm].setdefault(call.unit, []).append(call)
    for subject, arm in run.heard.exposed.get(run.experiment.name, {}).items():
        if met.setdefault(subject, arm) == arm and arm in found:
            found[arm].setdefault(subject, [])
    return found


Value = Callable[[Call], float | None]


def measure(run: Running, name: Measured, arms: Arms) -> Measure:
    """One measure on every arm's subjects that have a value."""
    from opslayer.judgement.experiment import Measure

    value = _value(run.capability, name)
    number = run.capability.task is Kind.REGRESSION and name is Measured.LABEL
    higher = name in (Measured.THUMB, Measured.CLICK, Measured.LABEL) and not number
    units = {
        arm: _units([call for calls in subjects.values() for call in calls], value)
        for arm, subjects in arms.items()
    }
    share = name not in (Measured.COST, Measured.LATENCY) and not number
    return Measure(name.value, "higher" if higher else "lower", units, share)


def _units(calls: Iterable[Call], value: Value) -> Units:
    """Each subject's mean, of the calls that have a value."""
    from opslayer.judgement.experiment import Units

    values: dict[str, list[float]] = {}
    for call in calls:
        if (said := value(call)) is not None:
            values.setdefault(call.unit, []).append(said)
    return Units.of([sum(said) / len(said) for said in values.values()])


def _value(capability: Capability, name: Measured) -> Value:
    kind = capability.task

    def label(call: Call) -> float | None:
        if not call.judged:
            return None
        return wrong(call, kind) if kind is Kind.REGRESSION else 1 - wrong(call, kind)

    values: dict[Measured, Value] = {
        Measured.THUMB: lambda call: None if call.thumb is None else float(call.thumb),
        Measured.CLICK: lambda call: float(call.clicked),
        Measured.LABEL: label,
        Measured.ERROR: lambda call: None if call.failed is None else float(call.failed),
        Measured.GUARD: lambda call: None if call.guarded is None else float(call.guarded),
        Measured.COST: lambda call: call.cost,
        Measured.LATENCY: lambda call: call.latency_ms,
    }
    return values[name]
