"""Ring again for every cause that waits: the ledger is the outbox, Prefect's event only a bell.

An event that was emitted while the server was away is lost without a word, and a worker that was
killed leaves its cause behind. `python -m flows.relay` looks every few seconds and asks the server
for the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from opslayer.capability import Capability
from opslayer.configuration import load_all
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.steps.waiting import waiting
from opslayer.stores import Stores

EVERY = 10.0
"""Seconds between two looks: with a lease of 15 s, a dead worker's cause runs again within 30 s."""

log = logging.getLogger("opslayer.relay")


def asked_for(capability: Capability, stores: Stores) -> Iterator[tuple[str, dict[str, str]]]:
    """An idempotency key and the parameters for every run that should be asked for now.

    The key holds the number of attempts: the same wait rings once, the next attempt again.
    """
    for cause in waiting(capability, stores):
        attempts = stores.ledger.causes.get(cause.id).attempts
        yield f"{cause.id}-{attempts}", {"capability": capability.name, "cause": cause.id}


def ring(key: str, parameters: dict[str, str]) -> None:
    """Ask the Prefect server for a run, once per key."""
    from prefect.deployments import run_deployment

    name = f"retrain_model/{parameters['capability']}"
    run_deployment(name, parameters=parameters, idempotency_key=key, timeout=0)


def relay(stores: Stores, capabilities: list[Capability], ring: Callable[..., None]) -> int:
    """One look at every capability; returns how many runs were asked for."""
    count = 0
    for capability in capabilities:
        for key, parameters in asked_for(capability, stores):
            ring(key, parameters)
            count += 1
    return count


def main(stop: Callable[[], bool] = lambda: False) -> None:
    """Look every few seconds until `stop` says so; what goes wrong is logged and tried again."""
    settings = Settings()
    stores = Stores.at(settings)
    while not stop():
        try:
            trainable = [one for one in load_all(settings.configs) if one.predictor]
            relay(stores, trainable, ring)
        except (OpslayerError, OSError) as error:
            log.warning("%s", error)
        except Exception:
            # The server's client raises many kinds; the next look is the retry.
            log.exception("could not ring")
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
