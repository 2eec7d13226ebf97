"""Try a variant with a share of the subjects: begin, widen, promote, or go back by itself.

The champion is never touched. What a trial sees is counted by whom the variant was for, not by who
answered in the end, so that a fallback hides no failure.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from opslayer.capability import Capability, Kind
from opslayer.errors import Refused
from opslayer.records import (
    Canary,
    Interaction,
    Release,
    Variant,
    Verdict,
    VerdictKind,
    Version,
)
from opslayer.steps.heard import Call, Heard, wrong
from opslayer.steps.promote import (
    Change,
    Consequence,
    Promotion,
    carry_out,
    model_variant,
    promote,
    promoting,
    publish,
)
from opslayer.stores import Stores

if TYPE_CHECKING:
    from opslayer.judgement.canary import Side, Stage
    from opslayer.judgement.outcome import Outcome

FEWEST_CALLS = 100
"""Calls in the day before, below which a trial would see next to nothing: then none is held."""
NEWEST = 1_000
"""Entries of each writer that are looked at for that."""
DAY = timedelta(days=1)
LIMIT_FROM = 200
"""The champion's answers before a call, which say what is slow and what is far off by then."""
FEWEST = 30
"""Of them, below which neither is judged; and answers of the canary, below which it stays as it
is."""


class Limit(NamedTuple):
    """Beyond what a value is bad: so many times that below which a share of the champion's lie, and
    at least so much more."""

    share: float
    times: float
    more: float = 0.0

    def of(self, ordered: Sequence[float]) -> float:
        """The limit that these values set."""
        usual = ordered[int(self.share * len(ordered))]
        return max(self.times * usual, usual + self.more)


SLOW = Limit(0.95, 2.0, 50.0)
"""In milliseconds. What is a little slower is no harm: a model that takes 4 ms where the other took
1 ms makes nobody wait, and one that was just loaded always is."""
FAR = Limit(0.8, 1.0)
"""Of a number's error."""


def bring(
    capability: Capability, what: Version | Variant | int, stores: Stores, decision: Promotion
) -> Release:
    """Let a variant that was found good serve: on trial first, where there are calls to try it on.

    Where it is on trial already, or was for this cause, that release is returned. Raises what
    `promote` raises.
    """
    variant = what if isinstance(what, Variant) else model_variant(what)
    newest = stores.ledger.releases.newest(capability.name)
    if newest is not None and newest.canary and newest.canary.variant.name == variant.name:
        return newest
    share = capability.release.canary
    tried = newest is not None and 0 < share < 1 and newest.champion.name != variant.name
    if not tried or calls_lately(capability, stores, decision.at) < FEWEST_CALLS:
        return promote(capability, variant, stores, decision)
    return begin(capability, variant, stores, decision)


def begin(capability: Capability, variant: Variant, stores: Stores, decision: Promotion) -> Release:
    """Put a variant on trial with `release.canary` of the subjects, in place of any other on trial.

    Raises what `promote` raises, and Refused where the file allows no trial or nothing serves that
    it could be held against.
    """
    newest = stores.ledger.releases.newest(capability.name)
    share = capability.release.canary
    if newest is None or not 0 < share < 1:
        why = "nothing serves yet" if newest is None else f"release.canary is {share:g}"
        raise Refused(f"{capability.name}: no trial can be held, since {why}: promote it instead")
    if newest.champion.name == variant.name:
        raise Refused(f"{capability.name}: {variant.name} is the champion already")
    salt = f"{capability.name}/{variant.name}/{newest.number}"
    canary = Canary(variant=variant, share=share, salt=salt)
    numbers = {"positions": stores.events.ends(capability.name)}
    return publish(capability, stores, decision, Change("canary", {"canary": canary}, numbers))


