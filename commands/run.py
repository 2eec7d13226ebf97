"""`opslayer run FLOW CAPABILITY [key=value …]`: run a flow now, here or on the Prefect server."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from commands.context import context
from commands.output import AsJson, emit, say, show
from opslayer.errors import NotFound, Refused

if TYPE_CHECKING:
    from prefect import Flow

FLOWS = {
    "ingest_data": "take in what is new, and tag it",
    "train_model": "train on what is known now, and release it if the gate lets it through",
    "retrain_model": "train for one cause (cause=ID)",
    "watch_production": "judge every window that is due, decide, report, retrain if it pays",
}
"""Each flow's name is its module's and its function's."""


def run(
    flow: Annotated[str, Parameter(help=", ".join(FLOWS))],
    capability: str,
    *parameters: Annotated[str, Parameter(help="key=value, as as_of=2012-06-01")],
    as_json: AsJson = False,
) -> None:
    """Run a flow for a capability; what it refuses is printed, and the exit code is 1."""
    here = context()
    given = {"capability": capability, **_parse(parameters)}
    here.capability(capability)  # a wrong name or file is told before Prefect starts
    result = _run(_load(flow, here.settings.root), given)
    if as_json:
        emit(result)
    else:
        _tell(result)


def _parse(parameters: tuple[str, ...]) -> dict[str, str]:
    wrong = [text for text in parameters if "=" not in text]
    if wrong:
        raise Refused(f"{', '.join(wrong)}: write parameters as key=value, as as_of=2012-06-01")
    return dict(text.split("=", 1) for text in parameters)


def _load(name: str, root: Path) -> Flow[..., Any]:
    if name not in FLOWS:
        near = get_close_matches(name, FLOWS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FLOWS)}"
        raise NotFound(f"there is no flow {name}: {hint}")
    from flows.embedded import embed

    embed(root)
    flow: Flow[..., Any] = getattr(import_module(f"flows.{name}"), name)
    return flow


def _run(flow: Flow[..., Any], given: dict[str, str]) -> Any:
    from prefect.exceptions import ParameterTypeError, SignatureMismatchError

    try:
        state: Any = flow(**given, return_state=True)
        return state.result(raise_on_failure=True)
    except (ParameterTypeError, SignatureMismatchError) as error:
        takes = ", ".join(f"{key}=…" for key in flow.parameters.properties if key != "capability")
        raise Refused(f"{flow.fn.__name__} takes {takes}; {error}") from error


def _tell(result: Any) -> None:
    """Records as a table, a settled training as its sentence, counts as they are."""
    if hasattr(result, "verdicts"):
        columns = ("kind", "about", "outcome", "reason")
        show(result.verdicts, False, "Verdicts", columns, empty="no window was due")
        for cause in result.causes:
            say(f"started a retrain for {cause.kind.value}: {cause.about} (cause {cause.id})")
    elif hasattr(result, "release"):
        release = result.release
        head = f"release {release.number}" if release else "no release"
        say(f"{head}: {result.reason}")
    else:
        show([result], False, "Done")
