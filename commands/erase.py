"""`opslayer erase`: remove a person from every store, and get the receipt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from commands.context import Context, context
from commands.output import AsJson, emit, say, show
from commands.person import Person

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
) -> None:
    """Erase a person: interactions, feedback, rows, labels, members of training sets.

    The receipt says what was removed where, and which models had learnt from it. Killed in the
    middle, the same command goes on. Nothing of them from before is taken in again.
    """
    from opslayer.steps.erase import Order, forget_models
    from opslayer.steps.erase import erase as step
    from opslayer.stores.secret import installation_secret, subject_hash

    here = context()
    order = Order(person.name, person.reason, datetime.now(UTC))
    secret = installation_secret(here.settings)
    hashes = [subject_hash(secret, one, subject) for one in _tenants(here, tenant)]
    receipts = [step(one, here.capability, here.stores, order) for one in hashes]
    if retrain:
        for name in sorted({name for one in receipts for name in one.models}):
            _train(here, name)
        receipts = [forget_models(one, here.stores) for one in receipts]
    told = [one for one in receipts if any(one.removed.values())] or receipts[:1]
    if as_json:
        emit(told)
        return
    _tell(told)


def _tenants(here: Context, tenant: str | None) -> list[str]:
    if tenant is not None:
        return [tenant]
    return sorted({"", *(row.key.tenant for row in here.stores.ledger.keys.all())})


def _train(here: Context, name: str) -> None:
    """Run the flow that trains on what is left."""
    from commands.run import run

    here.capability(name)
    run("train_model", name)


def _tell(receipts: list[Erasure]) -> None:
    for one in receipts:
        rows: list[dict[str, Any]] = [
            {"where": place, "removed": count} for place, count in one.removed.items() if count
        ]
        show(rows, False, f"Receipt {one.id}", empty="nothing was kept of this person")
        for name, digests in one.snapshots.items():
            say(f"{name}: {len(digests)} training and exam sets held rows of theirs")
        for name, numbers in one.models.items():
            gone = set(one.forgotten.get(name, ()))
            left = [str(number) for number in numbers if number not in gone]
            if gone:
                say(f"{name}: models {', '.join(map(str, sorted(gone)))} had learnt from it: gone")
            if left:
                say(
                    f"{name}: models {', '.join(left)} have learnt from it: --retrain replaces them"
                )