def calls_lately(capability: Capability, stores: Stores, at: datetime) -> int:
    """Calls through the gateway in the day before, as far as the newest entries tell."""
    records = (event.known() for event in stores.events.newest(capability.name, NEWEST))
    return sum(
        isinstance(one, Interaction) and bool(one.attempts) and at - DAY <= one.event_time <= at
        for one in records
    )


@dataclass(frozen=True)
class Trial:
    """A canary that is under way, and its releases so far, oldest first."""

    capability: Capability
    canary: Canary
    releases: tuple[Release, ...]

    @property
    def newest(self) -> Release:
        """What serves now."""
        return self.releases[-1]

    @property
    def begun(self) -> int:
        """Number of its first release."""
        return self.releases[0].number

    @property
    def about(self) -> str:
        """What its verdicts are about."""
        return f"{self.canary.variant.name} since release {self.begun}"


def under_way(capability: Capability, stores: Stores) -> Trial | None:
    """The trial of the newest release; None where it has none, or has not started."""
    newest = stores.ledger.releases.serving(capability.name)
    if newest is None or newest.canary is None:
        return None
    salt = newest.canary.salt
    releases = stores.ledger.releases.streak(
        newest, lambda one: one.canary is not None and one.canary.salt == salt
    )
    return Trial(capability, newest.canary, tuple(releases))


def look(trial: Trial, heard: Heard) -> Outcome:
    """What can be said of a trial by what was heard: `rollback`, `passed` or `no_harm`."""
    from opslayer.judgement.canary import judge

    seen = signals(trial, heard)
    outcome = judge(seen, trial.capability.release.max_harm)
    counts = {
        "variant": trial.canary.variant.name,
        "share": trial.canary.share,
        "units": [
            sum(stage.canary.units for stage in seen.get("error", ())),
            sum(stage.control.units for stage in seen.get("error", ())),
        ],
    }
    return replace(outcome, numbers={**outcome.numbers, **counts})


def act(trial: Trial, outcome: Outcome, stores: Stores, now: datetime) -> Release | None:
    """Go back, widen or promote as the outcome says; None where the trial goes on as it is.

    The verdict is kept with its numbers before anything changes. Another release that came first
    leaves nothing done: what it says is looked at next.
    """
    if outcome.outcome == "rollback":
        back = Change("rolled_back", {"canary": None})
        return _decide(trial, outcome, back, (stores, now))
    if not _may_widen(trial, outcome, now):
        return None
    share = next((one for one in trial.capability.release.steps if one > trial.canary.share), None)
    if share is None:
        change = promoting(trial.newest, trial.canary.variant, "promoted")
    else:
        wider = trial.canary.model_copy(update={"share": share})
        change = Change("widened", {"canary": wider})
    return _decide(trial, outcome, change, (stores, now))


def _may_widen(trial: Trial, outcome: Outcome, now: datetime) -> bool:
    """Whether a step has lasted: with harm excluded its least time, without proof its longest.

    Labels that come late are waited for: what a model is for can't be judged before.
    """
    rules, delay = trial.capability.release, trial.capability.labels.delay
    since = now - (trial.newest.starts or trial.newest.at)
    if outcome.outcome == "passed":
        late = "label" not in outcome.numbers["signals"] and trial.capability.predictor
        return since >= (max(rules.step, delay) if late else rules.step)
    tried = outcome.numbers["units"][0]
    return bool(since >= max(rules.patience, 2 * delay) and tried >= FEWEST)


def _decide(
    trial: Trial, seen: Outcome, change: Change, desk: tuple[Stores, datetime]
) -> Release | None:
    (stores, now), variant = desk, trial.canary.variant
    done = change.outcome.replace("_", " ")
    verdict = Verdict(
        capability=trial.capability.name,
        kind=VerdictKind.CANARY,
        about=f"{trial.about}: release {trial.newest.number} is {done}",
        outcome=change.outcome,
        reason=seen.reason,
        at=now,
        numbers={**seen.numbers, "variant": variant.name, "version": variant.model_version},
        error_rate=seen.error_rate,
    )
    kept = stores.ledger.verdicts.record(verdict)
    then = Consequence(trial.newest, change, f"canary {variant.name} {done}")
    return carry_out(trial.capability, stores, kept, then)


