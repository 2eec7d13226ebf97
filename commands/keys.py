"""`opslayer keys`: who may call the API, and what each key may do, how often, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from commands.context import context
from commands.output import AsJson, emit, say, show

if TYPE_CHECKING:
    from opslayer.records import Key
    from opslayer.stores.ledger.keys import KeyRow, Terms

app = App(name="keys", help="Create, list and revoke keys of the API.")

RoleName = Literal["call", "feedback", "review", "release", "erase", "admin"]
COLUMNS = ("id", "name", "tenant", "roles", "state", "expires", "per_minute", "budget", "spent")


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Wish:
    """What the key is for."""

    name: str
    """Who or what will use it, in your own words."""

    tenant: Annotated[str, Parameter(show_default=False)] = ""
    """Whose calls they are: keys of one tenant see nothing of another's."""

    role: Annotated[tuple[RoleName, ...], Parameter(show_default=False, negative="")] = (
        "call",
        "feedback",
    )
    """What it may do, once per role; call and feedback without it. `admin` may do everything."""

    per_minute: Annotated[int | None, Parameter(show_default=False)] = None
    """Calls in any minute, at most; as many as come without it."""

    budget: Annotated[float | None, Parameter(show_default=False)] = None
    """Money that its calls may cost in all; without a bound without it."""

    expires: Annotated[str | None, Parameter(show_default=False)] = None
    """From now on, as 90d or 12h; never without it."""


@app.command
def create(*, wish: Wish, as_json: AsJson = False) -> None:
    """Make a key, and show it this once: only its hash is kept.

    With the first key the API stops being open to everybody on this machine.
    """
    now = datetime.now(UTC)
    issued = context().stores.ledger.keys.create(_terms(wish, now), now)
    row = _row(issued.key, now)
    if as_json:
        emit({**row, "secret": issued.secret})
        return
    show([row], False, "New key", [column for column in COLUMNS if column != "spent"])
    say(issued.secret)
    say("This is the key, shown this once: put it where its user keeps secrets.")


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """List every key that was ever made, the oldest first, and what each has cost.

    `spent` has what running workers hold in advance, too.
    """
    here, now = context(), datetime.now(UTC)
    rows = [_kept(row, now) for row in here.stores.ledger.keys.all()]
    open_to = "OPSLAYER_ADMIN_KEY alone" if here.settings.admin_key else "this machine alone"
    show(rows, as_json, "Keys", COLUMNS, f"there are none yet, so the API is open to {open_to}")


@app.command
def revoke(id: str, as_json: AsJson = False) -> None:
    """Take a key out of use for good; running gateways refuse it within two seconds.

    Parameters
    ----------
    id
        The key's first twelve characters, as `opslayer keys list` shows them.
    """
    from opslayer.stores.ledger.keys import ID_LENGTH

    now = datetime.now(UTC)
    # Whoever gives the whole key, as it leaked, means it too; it must not be in any message.
    key = context().stores.ledger.keys.revoke(id[:ID_LENGTH], now)
    if as_json:
        emit(_row(key, now))
    else:
        say(f"Key {key.id} ({key.name}) is revoked.")


def _terms(wish: Wish, now: datetime) -> Terms:
    """What was wished, checked; CycloptsError with everything wrong with it."""
    from pydantic import ValidationError

    from opslayer.capability import parse_positive_duration
    from opslayer.stores.ledger.keys import Terms

    problems = []
    fields: dict[str, Any] = {
        "name": wish.name,
        "tenant": wish.tenant,
        "roles": tuple(dict.fromkeys(wish.role)),
        "per_minute": wish.per_minute,
        "budget": wish.budget,
    }
    try:
        if wish.expires is not None:
            fields["expires"] = now + parse_positive_duration(wish.expires)
    except ValueError as error:
        problems.append(f"--expires {wish.expires}: {error}")
    try:
        terms = Terms(**fields)
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors()]
    if problems:
        raise CycloptsError(msg="\n".join(problems))
    return terms


def _problem(detail: Any) -> str:
    option = str(detail["loc"][0]).replace("_", "-").replace("roles", "role")
    return f"--{option} {detail['input']}: {detail['msg']}"


def _row(key: Key, now: datetime) -> dict[str, Any]:
    from opslayer.stores.ledger.keys import state_of

    return {**key.model_dump(exclude={"digest"}), "state": state_of(key, now)}


def _kept(row: KeyRow, now: datetime) -> dict[str, Any]:
    return {**_row(row.key, now), "spent": row.spent}
