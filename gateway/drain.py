"""`python -m gateway.drain`: carries what the gateway's workers wrote into the interaction log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

from gateway.idempotency import LIFE
from opslayer.errors import StoreError
from opslayer.parent import die_with_parent
from opslayer.settings import Settings
from opslayer.stop import stop_signal
from opslayer.stores import Stores
from opslayer.stores.journal import drain

EVERY = 0.5
"""Seconds between two rounds."""
TIDY = 600.0
"""Seconds between two looks for idempotency keys that have had their day."""
PATIENCE = 5.0
"""Seconds to the next try while the database is away."""


def run(stores: Stores, wait: Callable[[float], bool], tell: Callable[[str], None]) -> None:
    """Drain round after round until `wait`, given seconds, says that it is time to stop; then
    once more."""
    away = ""
    stopping, tidy = False, 0.0
    while not stopping:
        try:
            drain(stores.journal, stores.events)
            stores.events.adopt()
            if monotonic() >= tidy:
                stores.ledger.idempotency.forget_before(datetime.now(UTC) - LIFE)
                tidy = monotonic() + TIDY
            if away:
                tell("the interaction log answers again")
            away = ""
        except StoreError as error:
            if not away:
                tell(f"nothing is lost, and it is tried again: {error}")
            away = str(error)
        stopping = wait(PATIENCE if away else EVERY)
    try:
        drain(stores.journal, stores.events)
    except StoreError as error:
        tell(f"what is in the journal is carried on at the next start: {error}")


def main() -> None:
    """Drain until SIGTERM or SIGINT, or until the process that started this one is gone."""
    die_with_parent()
    stopped = stop_signal()
    run(Stores.at(Settings()), stopped.wait, lambda text: print(text, file=sys.stderr, flush=True))


if __name__ == "__main__":
    main()
