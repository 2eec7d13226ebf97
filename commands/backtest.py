"""`opslayer backtest`: which retraining policy a capability's own past speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from commands.context import Context, context
from commands.output import AsJson, number, say, show
from opslayer.errors import NotFound, Refused

if TYPE_CHECKING:
    from opslayer.capability import Capability, Retrain
    from opslayer.frame import Frame
    from opslayer.steps.backtest import Tested

COLUMNS = ("policy", "every", "metric", "value", "trainings", "cost", "errors", "pick")
REGULAR = ("every-k", "pays")
"""The policies that `retrain.every` speaks to."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Terms:
    """What a training costs, and what is known when."""

    price: Annotated[float | None, Parameter(show_default=False, validator=Number(gt=0))] = None
    """What one training costs, in errors; the file's `retrain.price` without it."""

    late: Annotated[int | None, Parameter(show_default=False, validator=Number(gte=1))] = None
    """In which window after its begin a window's labels are known: 1 is at its end. Without it,
    what `labels.delay` says."""

    runs: Annotated[int | None, Parameter(show_default=False, validator=Number(gte=1))] = None
    """Trainings at most in the span of the budget; the file's `retrain.budget.runs` without it."""

    def rules(self, capability: Capability) -> Retrain:
        """The file's rules, with what was asked for."""
        rules = capability.retrain
        if self.price is not None:
            rules = rules.model_copy(update={"price": self.price})
        if self.runs is not None:
            budget = rules.budget.model_copy(update={"runs": self.runs})
            rules = rules.model_copy(update={"budget": budget})
        return rules


def backtest(
    capability: str,
    *,
    file: Annotated[Path | None, Parameter(show_default=False)] = None,
    terms: Terms = Terms(),
    figure: Annotated[Path | None, Parameter(show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Live a capability's past again under each retraining policy, and rank them by total cost.

    The cost is the errors made and the price of each training; for a regression, one error is as
    wrong as always saying the median. Nothing is released, and nothing in the stores changes.

    Parameters
    ----------
    capability
        Its name.
    file
        Labelled rows, laid out as the capability's first source; its own log without it.
    figure
        A PNG file to draw: what each policy has saved, window by window.
    """
    from opslayer.reports.backtest_figure import draw
    from opslayer.steps.backtest import backtest as live

    here = context()
    spec = here.capability(capability)
    rows = _rows(here, spec, file)
    tested = live(spec, rows, terms.rules(spec), terms.late, here.executor)
    found = _told(spec, tested)
    if figure is not None:
        try:
            draw(tested.lived, tested.picked, figure)
        except (OSError, ValueError) as error:
            raise Refused(f"the figure can't be written to {figure}: {error}") from error
    title = (
        f"{capability}: {number(tested.rows)} rows in {tested.windows} windows, "
        f"labels {tested.late} late"
    )
    show(found, as_json, title, COLUMNS)
    if not as_json:
        say(_advice(spec, tested))


def _rows(here: Context, spec: Capability, file: Path | None) -> Frame:
    from opslayer.steps.backtest import own_past, past_in

    if file is None:
        return own_past(spec, here.stores, datetime.now(UTC))
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    return past_in(spec, file.resolve())


def _told(spec: Capability, tested: Tested) -> list[dict[str, Any]]:
    return [
        {
            "policy": one.rules.policy.value,
            "every": one.rules.every if one.rules.policy in REGULAR else None,
            "metric": spec.metric.value,
            "value": value,
            "trainings": len(one.trained),
            "cost": round(one.cost, 3),
            "errors": round(sum(one.lost), 3),
            "price": one.rules.price,
            "pick": one is tested.picked,
        }
        for one, value in zip(tested.lived, tested.values, strict=True)
    ]


def _advice(spec: Capability, tested: Tested) -> str:
    picked = tested.picked.rules
    every = f", every: {picked.every}" if picked.policy in REGULAR else ""
    wanted = f"retrain: {{policy: {picked.policy.value}{every}}}"
    now = spec.retrain
    if (now.policy, now.every) == (picked.policy, picked.every):
        return f"{spec.name} does so already: {wanted}"
    return f"for {spec.name} this past speaks for: {wanted}"
