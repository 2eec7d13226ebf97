"""The ledger: what was decided, by whom, on which numbers. Nothing in it is ever changed back."""

from __future__ import annotations

from dataclasses import dataclass

from opslayer.stores.ledger.batches import Batches
from opslayer.stores.ledger.causes import Causes
from opslayer.stores.ledger.deliveries import Deliveries
from opslayer.stores.ledger.erasures import Erasures
from opslayer.stores.ledger.expiries import Expiries
from opslayer.stores.ledger.forgotten import Forgotten
from opslayer.stores.ledger.idempotency import Idempotency
from opslayer.stores.ledger.keys import Keys
from opslayer.stores.ledger.learnt import LearntTopics
from opslayer.stores.ledger.positions import Positions
from opslayer.stores.ledger.releases import Releases
from opslayer.stores.ledger.snapshots import Snapshots
from opslayer.stores.ledger.verdicts import Verdicts
from opslayer.stores.ledger.versions import Versions


@dataclass(frozen=True, slots=True)
class Ledger:
    """The address of the ledger's database; each noun has its own door."""

    url: str

    @property
    def releases(self) -> Releases:
        return Releases(self.url)

    @property
    def verdicts(self) -> Verdicts:
        return Verdicts(self.url)

    @property
    def causes(self) -> Causes:
        return Causes(self.url)

    @property
    def versions(self) -> Versions:
        return Versions(self.url)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.url)

    @property
    def batches(self) -> Batches:
        return Batches(self.url)

    @property
    def positions(self) -> Positions:
        return Positions(self.url)

    @property
    def keys(self) -> Keys:
        return Keys(self.url)

    @property
    def erasures(self) -> Erasures:
        return Erasures(self.url)

    @property
    def expiries(self) -> Expiries:
        return Expiries(self.url)

    @property
    def idempotency(self) -> Idempotency:
        return Idempotency(self.url)

    @property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.url)

    @property
    def forgotten(self) -> Forgotten:
        return Forgotten(self.url)

    @property
    def topics(self) -> LearntTopics:
        return LearntTopics(self.url)
