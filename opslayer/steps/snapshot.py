"""Snapshots: immutable sets of labelled rows, named by their content.

**The digest** is SHA-256 over these bytes (integers little-endian; `text` = its UTF-8 length as
uint64, then the UTF-8 bytes):

    "opslayer snapshot 1\\n" · text capability · text recipe · uint64 rows · uint64 columns
    per column: text name · text type · one byte per row (1 present, 0 missing) · values
      float64: 8 bytes per row, IEEE 754; missing (null and every NaN): zero bytes
      string:  uint64 length of every row in bytes (missing: 0), then all UTF-8 bytes joined
      time:    int64 per row, microseconds since 1970-01-01T00:00Z

Rows are sorted by (event_time, row_id by its UTF-8 bytes). Columns: row_id, event_time, known_time,
label, then the inputs, prefixed with `in:`, in the contract's order.

**The exam** is held back by time: rows with event_time >= cut. Rows that all share one moment have
no order in time, so one moment can be divided too: of the rows exactly one microsecond before the
cut, a fixed fifth (by hash of row_id) belongs to the exam. A model trained before a cut has
therefore seen no row of any exam at that or a later cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from opslayer.capability import Capability
from opslayer.errors import NotEnoughData, StoreError
from opslayer.frame import Frame
from opslayer.records import Expired, Recipe, Snapshot, Version, digest_of
from opslayer.steps.inputs import read_inputs
from opslayer.steps.labels import labels
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT, MOMENT, Once, moment, schema
from opslayer.windows import EPOCH

LEAST = 60
"""Labelled rows below which nothing is trained: 42 to learn from and 18 to judge by."""
MOST = 0.3
"""Largest share of the labelled rows that an exam holds back."""
FEW = 0.1
"""Share below which an exam of whole blocks (or whole moments) is too small to be one."""
FIFTH = 0.2
"""Share of a divided moment that goes to the exam; with `FEW` before it still below `MOST`."""
TICK = timedelta(microseconds=1)


def split(capability: Capability, stores: Stores, as_of: datetime, wanted: int) -> datetime:
    """The cut: the first event_time that belongs to the exam.

    The exam is the newest whole blocks of `gate.block` with at least `wanted` labelled rows; where
    that would be more than 30 % of them, the most whole blocks within 30 %. Blocks too coarse for
    an exam of 10 % (or of `wanted`, if that is less) are divided by time, and a moment that is too
    large itself by hash (see the module). The cut never moves back before that
    of a version trained by then, so no exam holds a row that a model has seen.

    Raises NotEnoughData where fewer than 60 labelled rows are known, or none since the last cut.
    """
    known = labels(capability, stores, as_of)
    if len(known) < LEAST:
        raise NotEnoughData(
            f"{capability.name}: {len(known)} labelled rows are known at {as_of.isoformat()} and a "
            f"training needs {LEAST}: {LEAST - len(known)} are missing"
        )
    assert capability.gate is not None
    newest = _newest(known["event_time"], capability.gate.block, wanted)
    cut = max([newest, *(version.cut for version in _trained(capability, stores, as_of))])
    if not _held_back(known, cut).any():
        raise NotEnoughData(
            f"{capability.name}: no labelled row since {cut.isoformat()}, where the exam of the "
            f"last training began: at least 1 is missing"
        )
    return cut


def take(
    capability: Capability, stores: Stores, as_of: datetime, recipe: Recipe, cut: datetime
) -> Snapshot:
    """Make the snapshot of a recipe from the labels known at `as_of`, and record it.

    ALL: the labelled rows before the cut. LAST: the newest of them, as many as the capability's
    first version was trained on. EXAM: those from the cut on. Content that was there before is not
    written again, and its first record is returned. Raises NotEnoughData where no row is left.
    """
    horizons = stores.ledger.expiries.horizons(capability.name)
    chosen = _choose(capability, stores, as_of, recipe, cut)
    if not len(chosen):
        side = "from" if recipe is Recipe.EXAM else "before"
        raise NotEnoughData(
            f"{capability.name}: no labelled row {side} {cut.isoformat()} is known at "
            f"{as_of.isoformat()}: at least 1 is missing"
        )
    content = _content(capability, stores, chosen, capability.columns)
    digest = content_digest(content, capability.name, recipe)
    _keep(capability, stores, digest, content)
    times = pc.min_max(content["event_time"]).as_py()
    kept = stores.ledger.snapshots.add(
        Snapshot(
            capability=capability.name,
            digest=digest,
            recipe=recipe,
            as_of=as_of,
            since=times["min"],
            until=times["max"] + TICK if recipe is Recipe.EXAM else cut,
            rows=content.num_rows,
            columns=capability.columns,
            tables=stores.lake.versions(capability, ("rows", "snapshots")),
        )
    )
    _take_back_erased(capability, content, stores)
    if stores.ledger.expiries.horizons(capability.name) != horizons:
        mend(capability, [kept.digest], stores)
        raise StoreError(f"{capability.name}: rows expired meanwhile: train again")
    return kept


def _take_back_erased(capability: Capability, content: pa.Table, stores: Stores) -> None:
    """Remove rows of somebody who was erased while they were written. An erasure names what it
    removes before it looks: either it finds what was written here, or it is seen here."""
    gone = stores.ledger.erasures.among(content["row_id"].to_pylist())
    if gone:
        stores.lake.remove(capability, "snapshots", ids=gone)
        raise StoreError(f"{capability.name}: somebody was erased meanwhile: train again")


def load(capability: Capability, digest: str, stores: Stores) -> Frame:
    """Rebuild a snapshot from the lake, with the columns it was taken with; without the rows that
    were erased since, or have expired.

    Raises NotFound for an unknown digest and StoreError where the lake no longer holds its content.
    """
    record = stores.ledger.snapshots.get(capability.name, digest)
    content = held(capability, record, stores)
    made = content_digest(content, record.capability, record.recipe)
    if made != (record.left or record.digest):
        raise StoreError(
            f"{capability.name}: snapshot {record.digest} can't be rebuilt: the lake holds "
            f"{content.num_rows} of its {record.rows} rows, or they differ from what was taken. "
            "Restore the lake from a backup, or train again"
        )
    return _frame(content, record.columns)


def held(capability: Capability, record: Snapshot, stores: Stores) -> pa.Table:
    """What the lake holds of a snapshot, sorted as it is hashed."""
    sql = f"""
        SELECT DISTINCT row_id, label, event_time, known_time FROM snapshots
        WHERE snapshot = '{record.digest}' AND event_time >= {moment(record.since)}
          AND event_time < {moment(record.until)}
    """  # noqa: S608 - a digest and times from our own ledger
    chosen = stores.lake.query(capability, sql, ("snapshots",))
    return _content(capability, stores, chosen, record.columns)


def mend(
    capability: Capability, digests: Iterable[str], stores: Stores, expired: Expired | None = None
) -> None:
    """Say in the ledger what is left of snapshots that rows were removed from, and what retention
    took of them if it did."""
    for record in stores.ledger.snapshots.of(capability.name, digests):
        content = held(capability, record, stores)
        left, gone = content_digest(content, record.capability, record.recipe), record.expired
        if expired is not None and record.rows > content.num_rows:
            gone = expired.model_copy(update={"rows": record.taken - content.num_rows})
        update = {"left": left, "rows": content.num_rows, "expired": gone}
        stores.ledger.snapshots.replace(record.model_copy(update=update))


def content_digest(content: pa.Table, capability: str, recipe: Recipe) -> str:
    """The digest of sorted content, 64 hex digits, by the format in the module's description."""
    sha = sha256(b"opslayer snapshot 1\n")
    sha.update(_text(capability) + _text(recipe.value))
    sha.update(np.array([content.num_rows, content.num_columns], dtype="<u8").tobytes())
    for name in content.column_names:
        for part in (_text(name), *_canonical(content[name])):
            sha.update(part)
    return sha.hexdigest()


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(8, "little") + raw


