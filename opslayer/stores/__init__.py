"""Where bytes rest. `Stores` holds addresses, not open clients, so it travels between processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opslayer.reach import Reach
from opslayer.settings import Settings
from opslayer.stores.events import Events
from opslayer.stores.journal import Journal
from opslayer.stores.ledger import Ledger
from opslayer.stores.models import Models
from opslayer.stores.prompts import Prompts
from opslayer.stores.reports import Reports
from opslayer.stores.reviews import Reviews
from opslayer.stores.shelf import Shelf
from opslayer.stores.traffic import Traffic

if TYPE_CHECKING:
    from opslayer.stores.lake import Lake


@dataclass(frozen=True, slots=True)
class Stores:
    """Every store of one installation."""

    events: Events
    journal: Journal
    lake_address: str
    ledger: Ledger
    models: Models
    prompts: Prompts
    reports: Reports
    shelf: Shelf
    source_reach: Reach
    """Where the databases of sources may be."""

    @classmethod
    def at(cls, settings: Settings) -> Stores:
        """The stores that the settings name; makes the data folder if it is not there."""
        root = settings.root
        root.mkdir(parents=True, exist_ok=True)
        models = Models(settings.tracking, str(root / "models"))
        return cls(
            events=Events(settings.database),
            journal=Journal(root / "journal"),
            lake_address=settings.lake,
            ledger=Ledger(settings.database),
            models=models,
            prompts=Prompts(settings.tracking, root / "gateway" / "prompts"),
            reports=Reports(Path(root / "reports")),
            shelf=Shelf(root / "gateway" / "models", models),
            source_reach=settings.source_reach,
        )

    @property
    def traffic(self) -> Traffic:
        """What each variant was asked, by the hour."""
        return Traffic(self.events.url)

    @property
    def reviews(self) -> Reviews:
        """What reviewers are to look at and have said; it lies with the log, so that an answer and
        what it says are one."""
        return Reviews(self.events.url)

    @property
    def lake(self) -> Lake:
        """The lake. Its libraries are loaded by whoever asks for it: the gateway never does, and
        is up again the sooner."""
        from opslayer.stores.lake import Lake

        return Lake(self.lake_address)
