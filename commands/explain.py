"""`opslayer explain`: what answered a call, why, and from which rows; or what came of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from commands.context import Context, context
from commands.output import AsJson, emit, number, say, show
from opslayer.errors import NotFound, Refused

FIELDS = (
    "capability", "event_time", "tenant", "variant", "status", "fallback", "input", "output",
    "arms", "guards", "latency_ms", "cost",
)  # fmt: skip
MOST = 1_000
"""Rows that are shown, at most: `opslayer export snapshot` writes out all of them."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Closer:
    """How closely the training rows are looked at."""

    rows: Annotated[int, Parameter(show_default=False)] = 0
    """Show so many of the training rows with their values, sources and tags."""

    verify: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Build the training set again from its row ids and hold its digest against the recorded
    one."""


def explain(
    what: Annotated[str, Parameter(help="The id that came with the answer.")],
    *,
    row: Annotated[str | None, Parameter(show_default=False)] = None,
    closer: Closer = Closer(),
    as_json: AsJson = False,
) -> None:
    """Say what answered a call, why, and from which rows; or which answers came of a row.

    Parameters
    ----------
    what
        The id that came with the answer; with --row, a capability's name.
    row
        The id of a row of that capability: what learnt from it, and whom that answered.
    """
    here = context()
    if not 0 <= closer.rows <= MOST:
        raise Refused(
            f"--rows {closer.rows} is not 0 to {MOST}: `opslayer export snapshot` writes out all"
        )
    if row is None:
        _forward(here, what, closer, as_json)
    elif closer != Closer():
        raise Refused("--rows and --verify look at an answer's training set: leave out --row")
    else:
        _reverse(here, what, row, as_json)


def _forward(here: Context, interaction: str, closer: Closer, as_json: bool) -> None:
    from opslayer.steps.explain import explain as step

    found = step(here.stores, interaction)
    if found is None:
        raise NotFound(
            f"the log has no interaction {interaction[:64]}: it is the header "
            "X-Opslayer-Interaction of an answer; one that was erased, or has expired by its "
            "capability's retention, is not explained any more"
        )
    seen = _closer(here, found, closer)
    if as_json:
        emit({**found, **seen})
        return
    why = found["why"]
    show(_fields({name: found[name] for name in FIELDS}), False, f"Interaction {found['id']}")
    show(_fields(why), False, "Why it was answered so")
    _show_lineage(found["lineage"])
    if "verified" in seen:
        show(_fields(seen["verified"]), False, "The training set, built again")
    if "training_rows" in seen:
        show(seen["training_rows"], False, "The first of its rows")
    attempts = found["attempts"]
    show(attempts, False, "Who was asked", empty="nobody had to be")
    _show_facets(found["facets"])
    columns = ("kind", "value", "by", "known_time")
    show(found["feedback"], False, "What was said about it", columns, empty="nothing yet")


def _show_facets(facets: list[dict[str, Any]] | None) -> None:
    if facets is None:
        say("What it was like: the lake can't be read now")
        return
    columns = ("name", "value", "confidence", "by")
    show(facets, False, "What it was like", columns, empty="nothing is tagged yet")


def _closer(here: Context, found: dict[str, Any], closer: Closer) -> dict[str, Any]:
    """What was asked for beyond what everybody may see. Raises Refused where there is nothing."""
    if closer == Closer():
        return {}
    from opslayer.steps.trace import contents, verify

    told = found["lineage"]
    if told["model"] is None:
        raise Refused(f"{found['id']} rests on no training set: {told['reason']}")
    spec, digest = here.capability(found["capability"]), told["model"]["snapshot"]
    seen: dict[str, Any] = {}
    if closer.verify:
        seen["verified"] = verify(spec, here.stores, digest)
        if not seen["verified"]["equal"]:
            raise Refused(_differs(seen["verified"]))
    if closer.rows:
        record = here.stores.ledger.snapshots.get(spec.name, digest)
        seen["training_rows"] = contents(spec, here.stores, record, closer.rows)
    return seen


def _differs(verified: dict[str, Any]) -> str:
    return (
        f"snapshot {verified['recorded']} can't be built again: the lake gives "
        f"{verified['rows']:,} of its {verified['of']:,} rows with digest {verified['digest']}. "
        "Restore the lake from a backup, or train again"
    )


def _show_lineage(told: dict[str, Any]) -> None:
    if told["model"] is None:
        say(f"From which data: {told['reason']}")
        return
    show(_fields({**told["model"], "cause": told["cause"]}), False, "The model")
    show(_fields(told["snapshot"]), False, "What it was trained on")
    show(_fields(told["rows"]), False, f"Its {number(told['rows']['count'])} rows")
    columns = ("kind", "about", "outcome", "reason", "error_rate", "at", "id")
    show(
        told["evidence"], False, "What its promotion rests on", columns, empty="no verdict is kept"
    )


def _reverse(here: Context, capability: str, row: str, as_json: bool) -> None:
    from opslayer.steps.trace import descendants

    found = descendants(here.stores, here.capability(capability).name, row)
    if as_json:
        emit(found)
        return
    show(_fields(found["row"]), False, f"Row {row}")
    for name, title, empty in (
        (
            "snapshots",
            "Snapshots that hold it",
            "none: no training has begun since it was labelled",
        ),
        ("models", "Models that learnt from it", "none"),
        ("judged", "Models that it judged, unseen", "none"),
        ("releases", "Releases that have one that learnt from it", "none"),
        ("interactions", "Answers by one that learnt from it", "none"),
    ):
        page = found[name]
        shown, count = page["first"], page["count"]
        some = f", the newest {len(shown)} of {number(count)}" if count > len(shown) else ""
        show(shown, False, title + some, COLUMNS.get(name), empty)


COLUMNS = {
    "snapshots": ("digest", "recipe", "as_of", "rows"),
    "models": ("version", "run_id", "recipe", "snapshot", "trained_at"),
    "judged": ("version", "run_id", "recipe", "exam", "trained_at"),
}


def _fields(values: dict[str, Any]) -> list[dict[str, Any]]:
    known = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    return [{"": name.replace("_", " "), "value": value} for name, value in known.items()]