def _canonical(column: pa.ChunkedArray) -> tuple[bytes, ...]:
    """Type, validity and values of a column as bytes."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy().astype("<f8")
        present = ~np.isnan(numbers)
        values = np.where(present, numbers, 0.0).astype("<f8").tobytes()
        return _text("float64"), present.astype("u1").tobytes(), values
    present = column.is_valid().to_numpy().astype("u1").tobytes()
    if pa.types.is_timestamp(column.type):
        micros = column.cast(MOMENT).cast(pa.int64()).to_numpy().astype("<i8")
        return _text("time"), present, micros.tobytes()
    texts = column.fill_null("")
    lengths = pc.binary_length(texts).to_numpy().astype("<u8")
    return _text("string"), present, lengths.tobytes(), "".join(texts.to_pylist()).encode()


def _newest(times: pd.Series[pd.Timestamp], block: timedelta, wanted: int) -> datetime:
    """Where the exam should begin, from sorted event times alone."""
    total, most = len(times), int(MOST * len(times))
    few = min(wanted, FEW * total)
    for key in ((times - EPOCH) // block, times):
        starts = np.flatnonzero(key.ne(key.shift()).to_numpy())
        sizes = total - starts  # rows from each start on, shrinking
        fitting = starts[(sizes <= most) & (sizes >= few)]
        if len(fitting):
            enough = fitting[total - fitting >= wanted]
            at = enough[-1] if len(enough) else fitting[0]
            return _datetime(times.iloc[at])
    return _datetime(times.iloc[starts[sizes > most][-1]]) + TICK


def _datetime(time: pd.Timestamp) -> datetime:
    return time.to_pydatetime()  # type: ignore[no-any-return]


def _trained(capability: Capability, stores: Stores, as_of: datetime) -> list[Version]:
    """Versions that were there at `as_of`, oldest first."""
    every = stores.ledger.versions.all(capability.name)
    return [version for version in every if version.trained_at <= as_of]


def _held_back(labelled: pd.DataFrame, cut: datetime) -> pd.Series[bool]:
    """Which labelled rows belong to the exam at a cut."""
    held = (labelled["event_time"] >= cut).to_numpy(copy=True)
    divided = (labelled["event_time"] == cut - TICK).to_numpy()
    drawn = (int(digest_of("exam", row_id), 16) for row_id in labelled.loc[divided, "row_id"])
    held[divided] = [number < FIFTH * 2**64 for number in drawn]
    return pd.Series(held, labelled.index)


def _choose(
    capability: Capability, stores: Stores, as_of: datetime, recipe: Recipe, cut: datetime
) -> pa.Table:
    """row_id, label, event_time and known_time of the rows of a recipe."""
    if recipe is Recipe.EXAM:
        known = labels(capability, stores, as_of, since=cut - TICK)
        chosen = known[_held_back(known, cut)]
    else:
        known = labels(capability, stores, as_of, until=cut)
        chosen = known[~_held_back(known, cut)]
    if recipe is Recipe.LAST:
        chosen = chosen.tail(_first_length(capability, stores, as_of, len(chosen)))
    fields = [f for f in schema(capability, "snapshots") if f.name != "snapshot"]
    chosen = chosen.rename(columns={"value": "label"})
    return pa.Table.from_pandas(chosen, pa.schema(fields), preserve_index=False)


def _first_length(capability: Capability, stores: Stores, as_of: datetime, otherwise: int) -> int:
    """How many rows the capability's first version was trained on."""
    trained = _trained(capability, stores, as_of)
    if not trained:
        return otherwise
    return stores.ledger.snapshots.get(capability.name, trained[0].snapshot).taken


