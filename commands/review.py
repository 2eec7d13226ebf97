"""`opslayer review`: look at answers one after the other and say what is right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from commands.context import Context, context
from commands.keyboard import key, line
from commands.output import AsJson, complain, emit, say, show
from opslayer.errors import Refused
from opslayer.user import user

if TYPE_CHECKING:
    from opslayer.capability import Capability
    from opslayer.steps.review import Item, Reviewer

app = App(name="review", help="Look at answers, one after the other, and say what is right.")

KEYS = "123456789abcdefghijklmnoprvwxyz"
"""One for each choice, in order; those below mean something else."""
TYPED, UNDO, SKIP, QUIT = "t", "u", "s", "q"

By = Annotated[
    str | None,
    Parameter(show_default=False, help="Who looks; the user of this machine without it."),
]


@app.default
def review(capability: str, *, by: By = None, as_json: AsJson = False) -> None:
    """Show a row, take one key for what is right, show the next.

    With --json, the next row alone, as `opslayer review next` gives it.

    Parameters
    ----------
    capability
        Its name.
    """
    if as_json:
        next_(capability, by=by, as_json=True)
        return
    desk = Desk(context(), capability, by or user())
    desk.sit()


@app.command(name="next")
def next_(capability: str, *, by: By = None, as_json: AsJson = False) -> None:
    """Claim the row that is to be looked at next; whoever holds one gets that.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.review import take

    here = context()
    item = take(here.capability(capability), here.stores, _reviewer(by))
    if as_json:
        emit({"item": asdict(item) if item else None})
    elif item:
        _show(item, "")
    else:
        say(f"nothing in {capability} waits for {by or user()}")


@app.command(name="answer")
def answer_(
    capability: str, row: str, value: str, *, by: By = None, as_json: AsJson = False
) -> None:
    """Say what is right for a row that you hold.

    Parameters
    ----------
    capability
        Its name.
    row
        The row's id, as `next` told it.
    value
        The class, or the number.
    """
    from opslayer.steps.review import answer

    here, who = context(), _reviewer(by)
    answer(here.capability(capability), here.stores, who, row, value)
    _done({"row_id": row, "value": value, "by": who.name}, as_json)


@app.command(name="skip")
def skip_(capability: str, row: str, *, by: By = None, as_json: AsJson = False) -> None:
    """Leave a row that you hold to others.

    Parameters
    ----------
    capability
        Its name.
    row
        The row's id.
    """
    from opslayer.steps.review import skip

    here, who = context(), _reviewer(by)
    skip(here.capability(capability), here.stores, who, row)
    _done({"row_id": row, "skipped": True, "by": who.name}, as_json)


@app.command(name="undo")
def undo_(capability: str, *, by: By = None, as_json: AsJson = False) -> None:
    """Take back your last answer; you hold its row again.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.review import undo

    here = context()
    item = undo(here.capability(capability), here.stores, _reviewer(by))
    if as_json:
        emit({"item": asdict(item)})
    else:
        _show(item, "")


@app.command(name="progress")
def progress_(capability: str, *, as_json: AsJson = False) -> None:
    """Show how much was looked at, how far reviewers agree, and how good the answers are.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.review import progress

    here = context()
    found = progress(here.capability(capability), here.stores, datetime.now(UTC))
    told: dict[str, Any] = {
        "waiting": found.waiting,
        "answered": found.answered,
        "skipped": found.skipped,
        "by_reviewer": found.by_reviewer,
        "by_reason": found.by_reason,
        "twice": found.twice,
        "agreement": found.agreement._asdict(),
        "pairs": [{"reviewers": pair, **its._asdict()} for pair, its in found.pairs.items()],
        "quality": found.quality._asdict() if found.quality else None,
    }
    if as_json:
        emit(told)
        return
    pairs = told.pop("pairs")
    fields = [{"": name.replace("_", " "), "value": value} for name, value in told.items()]
    show(fields, False, f"Reviews of {capability}")
    show(pairs, False, "Cohen's kappa", empty="no two have looked at the same row")


@app.command
def sources(capability: str, *, as_json: AsJson = False) -> None:
    """Show how often each source of tags is right, estimated, and where two contradict each other.

    Parameters
    ----------
    capability
        Its name.
    """
    from opslayer.steps.worth import worth

    here = context()
    found = worth(here.capability(capability), here.stores, datetime.now(UTC))
    accuracies = [one._asdict() for one in found.accuracies]
    pairs = found.disagreements.to_dict("records")
    if as_json:
        emit({"accuracies": accuracies, "disagreements": pairs, "contested": found.contested})
        return
    show(accuracies, False, f"Sources of {capability}", empty="nothing was tagged yet")
    show(pairs, False, "Where they contradict each other", empty="no two spoke of the same row")


@dataclass(frozen=True, slots=True)
class Desk:
    """One reviewer at a keyboard."""

    here: Context
    name: str
    by: str

    def sit(self) -> None:
        """Row after row, until there is none or the reviewer goes."""
        from opslayer.steps.review import take

        spec, done = self.here.capability(self.name), 0
        while (item := take(spec, self.here.stores, _reviewer(self.by))) is not None:
            _show(item, f"{done} done")
            pressed = key()
            if pressed == QUIT:
                return
            try:
                done += self._react(spec, item, pressed)
            except Refused as refusal:
                complain(str(refusal))
        say(f"nothing in {self.name} waits for {self.by}")

    def _react(self, spec: Capability, item: Item, pressed: str) -> int:
        """Do what a key means; by how many rows more are done."""
        from opslayer.steps.review import answer, skip, undo

        stores, who = self.here.stores, _reviewer(self.by)
        if pressed == UNDO:
            undo(spec, stores, who)
            return -1
        if pressed == SKIP:
            skip(spec, stores, who, item.row_id)
            return 0
        value = line("what is right: ") if pressed == TYPED else _choices(item).get(pressed)
        if not value:
            say("no such key")
            return 0
        answer(spec, stores, who, item.row_id, value)
        return 1


def _reviewer(by: str | None) -> Reviewer:
    from opslayer.steps.review import Reviewer

    return Reviewer(by or user(), datetime.now(UTC))


def _choices(item: Item) -> dict[str, str]:
    return dict(zip(KEYS, item.choices, strict=False))


def _show(item: Item, done: str) -> None:
    fields = [{"": name, "value": value} for name, value in item.inputs.items()]
    fields.append({"": "the model says", "value": item.predicted})
    about = ", ".join(part for part in (*item.reasons, done) if part)
    show(fields, False, f"Row {item.row_id} ({about})")
    keys = [f"{pressed} {choice}" for pressed, choice in _choices(item).items()]
    say("   ".join([*keys, "t type it", "u undo", "s skip", "q quit"]))


def _done(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(told)
    else:
        say(", ".join(f"{name} {value}" for name, value in told.items()))
