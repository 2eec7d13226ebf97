"""The lake: one Delta table per capability and kind of row.

`rows` what was asked or observed · `answers` what was served for a row · `tags` statements about
a row's target · `quarantine` what was not taken, and why · `snapshots` rows and labels of every
training set · `facets` what a call was like apart from its target: language, failure, topic. Rows
are only ever appended, so a row id and a snapshot's record rebuild it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability, Kind
from opslayer.errors import NotFound, StoreError

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from pyarrow.fs import PyFileSystem

SINGLE = frozenset({"row_id", "id", "output", "line", "event_time", "known_time", "supersedes"})
"""Columns whose values hardly repeat, so that a dictionary of them is work in vain."""
OUTSIDE = "External error: "
"""How DataFusion says that it was not the query's fault."""
COLOUR = re.compile(r"\x1b\[[\d;]*m")
MOMENT = pa.timestamp("us", "UTC")
Deletion = Callable[["DeltaTable"], int]
"""Removes rows of a table in one commit; returns how many."""
CONFLICTS = 50
"""Times a deletion is tried again because another commit came first."""
SMALL = 2**21
"""Bytes below which a file is small: one of a whole portion of many rows is not."""
AHEAD = "ahead-"
"""What the names of files begin with that an ingest lays down before their turn has come."""
CHECKPOINT = 20
"""Commits after which a table's log is summed up. Each later one is read on its own by whoever
opens the table: on S3 that is two requests."""
COMPACT_AT = 16
"""Small files above which an append is followed by a compaction, which takes some 30 ms: each file
costs every read about 1 ms, and a watched window reads a table ten times."""
COMPACTED = COMPACT_AT * SMALL
"""Bytes of a file that a compaction leaves alone, so that it never writes a large table anew."""

ORIGIN = [("source", pa.string()), ("file", pa.string()), ("line", pa.int64())]


def value_type(capability: Capability) -> pa.DataType:
    """How the target is held: a class's name, or a float64."""
    return pa.string() if capability.task is Kind.CLASSIFICATION else pa.float64()


def _rows(capability: Capability) -> list[tuple[str, pa.DataType]]:
    inputs = [
        (name, pa.float64() if column.type.numeric else pa.string())
        for name, column in capability.inputs.items()
    ]
    times = [("row_id", pa.string()), ("event_time", MOMENT), ("known_time", MOMENT)]
    return [*times, *ORIGIN, *((INPUT + name, kind) for name, kind in inputs)]


def _answers(capability: Capability) -> list[tuple[str, pa.DataType]]:
    return [
        ("row_id", pa.string()),
        ("event_time", MOMENT),
        ("release", pa.int64()),
        ("variant", pa.string()),
        ("value", value_type(capability)),
        ("output", pa.string()),
    ]


def _tags(capability: Capability) -> list[tuple[str, pa.DataType]]:
    return [
        ("id", pa.string()),
        ("row_id", pa.string()),
        ("value", value_type(capability)),
        ("source", pa.string()),
        ("by", pa.string()),
        ("confidence", pa.float64()),
        ("event_time", MOMENT),
        ("known_time", MOMENT),
        ("supersedes", pa.string()),
    ]


def _quarantine(_: Capability) -> list[tuple[str, pa.DataType]]:
    texts = [(name, pa.string()) for name in ("column", "reason", "raw")]
    # Of what doesn't say when it was true: when it was put there.
    return [*ORIGIN, *texts, ("event_time", MOMENT)]


def _snapshots(capability: Capability) -> list[tuple[str, pa.DataType]]:
    return [
        ("snapshot", pa.string()),
        ("row_id", pa.string()),
        ("label", value_type(capability)),
        ("event_time", MOMENT),
        ("known_time", MOMENT),
    ]


def _facets(_: Capability) -> list[tuple[str, pa.DataType]]:
    texts = ("id", "row_id", "name", "value", "source", "by")
    times = [("event_time", MOMENT), ("known_time", MOMENT)]
    return [*((name, pa.string()) for name in texts), ("confidence", pa.float64()), *times]


INPUT = "in:"
"""Input columns carry this prefix in `rows`, so that none can collide with our own columns."""

TABLES = {
    "rows": _rows,
    "answers": _answers,
    "tags": _tags,
    "quarantine": _quarantine,
    "snapshots": _snapshots,
    "facets": _facets,
}


def schema(capability: Capability, table: str) -> pa.Schema:
    """The Arrow schema of one table of a capability."""
    return pa.schema(TABLES[table](capability))


@dataclass(frozen=True, slots=True)
class Once:
    """Names one append among those of a writer, so that doing it again does nothing.

    `number` grows by one for each append of `writer` to a table. It is committed with the data in
    Delta's transaction log, so that a kill leaves both or neither.
    """

    writer: str
    number: int