Said = tuple[Call, bool]
"""A call, and whether its answer was bad."""


def signals(trial: Trial, heard: Heard) -> dict[str, list[Stage]]:
    """The trial's bad answers of each kind, stage by stage. A kind nobody has spoken of is left
    out."""
    calls = list(heard.of({one.number for one in trial.releases}))
    kind = trial.capability.task
    found = {
        "error": [(call, call.failed) for call in calls if call.failed is not None],
        "left": [(call, call.left) for call in calls],
        "guard": [(call, call.guarded) for call in calls if call.guarded is not None],
        "thumb": [(call, not call.thumb) for call in calls if call.thumb is not None],
        "latency": _beyond(trial, [(call, call.latency_ms) for call in calls], SLOW),
        "label": [(call, wrong(call, kind) > 0) for call in calls if call.judged],
    }
    if kind is Kind.REGRESSION:
        errors = [(call, wrong(call, kind) if call.judged else None) for call in calls]
        found["label"] = _beyond(trial, errors, FAR)
    tried = {name for name, said in found.items() if any(_is_canary(trial, one) for one, _ in said)}
    return {name: _stages(trial, said) for name, said in found.items() if name in tried}


def _is_canary(trial: Trial, call: Call) -> bool:
    return call.assigned == trial.canary.variant.name


def _beyond(trial: Trial, values: Iterable[tuple[Call, float | None]], limit: Limit) -> list[Said]:
    """Whether each value lies beyond what the champion's last ones before it say.

    A limit that is known before the value comes is the same for both sides, whoever's it is, and
    moves with the world: what is hard for everybody today is no harm.
    """
    before: deque[float] = deque()
    ordered: list[float] = []
    found = []
    for call, value in values:
        if value is None:
            continue
        if len(ordered) >= FEWEST:
            found.append((call, value > limit.of(ordered)))
        if not _is_canary(trial, call):
            before.append(value)
            insort(ordered, value)
            if len(before) > LIMIT_FROM:
                del ordered[bisect_left(ordered, before.popleft())]
    return found


def _stages(trial: Trial, judged: Iterable[tuple[Call, bool]]) -> list[Stage]:
    """Each step of the ramp that anybody was judged in.

    A unit counts where it was met first, and as long as it stays on that side: what is bad for a
    subject in one step is bad for it in the next, and would be counted twice.
    """
    from opslayer.judgement.canary import Stage

    shares = {one.number: one.canary.share for one in trial.releases if one.canary}
    units: dict[tuple[float, bool], dict[str, list[bool]]] = {}
    met: dict[str, tuple[float, bool]] = {}
    for call, bad in judged:
        own = met.setdefault(call.unit, (shares[call.release], _is_canary(trial, call)))
        if own[1] is _is_canary(trial, call):
            units.setdefault(own, {}).setdefault(call.unit, []).append(bad)
    return [
        Stage(share, _side(units.get((share, True), {})), _side(units.get((share, False), {})))
        for share in dict.fromkeys(shares.values())
        if (share, True) in units or (share, False) in units
    ]


def _side(units: Mapping[str, Sequence[bool]]) -> Side:
    import numpy as np

    from opslayer.judgement.canary import Side

    shares = np.array([sum(said) / len(said) for said in units.values()], dtype=float)
    first = np.array([said[0] for said in units.values()], dtype=bool)
    return Side.of(shares, first)


def failed_versions(capability: Capability, stores: Stores) -> set[int]:
    """Model versions that a trial has rolled back: nothing brings them again by itself."""
    verdicts = stores.ledger.verdicts.list(capability.name, VerdictKind.CANARY)
    numbers = (one.numbers.get("version") for one in verdicts if one.outcome == "rolled_back")
    return {number for number in numbers if number is not None}
