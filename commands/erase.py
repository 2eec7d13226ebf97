"""`opslayer erase`: remove a person from every store, and get the receipt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from commands.context import Context, context
from commands.output import AsJson, complain, emit, say, show
from commands.person import Person
from opslayer.errors import Refused

if TYPE_CHECKING:
    from opslayer.records import Erasure


def erase(
    subject: Annotated[str, Parameter(help="The person, as the application names them.")],
    *,
    person: Person,
    tenant: Annotated[
        str | None, Parameter(help="Of the person; without it, every tenant is looked through.")
    ] = None,
    retrain: Annotated[
        bool, Parameter(negative="", help="Train anew what had learnt from them, and let it go.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Erase a person: interactions, feedback, rows, labels, members of training sets.

    The receipt says what was removed where, and which models had learnt from it. Killed in the
    middle, the same command goes on. Nothing of them from before is taken in again. `--retrain`
    also goes for earlier receipts of the same person, and waits for no cool-down or trial; exits
    with 1 where something that had learnt from them serves on.
    """
    from opslayer.steps.erase import Order
    from opslayer.steps.erase import erase as step
    from opslayer.stores.secret import installation_secret, subject_hash

    here = context()
    order = Order(person.name, person.reason, datetime.now(UTC))
    secret = installation_secret(here.settings)
    hashes = [subject_hash(secret, one, subject) for one in _tenants(here, tenant)]
    receipts = [step(one, here.capability, here.stores, order) for one in hashes]
    kept: list[str] = []
    if retrain:
        kept = _replace(here, hashes, person)
        receipts = [here.stores.ledger.erasures.get(one.id) for one in receipts]
    _tell(receipts, as_json)
    for one in kept:
        complain(one)
    return 1 if kept else 0


def _tenants(here: Context, tenant: str | None) -> list[str]:
    if tenant is not None:
        return [tenant]
    return sorted({"", *(row.key.tenant for row in here.stores.ledger.keys.all())})


def _replace(here: Context, hashes: Sequence[str], person: Person) -> list[str]:
    """Train anew what serves, then let go of all that had learnt from a person; returns why
    something of it serves on."""
    from opslayer.steps.forget import forget, still_serving

    stores = here.stores
    receipts = [one for subject in hashes for one in stores.ledger.erasures.of(subject)]
    why = {name: _train(here, name, person) for name in sorted(still_serving(receipts, stores))}
    for one in receipts:
        forget(one, stores)
    return [
        f"{name}: model {', '.join(map(str, sorted(numbers)))} serves on, since nothing took its "
        f"place. Release another (`opslayer release promote {name}`), and ask again. {why[name]}"
        for name, numbers in still_serving(receipts, stores).items()
    ]


def _train(here: Context, name: str, person: Person) -> str:
    """Train one on what is left; what came of it, in a sentence."""
    from commands.run import outcome
    from flows.embedded import embed

    embed(here.settings.root)
    from flows.replace_model import replace_model

    try:
        settled = outcome(replace_model, {"capability": name, "by": person.name})
    except Refused as refusal:
        return str(refusal)
    return str(settled.reason)


def _tell(receipts: Sequence[Erasure], as_json: bool) -> None:
    told = [one for one in receipts if any(one.removed.values())] or receipts[:1]
    if as_json:
        emit(told)
        return
    for one in told:
        rows: list[dict[str, Any]] = [
            {"where": place, "removed": count} for place, count in one.removed.items() if count
        ]
        show(rows, False, f"Receipt {one.id}", empty="nothing was kept of this person")
        for name, digests in one.snapshots.items():
            say(f"{name}: {len(digests)} training and exam sets held rows of theirs")
        for name, numbers in one.models.items():
            _tell_models(name, numbers, one.forgotten.get(name, ()))


def _tell_models(name: str, learnt: Sequence[int], gone: Sequence[int]) -> None:
    left = [number for number in learnt if number not in gone]
    if gone:
        say(f"{name}: models {', '.join(map(str, sorted(gone)))} had learnt from it: gone")
    if left:
        say(
            f"{name}: models {', '.join(map(str, left))} have learnt from it: --retrain lets them "
            "go, and trains anew what serves"
        )
