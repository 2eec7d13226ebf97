"""`opslayer run FLOW CAPABILITY [key=value …]`: run a flow now, here or on the Prefect server."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from commands.context import Context, context
from commands.output import AsJson, between, complain, emit, say, show
from commands.server import answering
from opslayer.user import user

if TYPE_CHECKING:
    from prefect import Flow

    from opslayer.capability import Capability
    from opslayer.records import Cause, Expiry, Verdict

FLOWS = {
    "ingest_data": "take in what is new, and tag it",
    "train_model": "train on what is known now, and release it if the gate lets it through",
    "retrain_model": "train for one cause (cause=ID)",
    "expire_data": "remove what is older than the file's retention",
    "improve_prompt": "try a prompt whose replies are nearer to what people wanted",
    "watch_production": "judge every window that is due, decide, report, retrain if it pays",
}
"""Each flow's name is its module's and its function's."""
TRAINED_ON = ("all", "last")
"""The recipes that a person may ask for."""


def run(
    flow: Annotated[str, Parameter(help=", ".join(FLOWS))],
    capability: Annotated[str, Parameter(help="Its name.")],
    /,
    *parameters: Annotated[str, Parameter(help="key=value, as as_of=2012-06-01")],
    as_json: AsJson = False,
) -> None:
    """Run a flow for a capability; what it refuses is printed, and the exit code is 1."""
    here = context()
    given = _pairs(parameters)
    declared = here.capability(capability)  # a wrong name or file is told before Prefect starts
    here.stores  # noqa: B018 - a data folder that can't be made is told before Prefect starts
    runnable = _load(flow, here.settings.root)
    asked = {"capability": capability, **_checked(runnable, given, datetime.now(UTC))}
    if not as_json and sys.stderr.isatty():
        _show_progress()
    result = outcome(runnable, asked)
    if as_json:
        emit(result)
    else:
        _tell(result, here, declared)


def outcome(flow: Flow[..., Any], asked: dict[str, Any]) -> Any:
    """Run a flow of a Prefect that was embedded, and return what it returns; raises what it raises,
    and StoreError where the server that was named does not answer."""
    from flows.embedded import unwatched

    with answering(), unwatched():
        state: Any = flow(**asked, return_state=True)
        return state.result(raise_on_failure=True)


def _show_progress() -> None:
    """A line on the terminal as each step begins."""
    progress = logging.getLogger("opslayer.progress")
    progress.setLevel(logging.INFO)
    progress.addHandler(logging.StreamHandler(sys.stderr))
    progress.propagate = False  # Prefect would print it a second time, in its own way
    complain("starting Prefect …")


def _pairs(parameters: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.split("=", 1) for text in parameters if "=" in text]
    names = [name for name, _ in pairs]
    problems = [f"{text}: write key=value" for text in parameters if "=" not in text]
    problems += [f"{name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
    _refuse(problems)
    return dict(pairs)


def _load(name: str, root: Path) -> Flow[..., Any]:
    if name not in FLOWS:
        from opslayer.configuration import nearest

        _refuse([f"there is no flow {name}; there are {', '.join(FLOWS)}{nearest(name, FLOWS)}"])
    from flows.embedded import embed

    embed(root)
    flow: Flow[..., Any] = getattr(import_module(f"flows.{name}"), name)
    return flow


def _checked(flow: Flow[..., Any], given: dict[str, str], now: datetime) -> dict[str, Any]:
    """The parameters as the flow takes them; wrong use, with everything wrong, otherwise."""
    from opslayer.sources.moments import moment_of

    taken = set(flow.parameters.properties) - {"capability"}
    takes = ", ".join(f"{name}=…" for name in flow.parameters.properties if name in taken)
    unknown = [name for name in given if name not in taken]
    problems = [f"{name}: not known here; {flow.fn.__name__} takes {takes}" for name in unknown]
    missing = [name for name in flow.parameters.required or () if name in taken - set(given)]
    problems += [f"{name}=… is missing" for name in missing]
    asked: dict[str, Any] = {name: text for name, text in given.items() if name in taken}
    if "as_of" in asked:
        asked["as_of"] = moment = moment_of(asked["as_of"])
        problems += _wrong_moment(given["as_of"], moment, now)
    if "recipe" in asked and asked["recipe"] not in TRAINED_ON:
        problems.append(f"recipe={asked['recipe']}: train on {' or '.join(TRAINED_ON)}")
    _refuse(problems)
    return {"by": user(), **asked} if "by" in taken else asked


def _wrong_moment(text: str, moment: datetime | None, now: datetime) -> list[str]:
    if moment is None:
        return [f"as_of={text}: no time: write 2012-06-01 or 2012-06-01T06:00 (UTC)"]
    if moment > now:
        return [f"as_of={text}: yet to come: leave it out for now"]
    return []


def _refuse(problems: Sequence[str]) -> None:
    from cyclopts import CycloptsError

    if problems:
        raise CycloptsError(msg="; ".join(problems))


def _tell(result: Any, here: Context, capability: Capability) -> None:
    """Verdicts as a table, a settled training as its sentence, what was ingested by source, what
    was removed by place."""
    if hasattr(result, "verdicts"):
        width = capability.monitor.window
        rows = [{**one.model_dump(), "over": _over(one, width)} for one in result.verdicts]
        columns = ("kind", "about", "over", "outcome", "reason")
        show(rows, False, "Verdicts", columns, empty="nothing was due")
        for cause in getattr(result, "causes", ()):
            say(_became(here, cause))
    if result is None:
        say(f"{capability.name} names no age under retention: everything is kept")
    elif hasattr(result, "removed"):
        _tell_expiry(result)
    elif hasattr(result, "release"):
        release = result.release
        head = f"release {release.number}" if release else "no release"
        say(f"{head}: {result.reason}")
    elif hasattr(result, "sources"):
        rows = [{"source": name, **asdict(counts)} for name, counts in result.sources.items()]
        show(rows, False, f"Taken in for {capability.name}")
        for refusal in result.refused:
            complain(f"refused: {refusal}")


def _tell_expiry(run: Expiry) -> None:
    """What was removed where, and which models had learnt from it."""
    rows = [{"where": place, "removed": count} for place, count in run.removed.items() if count]
    ages = ", ".join(f"{what} {age}" for what, age in run.ages.items())
    show(rows, False, f"Older than {ages}, at {run.at:%Y-%m-%d %H:%M} UTC", empty="nothing")
    if run.snapshots:
        say(f"{len(run.snapshots)} training and exam sets held such rows")
    if run.models:
        numbers = ", ".join(map(str, run.models))
        say(f"models {numbers} have learnt from them: retention.models says how long they stay")


def _over(verdict: Verdict, width: timedelta) -> str | None:
    """The days of the window that was judged; None where it was something else."""
    from opslayer.windows import window_bounds

    window = re.fullmatch(r"window (\d+)", verdict.about)
    return between(*window_bounds(int(window[1]), width)) if window else None


def _became(here: Context, cause: Cause) -> str:
    """What a retrain came to, or that it waits."""
    row = here.stores.ledger.causes.get(cause.id)
    if row.status == "done":
        return f"retrained for {row.result}"
    asked = f"a retrain for {cause.kind.value}, {cause.about}"
    return f"{asked} was refused: {row.result}" if row.status == "refused" else f"{asked} waits"
