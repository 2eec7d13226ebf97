"""The topics that were learnt of each capability's log, by number."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from opslayer.records import Topics
from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.tables import topics


@dataclass(frozen=True, slots=True)
class LearntTopics:
    """All of an installation. Methods raise StoreError where the database is away."""

    url: str

    def add(self, learnt: Topics) -> Topics:
        """Keep topics and return what is kept: the first ones of that number."""
        with transaction(self.url) as connection:
            row = {"capability": learnt.capability, "number": learnt.number}
            add_new(connection, topics, {**row, "record": learnt.model_dump(mode="json")})
        return next(one for one in self.all(learnt.capability) if one.number == learnt.number)

    def replace(self, learnt: Topics) -> None:
        """Say what an erasure has left of topics; their number stays."""
        its = (topics.c.capability == learnt.capability, topics.c.number == learnt.number)
        record = learnt.model_dump(mode="json")
        with transaction(self.url) as connection:
            connection.execute(update(topics).where(*its).values(record=record))

    def newest(self, capability: str) -> Topics | None:
        """Those that were learnt last; None before the first."""
        found = self.all(capability)
        return found[-1] if found else None

    def all(self, capability: str) -> list[Topics]:
        """Every one of a capability, in the order of their numbers."""
        query = select(topics.c.record).where(topics.c.capability == capability)
        with reading(self.url) as connection:
            rows = connection.scalars(query.order_by(topics.c.number))
            return [Topics.model_validate(row) for row in rows]
