"""What the lake holds already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability
from opslayer.stores.lake import Lake, plain, schema


@dataclass(frozen=True, slots=True)
class Present:
    """Look-ups in one capability's tables, streamed: only what is found is held."""

    capability: Capability
    lake: Lake

    def rows(self, table: str, key: str, ids: pa.Array, where: str = "true") -> pa.Table:
        """The rows of a table whose `key` is among `ids`, and for which the SQL `where` holds.

        The key's column alone is read first: where nothing is found the others never are.
        """
        if not len(ids) or not self._found(table, key, ids, where):
            return schema(self.capability, table).empty_table()
        # A column that the contract gained since is in no row yet.
        there = self.lake.columns(self.capability, table)
        columns = [name for name in schema(self.capability, table).names if name in there]
        parts = [
            part.filter(pc.is_in(part.column(key), ids))
            for part in self.stream(table, columns, where)
        ]
        return self._whole(table, pa.concat_tables(parts))

    def stream(self, table: str, columns: Iterable[str], where: str) -> Iterable[pa.Table]:
        """A table's columns, some rows at a time."""
        from deltalake import QueryBuilder

        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        builder = QueryBuilder().register("t", self.lake.open(self.capability, table))
        with self.lake.speaking():
            reader = builder.execute(f"SELECT {names} FROM t WHERE {where}")  # noqa: S608 - no input
            for batch in reader:
                yield plain(pa.Table.from_batches([pa.record_batch(batch)]))

    def _found(self, table: str, key: str, ids: pa.Array, where: str) -> bool:
        return any(
            pc.any(pc.is_in(part.column(key), ids)).as_py()
            for part in self.stream(table, [key], where)
        )

    def _whole(self, table: str, found: pa.Table) -> pa.Table:
        wanted = schema(self.capability, table)
        for field in wanted:
            if field.name not in found.column_names:
                found = found.append_column(field, pa.nulls(len(found), field.type))
        return found.select(wanted.names).cast(wanted)
