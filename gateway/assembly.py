"""A worker's gateway, put together from the machine's settings."""

from __future__ import annotations

from gateway.access import Access, Limits, Purse
from gateway.admission import Admission
from gateway.app import Gateway, Parts
from gateway.builder import Builder
from gateway.idempotency import Once
from gateway.journal import Capture
from gateway.last_known import LastKnown
from gateway.metrics import Metrics
from gateway.serving import Board
from gateway.tracing import Tracing
from gateway.upstreams import Upstreams
from opslayer.configuration.folder import Files
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.secret import installation_secret


def assemble(settings: Settings, worker: str) -> Gateway:
    """The gateway of one worker of several. Nothing is opened before `Gateway.start`.

    `worker` names its journal's writer, which no other process uses. Raises StoreError where the
    data folder can't be used.
    """
    stores = Stores.at(settings)
    secret = installation_secret(settings)
    cache = settings.root / "gateway"
    metrics, admission = Metrics(), Admission()
    writer = stores.journal.writer(worker)
    capture = Capture(writer, metrics.committed, lambda: admission.under_way < 2)
    return Gateway(
        Parts(
            stores=stores,
            secret=secret,
            board=Board(
                Builder(
                    read=Files(settings.configs).read,
                    stores=stores,
                    upstreams=Upstreams(settings.upstream_reach),
                    last_known=LastKnown(cache / "serving", secret),
                ),
                metrics.flush,
            ),
            access=Access(stores.ledger.keys, settings, secret, cache / "keys"),
            admission=admission,
            capture=capture,
            limits=Limits(cache / "limits"),
            purse=Purse(stores.ledger.keys),
            once=Once(stores, worker),
            metrics=metrics,
            tracing=Tracing(),
        )
    )
