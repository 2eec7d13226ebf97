"""`opslayer release`: what serves, what served, and who decided it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from commands.context import Context, context
from commands.output import AsJson, emit, show
from commands.person import user
from opslayer.errors import Refused

if TYPE_CHECKING:
    from opslayer.capability import Capability
    from opslayer.records import Release, Variant, Verdict

app = App(name="release", help="List, show, promote and roll back releases.")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Person:
    """Who decides, and why."""

    reason: str
    """Why, in your own words; kept with the release."""

    by: Annotated[str | None, Parameter(show_default=False)] = None
    """Who decides; the user of this machine without it."""

    @property
    def name(self) -> str:
        """The name that the release will carry."""
        return user() if self.by is None else self.by


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Pool:
    """Upstreams as a variant, and the instructions they are given."""

    pool: str | None = None
    """The pool's name in the capability's file."""

    prompt: str | None = None
    """The prompt's name there: its newest version is taken."""


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
def show_(capability: str, number: int | None = None, as_json: AsJson = False) -> None:
    """Show one release and every verdict it rests on.

    Parameters
    ----------
    capability
        Its name.
    number
        The release's number; the newest without it.
    """
    here = context()
    release = _find(here, capability, number)
    evidence = _evidence(here, release)
    if as_json:
        emit({**_row(release), "evidence": [_dump(verdict) for verdict in evidence]})
        return
    fields = [{"": name.replace("_", " "), "value": value} for name, value in _row(release).items()]
    show(fields, False, f"Release {release.number} of {capability}")
    columns = ("kind", "outcome", "reason", "error_rate", "numbers")
    for verdict in evidence:
        show([_dump(verdict)], False, f"It rests on {verdict.about}", columns)


@app.command
def promote(  # noqa: PLR0913 - a command's options are its arguments
    capability: str,
    version: int | None = None,
    *,
    person: Person,
    pool: Pool | None = None,
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
    from opslayer.steps.promote import Promotion
    from opslayer.steps.promote import promote as step

    here = context()
    declared = here.capability(capability)
    what = _variant(here, declared, version, pool)
    newest = here.stores.ledger.releases.newest(capability)
    serving = newest.number if newest else 0
    decision = Promotion(
        parent=serving if parent is None else parent,
        by=person.name,
        reason=person.reason,
        cause=None,
        evidence=(),
        at=datetime.now(UTC),
    )
    _tell(step(declared, what, here.stores, decision), as_json)


def _variant(
    here: Context, declared: Capability, version: int | None, pool: Pool | None
) -> Variant | int:
    from opslayer.steps.introduce import pool_variant

    named = pool is not None and pool.pool is not None
    if (version is None) != named:
        raise Refused("name either a model version or --pool (with --prompt), not both")
    if version is not None:
        return version
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


def _find(here: Context, capability: str, number: int | None) -> Release:
    from opslayer.errors import NotFound

    releases = here.stores.ledger.releases
    name = here.capability(capability).name
    if number is not None:
        return releases.get(name, number)
    newest = releases.newest(name)
    if newest is None:
        raise NotFound(f"{name} has no release yet: `opslayer run train_model {name}` makes one")
    return newest


def _evidence(here: Context, release: Release) -> list[Verdict]:
    from opslayer.records import VerdictKind, digest_of

    own = digest_of(release.capability, VerdictKind.PROMOTION, f"release {release.number}")
    found = (here.stores.ledger.verdicts.get(id) for id in (own, *release.evidence))
    return [verdict for verdict in found if verdict is not None]


def _row(release: Release) -> dict[str, Any]:
    return {**_dump(release), "champion": release.champion.name}


def _dump(record: Release | Verdict) -> dict[str, Any]:
    return record.model_dump()
