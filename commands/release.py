"""`opslayer release`: what serves, what served, and who decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from commands.context import Context, context
from commands.output import AsJson, emit, show
from commands.person import Person, decision_of
from opslayer.errors import Refused

if TYPE_CHECKING:
    from opslayer.capability import Capability
    from opslayer.judgement.assignment import Who
    from opslayer.judgement.outcome import Outcome
    from opslayer.records import Release, Rule, Value, Variant, Verdict
    from opslayer.steps.promote import Promotion

app = App(name="release", help="List, show, promote and roll back releases.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Pool:
    """Upstreams as a variant, and the instructions they are given."""

    pool: str | None = None
    """The pool's name in the capability's file."""

    prompt: str | None = None
    """The prompt's name there: its newest version is taken."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Part:
    """For whom, from when, or in which role, where it is not to be everybody's champion."""

    canary: Annotated[bool, Parameter(negative="")] = False
    """On trial, by the file's `release` section: it widens or goes back by itself."""

    shadow: Annotated[bool, Parameter(negative="")] = False
    """It answers copies, which nobody sees."""

    share: float | None = None
    """For this share of the subjects, until somebody decides otherwise."""

    for_: Annotated[tuple[str, ...], Parameter(name="--for", negative="")] = ()
    """For those alone: tenant=NAME, or COLUMN=VALUE[,VALUE …] of inputs or a chat's metadata."""

    since: datetime | None = None
    """With --for, from when on, in UTC."""

    until: datetime | None = None
    """With --for, until when, in UTC."""

    starts: datetime | None = None
    """From when the release serves, in UTC; a later decision takes its place all the same."""


@app.command(name="list")
def list_(capability: str, as_json: AsJson = False) -> None:
    """List a capability's releases, oldest first; the last one serves.

    Parameters
    ----------
    capability
        Its name.
    """
    here = context()
    releases = here.stores.ledger.releases.all(here.capability(capability).name)
    columns = ("number", "at", "champion", "by", "reason")
    rows = [_row(release) for release in releases]
    show(rows, as_json, f"Releases of {capability}", columns, "nothing was released yet")


@app.command(name="show")
def show_(  # noqa: PLR0913 - a command's options are its arguments
    capability: str,
    number: int | None = None,
    *,
    at: datetime | None = None,
    subject: str | None = None,
    tenant: str = "",
    segment: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    as_json: AsJson = False,
) -> None:
    """Show one release, every verdict it rests on, and what a subject got from it, and why.

    Parameters
    ----------
    capability
        Its name.
    number
        The release's number; without it the one that serves, or served `--at` a time.
    at
        A moment, in UTC.
    subject
        Whose share is to be told, as the application names it.
    tenant
        Of the subject.
    segment
        COLUMN=VALUE of what it asked, as far as rules ask for it.
    """
    from opslayer.judgement.assignment import Who
    from opslayer.stores.secret import installation_secret, subject_hash
    from opslayer.windows import utc

    here = context()
    moment = utc(at) if at else None
    release = _find(here, capability, number, moment)
    evidence = _evidence(here, release)
    got = None
    if subject:
        unit = subject_hash(installation_secret(here.settings), tenant, subject)
        asked = _segment(here.capability(capability), segment)
        got = _got(release, Who(unit, moment or datetime.now(UTC), tenant, asked))
    now = _now(here, release)
    if as_json:
        told = {"subject": got} if got else {}
        told |= {"now": {name: asdict(one) for name, one in now.items()}}
        emit({**_row(release), **told, "evidence": [_dump(verdict) for verdict in evidence]})
        return
    fields = [{"": name.replace("_", " "), "value": value} for name, value in _row(release).items()]
    show(fields, False, f"Release {release.number} of {capability}")
    if got:
        show([got], False, f"What {subject} gets from it")
    for name, one in now.items():
        show([{"outcome": one.outcome, "reason": one.reason}], False, f"Its {name}, as seen now")
    columns = ("kind", "outcome", "reason", "error_rate", "numbers")
    for verdict in evidence:
        show([_dump(verdict)], False, f"It rests on {verdict.about}", columns)


