"""What served, why, and the two decisions a person takes: promote, and go back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from console.desk import Desk
from console.entry import Reviewer
from console.parts import moment, places
from console.shell import choice, form, hidden, words
from opslayer.errors import Refused, StaleParent
from opslayer.records import Release, Role
from opslayer.reports.page import Markup, heading, paragraph, table
from opslayer.steps import canary
from opslayer.steps.promote import Promotion, Rollback, model_variant, promote, rollback

SHOWN = 50


def parts(desk: Desk, name: str, who: Reviewer) -> list[str]:
    """The page's parts; NotFound for no such capability."""
    desk.capability(name)
    releases = desk.stores.ledger.releases.all(name)
    if not releases:
        way = f"Nothing is released yet: run `opslayer run train_model {name}`."
        return [places(name), paragraph(way, "empty")]
    shown = releases[: -SHOWN - 1 : -1]
    rows = [(one.number, moment(one.at), _serves(one), one.by, one.reason) for one in shown]
    heads = ("Release", "When (UTC)", "Champion and beside it", "Who", "~Why")
    return [
        places(name),
        table(f"Releases of {name}, the newest first", heads, rows),
        *(_forms(desk, name, releases) if who.may(Role.RELEASE) else _not_theirs()),
    ]


def _not_theirs() -> list[str]:
    return [paragraph("A key with the role release may promote and roll back here.", "soft")]


def _serves(release: Release) -> str:
    beside = [f"{one.name} for {one.weight:.0%}" for one in release.variants[1:] if one.weight]
    if release.canary:
        beside.append(f"{release.canary.variant.name} on trial with {release.canary.share:.0%}")
    if release.shadow:
        beside.append(f"{release.shadow.name} answers copies")
    beside += [f"experiment {one.name}" for one in release.experiments]
    return "; ".join([release.champion.name, *beside])


def _forms(desk: Desk, name: str, releases: list[Release]) -> list[str]:
    newest, root = releases[-1], f"/capabilities/{name}/releases"
    versions = desk.stores.ledger.versions.all(name)[::-1][:SHOWN]
    others = [one for one in versions if one.version != newest.champion.model_version]
    parent, why = hidden("parent", newest.number), words("reason", "Why (kept with the release)")
    found: list[str] = []
    if others:
        which = choice(
            "version",
            "Model version",
            [(one.version, f"{one.version}, of {moment(one.trained_at)}") for one in others],
        )
        how = choice("how", "How", [("canary", "on trial first"), ("champion", "for everybody")])
        found += [heading("Promote"), form(f"{root}/promote", [which, how, why, parent], "Promote")]
    earlier = releases[-2 : -SHOWN - 2 : -1]
    if earlier:
        to = choice(
            "to",
            "Serve again what served in",
            [(one.number, f"release {one.number}: {one.champion.name}") for one in earlier],
        )
        found += [heading("Roll back"), form(f"{root}/rollback", [to, why, parent], "Roll back")]
    return found or [Markup("<p>There is nothing yet to go back to, and no other version.</p>")]


def decide(desk: Desk, name: str, who: Reviewer, asked: Mapping[str, str], now: datetime) -> None:
    """Promote as a form asks. Raises Refused with what is wrong, StaleParent where another release
    came first."""
    capability = desk.capability(name)
    version, parent = _number(asked, "version"), _number(asked, "parent")
    decision = Promotion(parent, who.name, asked.get("reason", ""), None, (), now)
    if asked.get("how") == "champion":
        promote(capability, version, desk.stores, decision)
    else:
        canary.begin(capability, model_variant(version), desk.stores, decision)


def go_back(desk: Desk, name: str, who: Reviewer, asked: Mapping[str, str], now: datetime) -> None:
    """Roll back as a form asks. Raises as `decide`."""
    capability, parent = desk.capability(name), _number(asked, "parent")
    newest = desk.stores.ledger.releases.newest(name)
    if newest is not None and newest.number != parent:
        raise StaleParent(
            f"you looked at release {parent}, and release {newest.number} by {newest.by} came "
            "since: look at it and decide again"
        )
    decision = Rollback(who.name, asked.get("reason", ""), now, _number(asked, "to"))
    rollback(capability, desk.stores, decision)


def _number(asked: Mapping[str, str], name: str) -> int:
    said = asked.get(name, "")
    if not said.isdecimal() or len(said) > 9:
        raise Refused(f"{name}: {said[:32]!r} is no number: open the page again and choose one")
    return int(said)
