"""How far each reader of the interaction log has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, update

from opslayer.stores.ledger.database import add_new, reading, transaction
from opslayer.stores.ledger.tables import positions


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of all readers."""

    url: str

    def get(self, capability: str, reader: str) -> dict[str, int]:
        """By writer, the number of the last entry read; empty before the first reading."""
        query = select(positions.c.positions).where(*_key(capability, reader))
        with reading(self.url) as connection:
            return dict(connection.scalar(query) or {})

    def put(self, capability: str, reader: str, place: Mapping[str, int]) -> None:
        """Remember a place; a reader never goes back, whoever else reads under its name."""
        with transaction(self.url) as connection:
            key = {"capability": capability, "reader": reader}
            if add_new(connection, positions, {**key, "positions": dict(place)}):
                return
            query = select(positions.c.positions).where(*_key(capability, reader))
            before = dict(connection.scalar(query.with_for_update()) or {})
            furthest = {
                writer: max(before.get(writer, 0), place.get(writer, 0))
                for writer in before.keys() | place.keys()
            }
            connection.execute(
                update(positions).where(*_key(capability, reader)).values(positions=furthest)
            )


def _key(capability: str, reader: str) -> tuple[ColumnElement[bool], ...]:
    return positions.c.capability == capability, positions.c.reader == reader