def _now(here: Context, release: Release) -> dict[str, Outcome]:
    """What can be said at this moment of the trial and the shadow of what serves."""
    from opslayer.steps import canary, shadow
    from opslayer.steps.heard import ear
    from opslayer.stores.journal import drain

    if release.canary is None and release.shadow is None:
        return {}
    drain(here.stores.journal, here.stores.events)
    spec, found = here.capability(release.capability), {}
    trial, its = canary.under_way(spec, here.stores), shadow.shadowing(spec, here.stores)
    if trial is not None and trial.newest == release:
        heard = ear(spec, here.stores, trial.begun)
        heard.listen(here.stores.events)
        found["canary"] = canary.look(trial, heard)
    if its is not None and its.variant == release.shadow:
        heard = ear(spec, here.stores, its.begun)
        heard.listen(here.stores.events)
        found["shadow"] = shadow.compare(its, heard)
    return found


def _got(release: Release, who: Who) -> dict[str, Any]:
    """The variant and arms of a subject, and why."""
    from opslayer.judgement.assignment import assign

    got = assign(release, who)
    return {"variant": got.variant.name, "arms": got.arms, "why": got.why}


def _segment(capability: Capability, words: Sequence[str]) -> dict[str, Value]:
    """Values by column, as callers send them."""
    pairs = [word.partition("=") for word in words]
    wrong = [
        word for word, (name, equals, _) in zip(words, pairs, strict=True) if not name or not equals
    ]
    if wrong:
        raise Refused(f"--segment {', '.join(wrong)}: write COLUMN=VALUE")
    return {name: _value(capability, "--segment", name, text) for name, _, text in pairs}