@dataclass(frozen=True, slots=True)
class Staged:
    """The address of a file with rows that nobody sees yet."""

    name: str
    size: int
    """In bytes."""
    statistics: str
    """As Delta's log keeps them."""


def _statistics(data: pa.Table, named: str) -> str:
    """The number of rows, and the span of a column of times: whole milliseconds around it, for
    Delta's log keeps no finer ones and a reader leaves out a file by them."""
    found: dict[str, Any] = {"numRecords": len(data)}
    span = pc.min_max(data.column(named))
    if span["min"].is_valid:
        first, last = (span[end].cast(pa.int64()).as_py() for end in ("min", "max"))
        found["minValues"] = {named: _milliseconds(first // 1_000)}
        found["maxValues"] = {named: _milliseconds(-(-last // 1_000))}
    found["nullCount"] = {named: data.column(named).null_count}
    return json.dumps(found)


def _milliseconds(since: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{since % 1_000:03d}Z"


@dataclass(frozen=True, slots=True)
class Lake:
    """The address of the lake: a local folder or an `s3://` prefix."""

    root: str

    def address(self, capability: Capability, table: str) -> str:
        """Where a table lies."""
        return f"{self.root}/{capability.name}/{table}"

    def open(self, capability: Capability, table: str) -> DeltaTable:
        """The table as it is now; made empty if it is not there yet."""
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        address = self.address(capability, table)
        with self.speaking():
            try:
                return DeltaTable(address)
            except TableNotFoundError:
                # Statistics on times alone: min and max of other columns would keep values that
                # an erasure removes.
                DeltaTable.create(
                    address,
                    schema(capability, table),
                    mode="ignore",
                    configuration={
                        "delta.dataSkippingStatsColumns": STATISTICS[table],
                        "delta.checkpointInterval": str(CHECKPOINT),
                    },
                )
            return DeltaTable(address)

    def examine(self, patience: int) -> None:
        """Raises StoreError where the lake does not answer within so many seconds."""
        from deltalake import DeltaTable

        hurry = {"timeout": f"{patience}s", "connect_timeout": f"{patience}s", "max_retries": "0"}
        with self.speaking():
            DeltaTable.is_deltatable(f"{self.root}/none", storage_options=hurry)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """What a folder or an object store raises as our error.

        A query has no class of its own for what its files raise: its text alone begins with that.
        """
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the lake at {self.root} does not answer: {_plainly(error)}"
            ) from error
        except Exception as error:
            found = str(error).removeprefix(OUTSIDE)
            if found == str(error):
                raise
            raise StoreError(f"the lake at {self.root} can't be read: {found}") from error

    def append(
        self, capability: Capability, table: str, data: pa.Table, once: Once | None = None
    ) -> bool:
        """Append rows of the table's schema in one commit; False if `once` was there before."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        target = self.open(capability, table)
        if once and (target.transaction_version(once.writer) or 0) >= once.number:
            return False
        if not data.num_rows and not once:
            return False
        marks = [Transaction(once.writer, once.number)] if once else None
        write_deltalake(
            target,
            data.select(schema(capability, table).names).cast(schema(capability, table)),
            mode="append",
            schema_mode="merge",
            commit_properties=CommitProperties(app_transactions=marks),
        )
        return True

    def stage(
        self, capability: Capability, table: str, data: pa.Table, *, ahead: bool = False
    ) -> Staged:
        """Write rows into a table's folder, where nobody sees them before `commit`.

        Whoever dies in between leaves a file that no reader knows of; `remove` takes it away once
        it is an hour old, `take_away` at once if it was laid `ahead` of its turn. Raises
        StoreError.
        """
        from pyarrow import parquet

        wanted, named = schema(capability, table), STATISTICS[table]
        self.open(capability, table)
        name = f"{AHEAD if ahead else 'part-'}{uuid4().hex}.snappy.parquet"
        files = self._files(capability, table)
        try:
            with files.open_output_stream(name) as file:
                parquet.write_table(
                    data.select(wanted.names).cast(wanted),
                    file,
                    use_dictionary=[one for one in wanted.names if one not in SINGLE],
                    write_statistics=[named],
                )
            size = files.get_file_info(name).size
        except OSError as error:
            raise StoreError(f"{table} of {capability.name}: {error}") from error
        return Staged(name, size, _statistics(data, named))

    def commit(
        self, capability: Capability, table: str, staged: Sequence[Staged], once: Once | None = None
    ) -> bool:
        """Let everybody see staged files, all in one commit; False if `once` was there before.

        Raises as `append` does.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake
        from deltalake.transaction import AddAction

        target, wanted = self.open(capability, table), schema(capability, table)
        if once and (target.transaction_version(once.writer) or 0) >= once.number:
            return False
        if {*wanted.names} - {field.name for field in target.schema().fields}:
            # A column that the contract gained since: the table has to know it first.
            write_deltalake(target, wanted.empty_table(), mode="append", schema_mode="merge")
            target = self.open(capability, table)
        now = int(time.time() * 1_000)
        marks = [Transaction(once.writer, once.number)] if once else None
        target.create_write_transaction(
            [AddAction(one.name, one.size, {}, now, True, one.statistics) for one in staged],
            "append",
            target.schema(),
            commit_properties=CommitProperties(app_transactions=marks),
        )
        return True

    def discard(self, capability: Capability, table: str, staged: Iterable[Staged]) -> None:
        """Take away staged files that are not to be committed."""
        files = self._files(capability, table)
        for one in staged:
            with suppress(OSError):
                files.delete_file(one.name)

    def laid_ahead(self, capability: Capability) -> dict[str, set[str]]:
        """Names of the files that lie ahead of their turn, or lay so once, by table."""
        from pyarrow.fs import FileSelector

        found = {}
        for table in TABLES:
            self.open(capability, table)
            there = self._files(capability, table).get_file_info(FileSelector(""))
            found[table] = {one.base_name for one in there if one.base_name.startswith(AHEAD)}
        return found

    def take_away(self, capability: Capability, laid: Mapping[str, Set[str]]) -> None:
        """Take away files that were laid ahead and never committed; nobody may commit them now."""
        for table, names in laid.items():
            seen = {uri.rpartition("/")[2] for uri in self.open(capability, table).file_uris()}
            files = self._files(capability, table)
            for name in names - seen:
                with suppress(OSError):
                    files.delete_file(name)

    def _files(self, capability: Capability, table: str) -> PyFileSystem:
        """A table's folder, reached as Delta reaches it."""
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        return PyFileSystem(DeltaStorageHandler(self.address(capability, table)))

    def query(self, capability: Capability, sql: str, tables: Iterable[str]) -> pa.Table:
        """Run DataFusion SQL over the named tables of a capability, as they are now.

        Never `to_pyarrow_table`: it aborts some processes at exit. Input columns are named with
        the `in:` prefix and must be quoted.
        """
        from deltalake import QueryBuilder

        builder = QueryBuilder()
        for name in tables:
            builder = builder.register(name, self.open(capability, name))
        with self.speaking():
            return plain(pa.table(builder.execute(sql).read_all()))

    def columns(self, capability: Capability, table: str) -> set[str]:
        """The columns that a table has by now: one made earlier may lack some of its schema."""
        return {field.name for field in self.open(capability, table).schema().fields}

    def remove(
        self,
        capability: Capability,
        table: str,
        where: Sequence[str] = (),
        ids: Iterable[str] = (),
    ) -> int:
        """Remove the rows of any of these conditions and those of row ids, and every file that
        still holds them.

        Conditions stay in the table's log, so they may name no values; ids do not. Files that
        nobody has committed within an hour are what killed writers left, and go too. Returns the
        rows. Raises StoreError where others write the table all the time.
        """
        from deltalake import DeltaTable

        if not DeltaTable.is_deltatable(self.address(capability, table)):
            return 0
        removed = sum(self._delete(capability, table, one) for one in where)
        removed += self._delete_ids(capability, table, set(ids))
        # Also where nothing was left to delete: a killed run may not have come to this.
        _sweep(self.open(capability, table))
        return removed

    def _delete(self, capability: Capability, table: str, where: str) -> int:
        def delete(target: DeltaTable) -> int:
            return int(target.delete(where)["num_deleted_rows"])

        return self._commit(capability, table, delete)

    def _delete_ids(self, capability: Capability, table: str, ids: set[str]) -> int:
        """However many they are, in one commit."""
        named = pa.table({"row_id": pa.array(sorted(ids), pa.string())})

        def delete(target: DeltaTable) -> int:
            same = target.merge(
                named, "held.row_id = gone.row_id", source_alias="gone", target_alias="held"
            )
            return int(same.when_matched_delete().execute()["num_target_rows_deleted"])

        return self._commit(capability, table, delete) if ids else 0

    def _commit(self, capability: Capability, table: str, delete: Deletion) -> int:
        from deltalake.exceptions import CommitFailedError

        for _ in range(CONFLICTS):
            with suppress(CommitFailedError):  # another commit came first: look again
                return delete(self.open(capability, table))
        raise StoreError(f"{table} of {capability.name} is written all the time: ask again")

    def snapshots_with(self, capability: str, where: str) -> list[str]:
        """The digests of the snapshots that hold a row of a condition. Raises StoreError."""
        sql = f"SELECT DISTINCT snapshot FROM snapshots WHERE {where}"  # noqa: S608 - our own ids
        try:
            found = self.look(capability, sql, {"snapshots": None})
        except NotFound:  # nothing was trained yet
            return []
        return list(found["snapshot"].to_pylist())

    def holders(self, capability: Capability, ids: Iterable[str]) -> set[str]:
        """The digests of the snapshots that hold any of these rows, however many those are."""
        from deltalake import QueryBuilder

        found: set[str] = set()
        wanted = pa.array(list(ids), pa.string())
        if len(wanted):
            builder = QueryBuilder().register("snapshots", self.open(capability, "snapshots"))
            with self.speaking():
                for batch in builder.execute("SELECT snapshot, row_id FROM snapshots"):
                    part = plain(pa.Table.from_batches([pa.record_batch(batch)]))
                    held = part.filter(pc.is_in(part["row_id"], wanted))["snapshot"]
                    found.update(held.unique().to_pylist())
        return found

    def versions(self, capability: Capability, tables: Iterable[str]) -> dict[str, int]:
        """By table, its Delta version now."""
        return {name: self.open(capability, name).version() for name in tables}

    def look(self, capability: str, sql: str, tables: Mapping[str, int | None]) -> pa.Table:
        """As `query`, by a capability's name alone, and each table as of a version of it (None: as
        it is now). It makes nothing.

        Raises NotFound where there is no such table yet, StoreError where it, or the files of that
        version, can't be read.
        """
        from deltalake import DeltaTable, QueryBuilder
        from deltalake.exceptions import TableNotFoundError

        builder = QueryBuilder()
        try:
            for name, version in tables.items():
                table = DeltaTable(f"{self.root}/{capability}/{name}", version=version)
                builder = builder.register(name, table)
            return plain(pa.table(builder.execute(sql).read_all()))
        except TableNotFoundError as error:
            raise NotFound(
                f"{capability} has no {name} yet: `opslayer run ingest_data {capability}`"
            ) from error
        except Exception as error:  # what reading runs into has no class of its own
            raise StoreError(f"{capability}: the lake can't be read: {_plainly(error)}") from error

    def compact(self, capability: Capability) -> None:
        """Merge small files where many have gathered; readers never notice."""
        for name in TABLES:
            table = self.open(capability, name)
            if len(table.file_uris()) > COMPACT_AT:
                sizes = pa.table(table.get_add_actions(flatten=True)).column("size_bytes")
                if pc.sum(pc.less(sizes, SMALL)).as_py() > COMPACT_AT:
                    table.optimize.compact(target_size=COMPACTED)


def _plainly(error: Exception) -> str:
    """What Delta tells as a coloured tree of causes: the first of them, and what it comes from."""
    lines = [line.strip(" ↳") for line in COLOUR.sub("", str(error)).strip().splitlines()]
    return ": ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else type(error).__name__


def _sweep(table: DeltaTable) -> None:
    """Take away files that hold removed rows, and those that killed writers left.

    Only where there are any: Delta takes every file it has ever removed for one that is to go, and
    each time adds two commits to a log that whoever opens the table reads.
    """
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import FileSelector

    now = {"enforce_retention_duration": False}
    every = DeltaStorageHandler.from_table(table._table).get_file_info_selector(
        FileSelector("", recursive=True)
    )
    there = {one.path for one in every}
    if there & set(table.vacuum(0, **now)):
        table.vacuum(0, dry_run=False, **now)
    if there & set(table.vacuum(1, full=True, **now)):
        table.vacuum(1, full=True, dry_run=False, **now)


STATISTICS = {
    "rows": "event_time",
    "quarantine": "event_time",
    "answers": "event_time",
    "tags": "known_time",
    "snapshots": "event_time",
    "facets": "known_time",
}


def plain(table: pa.Table) -> pa.Table:
    """String views as strings, which is what pandas and scikit-learn read."""
    fields = [
        field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def literal(text: str) -> str:
    """A text as a literal of the lake's SQL."""
    return "'" + text.replace("'", "''") + "'"


def listed(texts: Iterable[str]) -> str:
    """Texts as what stands in the brackets of `IN`."""
    return ", ".join(map(literal, texts)) or "''"


def quoted(name: str) -> str:
    """A column's name in the lake's SQL."""
    return '"' + name.replace('"', '""') + '"'


def moment(time: datetime) -> str:
    """A timezone-aware time as a literal of the lake's SQL."""
    assert time.tzinfo is not None, f"{time} has no timezone"
    # Of the columns' own type: a deletion compares no nanoseconds with microseconds.
    text = time.astimezone(UTC).isoformat(timespec="microseconds")
    return f"arrow_cast('{text}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