def _content(
    capability: Capability, stores: Stores, chosen: pa.Table, columns: tuple[str, ...]
) -> pa.Table:
    """The chosen rows with their inputs, sorted; without those the lake doesn't hold."""
    times = pc.min_max(chosen["event_time"]).as_py()
    since, last = times["min"] or EPOCH, times["max"] or EPOCH
    where = f"event_time >= {moment(since)} AND event_time <= {moment(last)}"
    rows = read_inputs(capability, stores, columns, where)
    at = pc.index_in(chosen["row_id"], value_set=rows["row_id"].combine_chunks())
    content = chosen.select(["row_id", "event_time", "known_time", "label"])
    for name in columns:
        content = content.append_column(INPUT + name, rows[INPUT + name].take(at))
    content = content.filter(at.is_valid())
    return content.sort_by([("event_time", "ascending"), ("row_id", "ascending")])


def _keep(capability: Capability, stores: Stores, digest: str, content: pa.Table) -> None:
    data = content.append_column("snapshot", pa.array([digest] * content.num_rows, pa.string()))
    stores.lake.append(capability, "snapshots", data, Once(f"snapshot-{digest}", 1))


def _frame(content: pa.Table, columns: tuple[str, ...]) -> Frame:
    features = {name: _series(content[INPUT + name]) for name in columns}
    return Frame(
        row_ids=content["row_id"].to_pandas(),
        features=pd.DataFrame(features, columns=list(columns)),
        target=_series(content["label"]),
        event_time=content["event_time"].to_pandas(),
        known_time=content["known_time"].to_pandas(),
    )


def _series(column: pa.ChunkedArray) -> pd.Series[float] | pd.Series[str]:
    """Numbers as float64 with NaN for missing, texts as objects with None."""
    numeric = pa.types.is_floating(column.type)
    return pd.Series(column.to_numpy(), dtype="float64" if numeric else object)