@app.command
def promote(  # noqa: PLR0913 - a command's options are its arguments
    capability: str,
    version: int | None = None,
    *,
    person: Person,
    pool: Pool | None = None,
    part: Part | None = None,
    parent: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Make a model version, or a pool of upstreams, the champion, as a person's decision.

    Parameters
    ----------
    capability
        Its name.
    version
        Number of the registered model version; or name a pool instead.
    parent
        The release you looked at when you decided; refused if another one serves by now.
    """
    here = context()
    declared = here.capability(capability)
    what = _variant(here, declared, version, pool)
    decision = decision_of(here, capability, person, parent)
    _tell(_release(here, declared, what, (decision, part or Part())), as_json)


@app.command
def stop(
    capability: str,
    what: Literal["canary", "shadow", "rules"],
    *,
    person: Person,
    as_json: AsJson = False,
) -> None:
    """End a trial, a shadow or all rules; who had them gets what everybody gets.

    Parameters
    ----------
    capability
        Its name.
    what
        Which of them.
    """
    from opslayer.steps import releasing

    here = context()
    declared, decision = here.capability(capability), decision_of(here, capability, person)
    if what == "shadow":
        _tell(releasing.shadow(declared, None, here.stores, decision), as_json)
        return
    end = releasing.stop_canary if what == "canary" else releasing.drop_rules
    _tell(end(declared, here.stores, decision), as_json)


def _release(
    here: Context, capability: Capability, what: Variant, decided: tuple[Promotion, Part]
) -> Release:
    """The release that a person's options ask for."""
    from opslayer.steps import canary, promote, releasing
    from opslayer.windows import utc

    decision, part = decided
    ways = [part.canary, part.shadow, part.share is not None, bool(part.for_)]
    if sum(ways) > 1:
        raise Refused("name one of --canary, --shadow, --share and --for")
    if part.starts:
        decision = replace(decision, starts=utc(part.starts))
    if part.canary:
        return canary.begin(capability, what, here.stores, decision)
    if part.shadow:
        return releasing.shadow(capability, what, here.stores, decision)
    if part.share is not None:
        shared = what.model_copy(update={"weight": part.share})
        return releasing.share_out(capability, shared, here.stores, decision)
    if part.for_:
        return releasing.favour(capability, what, here.stores, decision, _rule(capability, part))
    if part.since or part.until:
        raise Refused("--since and --until go with --for; a whole release has --starts")
    return promote.promote(capability, what, here.stores, decision)


def _rule(capability: Capability, part: Part) -> Rule:
    """The tests in the words of the command line, with values as the contract has them."""
    from opslayer.records import Rule
    from opslayer.windows import utc

    tenants: list[str] = []
    segment: dict[str, tuple[Value, ...]] = {}
    for test in part.for_:
        name, equals, values = test.partition("=")
        if not equals or not name or not values:
            raise Refused(f"--for {test}: write tenant=NAME, or COLUMN=VALUE[,VALUE …]")
        if name == "tenant":
            tenants += values.split(",")
        else:
            segment[name] = tuple(
                _value(capability, "--for", name, one) for one in values.split(",")
            )
    return Rule(
        variant="",
        tenants=tuple(tenants),
        segment=segment,
        since=utc(part.since) if part.since else None,
        until=utc(part.until) if part.until else None,
    )


def _value(capability: Capability, option: str, column: str, text: str) -> Value:
    """A value of an input column as callers send it, given with an option."""
    declared = capability.inputs.get(column)
    if declared is None or not declared.type.numeric:
        return text
    if declared.type.value == "boolean" and text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        raise Refused(f"{option} {column}={text}: {column} is {declared.type.value}") from None


def _variant(
    here: Context, declared: Capability, version: int | None, pool: Pool | None
) -> Variant:
    from opslayer.steps.introduce import pool_variant
    from opslayer.steps.promote import model_variant

    named = pool is not None and pool.pool is not None
    if (version is None) != named:
        raise Refused("name either a model version or --pool (with --prompt), not both")
    if version is not None:
        here.stores.ledger.versions.get(declared.name, version)
        return model_variant(version)
    assert pool is not None
    assert pool.pool is not None
    return pool_variant(declared, pool.pool, pool.prompt, here.stores)


@app.command
def rollback(
    capability: str, *, person: Person, to: int | None = None, as_json: AsJson = False
) -> None:
    """Serve again what an earlier release served, as a new release.

    Parameters
    ----------
    capability
        Its name.
    to
        Number of the release to serve again; the newest one's parent without it.
    """
    from opslayer.steps.promote import Rollback
    from opslayer.steps.promote import rollback as step

    here = context()
    decision = Rollback(by=person.name, reason=person.reason, at=datetime.now(UTC), to=to)
    _tell(step(here.capability(capability), here.stores, decision), as_json)


def _tell(release: Release, as_json: bool) -> None:
    if as_json:
        emit(_row(release))
    else:
        columns = ("number", "at", "champion", "by", "reason")
        show([_row(release)], False, f"{release.capability} is served by", columns)


def _find(
    here: Context, capability: str, number: int | None, at: datetime | None = None
) -> Release:
    from opslayer.errors import NotFound

    releases = here.stores.ledger.releases
    name = here.capability(capability).name
    if number is not None:
        return releases.get(name, number)
    serving = releases.serving(name, at)
    if serving is None and at is not None:
        raise NotFound(f"{name} had no release at {at:%Y-%m-%d %H:%M:%S} UTC")
    if serving is None:
        raise NotFound(f"{name} has no release yet: `opslayer run train_model {name}` makes one")
    return serving


def _evidence(here: Context, release: Release) -> list[Verdict]:
    from opslayer.records import VerdictKind, verdict_id

    own = verdict_id(release.capability, VerdictKind.PROMOTION, f"release {release.number}")
    return here.stores.ledger.verdicts.of([own, *release.evidence])


def _row(release: Release) -> dict[str, Any]:
    return {**_dump(release), "champion": release.champion.name}


def _dump(record: Release | Verdict) -> dict[str, Any]:
    return record.model_dump()
