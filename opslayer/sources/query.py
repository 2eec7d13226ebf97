"""A source that is a SQL query, read along a column that only grows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Connection,
    NullPool,
    Select,
    column,
    create_engine,
    exc,
    make_url,
    or_,
    select,
    text,
)

from opslayer.capability import Capability, Source
from opslayer.errors import ConfigError, FileRefused, Problem
from opslayer.reach import Reach
from opslayer.sources import chunk as chunks
from opslayer.sources.chunk import Chunk, Fault, shortened
from opslayer.sources.contract import Layout, contract_of, typed
from opslayer.sources.database import held
from opslayer.sources.part import Part, Parts, Refusal
from opslayer.sources.seen import Seen
from opslayer.sources.values import column_of
from opslayer.stores.ledger.batches import Batch

VARIABLE = re.compile(r"\$\{(\w+)\}")
KINDS: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
}
"""Cursor values that JSON has no word for."""


@dataclass(frozen=True, slots=True)
class QueryFeed:
    """The rows of one query from the cursor's last value on, that value included: rows that came
    later with the same value are new, and the others are found in the lake by row id.
    """

    capability: Capability
    source: Source
    reach: Reach
    """Where its database may be."""

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.name

    def pieces(self, history: Sequence[Batch], elsewhere: bool) -> None:
        """None: where a part of a query ends is known when it was read."""
        del history, elsewhere

    def check(self) -> None:
        """Raises ConfigError where the url names a variable that is not set."""
        _ = self.url

    def parts(self, history: Sequence[Batch]) -> Parts:
        """New chunks in the cursor's order. A source that does not answer is one Refusal."""
        done = [batch.end["cursor"] for batch in history if batch.status == "done"]
        position = done[-1] if done else None
        try:
            with _connected(self.url, self.reach) as connection:
                if history and history[-1].status == "begun":
                    until = history[-1].end["cursor"]
                    yield from self._read(connection, position, until)
                    position = until
                yield from self._read(connection, position, None)
        except FileRefused as refused:
            yield Refusal(self.name, "query", str(refused))

    @property
    def url(self) -> str:
        """The database's URL with `${NAME}` read from the environment; raises ConfigError."""
        assert self.source.url is not None
        absent = [name for name in VARIABLE.findall(self.source.url) if name not in os.environ]
        if absent:
            place = f"{self.capability.name}.yaml", 0, f"sources.{self.name}.url"
            message = "is not set in the environment: set it, or write the URL without it"
            raise ConfigError([Problem(*place, f"{name} {message}") for name in absent])
        return VARIABLE.sub(lambda match: os.environ[match[1]], self.source.url)

    def _read(self, connection: Connection, after: Any, until: Any) -> Iterator[Part]:
        layout, seen = Layout.of(self.capability, self.source), Seen()
        streamed = connection.execution_options(stream_results=True, max_row_buffer=10_000)
        with streamed.execute(self._select(after, until)) as result:
            names = list(result.keys())
            cursor = self._check(names, layout)
            while rows := [tuple(row) for row in result.fetchmany(chunks.ROWS)]:
                values = [row[cursor] for row in rows if row[cursor] is not None]
                end = _written(values[-1]) if values else after
                chunk = self._chunk(names, rows, layout)
                yield Part(
                    {
                        "cursor": after,
                        "sha256": sha256(repr(rows).encode("utf-8", "replace")).hexdigest(),
                        "contract": contract_of(self.capability),
                    },
                    {"cursor": end},
                    typed(self.capability, layout, chunk, seen),
                    settled=end == after,
                )
                after = end

    def _select(self, after: Any, until: Any) -> Select[Any]:
        # A colon of the query's own is no parameter of ours.
        query = (self.source.query or "").strip().rstrip(";").replace(":", "\\:")
        found = select(text("*")).select_from(text(f"({query}) AS opslayer_source"))
        grows: ColumnClause[Any] = column(self.source.cursor or "")
        if after is not None:
            found = found.where(or_(grows >= _read_value(after), grows.is_(None)))
        if until is not None:
            found = found.where(or_(grows <= _read_value(until), grows.is_(None)))
        return found.order_by(grows)

    def _check(self, names: list[str], layout: Layout) -> int:
        needed = {*names} | {self.source.cursor}
        absent = [*layout.absent(self.capability, names), *sorted(needed - {*names}, key=str)]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems = [f"column {name} is missing" for name in dict.fromkeys(absent)]
        problems += [f"column {name} occurs twice" for name in twice]
        if problems:
            raise FileRefused(f"{'; '.join(problems)}. The query has {', '.join(names)}")
        return names.index(self.source.cursor or "")

    def _chunk(self, names: list[str], rows: list[tuple[Any, ...]], layout: Layout) -> Chunk:
        at = names.index(self.source.cursor or "")
        good = [row for row in rows if row[at] is not None]
        missing = f"{self.source.cursor}: missing"
        faults = [
            Fault("query", 0, self.source.cursor or "", missing, shortened(repr(row)))
            for row in rows
            if row[at] is None
        ]
        columns = {
            name: column_of([row[names.index(name)] for row in good])
            for name in layout.wanted(self.capability)
            if name in names
        }
        places = [f"query, {self.source.cursor}={row[at]}" for row in good]
        return Chunk(places, [0] * len(good), columns, faults)


@contextmanager
def _connected(url: str, reach: Reach) -> Iterator[Connection]:
    """A connection; whatever goes wrong is a FileRefused that never shows the password."""
    try:
        with create_engine(held(url, reach), poolclass=NullPool).connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        raise FileRefused(_hidden(url, f"the database says: {error.orig}")) from None
    except (exc.SQLAlchemyError, ImportError, ValueError) as error:
        raise FileRefused(_hidden(url, f"the url can't be used: {error}")) from None


def _hidden(url: str, message: str) -> str:
    try:
        password = make_url(url).password
    except exc.ArgumentError:
        return "the url can't be used: write it as SQLAlchemy wants it, dialect://user@host/name"
    return message.replace(password, "***") if password else message


def _written(value: Any) -> Any:
    """A cursor's value as JSON; raises FileRefused for a type that has no order to rely on."""
    for name, kind in (("datetime", datetime), ("date", date), ("decimal", Decimal)):
        if isinstance(value, kind):
            return {name: value.isoformat() if isinstance(value, date) else str(value)}
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    raise FileRefused(f"cursor values are {type(value).__name__}: use numbers, text or times")


def _read_value(written: Any) -> Any:
    if not isinstance(written, dict):
        return written
    ((name, value),) = written.items()
    return KINDS[name](value)
