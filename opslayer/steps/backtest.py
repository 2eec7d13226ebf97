"""Backtest: what each retraining policy would have made of a capability's own past."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from opslayer.capability import Capability, Kind, Metric, Retrain
from opslayer.engine import HERE, Executor
from opslayer.errors import NotEnoughData
from opslayer.frame import Frame
from opslayer.steps.past import laid_out_as_first, read_past, whole, windows
from opslayer.stores import Stores
from opslayer.stores.lake import INPUT
from opslayer.windows import window_indices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

    from opslayer.engine.lent import Lent
    from opslayer.judgement.backtest import Lived, Past
    from opslayer.judgement.losses import Reals
    from opslayer.learners.prediction import Prediction

OWN = ("row_ids", "target", "event_time", "known_time")
"""The members of a frame that are one column each."""


@dataclass(frozen=True)
class Tested:
    """Every policy's life through one past, the cheapest first."""

    lived: tuple[Lived, ...]
    picked: Lived
    values: tuple[float | None, ...]
    """The gate's metric over all answers of each policy, in the order of `lived`."""
    late: int
    """Windows after its begin when a window's labels are known."""
    windows: int
    rows: int
    """Labelled rows that were answered."""


def backtest(
    capability: Capability,
    rows: Frame,
    rules: Retrain,
    late: int | None = None,
    executor: Executor = HERE,
) -> Tested:
    """Live labelled rows again under never, always, every-k, on-drop and pays.

    `rows`: as `own_past` or `past_in` gives them; `rules`: the file's, or others to try. `late`: in
    which window after its begin a window's labels are known; by default what `labels.delay` says.
    Where `executor` works elsewhere, it trains there at once what is trained whatever comes.
    Raises NotEnoughData for a past without a whole window, Refused where nothing can be learnt,
    StoreError where the engine is away.
    """
    from opslayer.judgement.backtest import candidates, compare, foreseen, pick

    usual = 1 + capability.labels.delay // capability.monitor.window
    late = usual if late is None else late
    past = _past(capability, rows)
    if executor.elsewhere:
        _train_ahead(past, (capability, rows), foreseen(past, candidates(rules), late), executor)
    lived = tuple(compare(past, candidates(rules), late))
    return Tested(
        lived=lived,
        picked=pick(lived),
        values=tuple(_value(capability.metric, past, one, rows) for one in lived),
        late=late,
        windows=past.windows,
        rows=past.starts[-1] - past.starts[0],
    )


def own_past(capability: Capability, stores: Stores, as_of: datetime) -> Frame:
    """The labelled rows of a capability's log; where nothing was taken in yet, of its sources."""
    seen = whole(capability, stores, as_of).labelled
    if not len(seen):
        with tempfile.TemporaryDirectory() as folder:
            return _frame(capability, read_past(capability, Path(folder, "staging")))
    table = pd.DataFrame({"row_id": seen.row_ids, "event_time": seen.event_time})
    return _frame(capability, pd.concat([table, seen.features], axis=1).assign(label=seen.label))


def past_in(capability: Capability, file: Path) -> Frame:
    """The labelled rows of a file that is laid out as the capability's first source.

    Raises Refused where the capability reads no file, and what `ingest` raises of a bad one.
    """
    alone = laid_out_as_first(capability, str(file))
    with tempfile.TemporaryDirectory() as folder:
        return _frame(alone, read_past(alone, Path(folder, "staging")))


def _frame(capability: Capability, table: pd.DataFrame) -> Frame:
    table = table[table["label"].notna()].reset_index(drop=True)
    if not len(table):
        raise NotEnoughData(f"{capability.name}: no row of its past has a label")
    return Frame(
        row_ids=table["row_id"],
        features=table[list(capability.columns)],
        target=table["label"],
        event_time=table["event_time"],
        known_time=table["event_time"],
    )


@dataclass
class _Model:
    """A fitted pipeline, and what it said of each window by the window's first row and end."""

    pipeline: Any
    said: dict[tuple[int, int], Prediction] = field(default_factory=dict)


def _past(capability: Capability, rows: Frame) -> Past:
    from opslayer.judgement.backtest import Past
    from opslayer.judgement.losses import row_losses, typical_deviation
    from opslayer.learners import tabular

    first, end = windows(capability, rows.event_time)
    index = window_indices(rows.event_time, capability.monitor.window)
    starts = tuple(int(row) for row in np.searchsorted(index, range(first, end + 1)))
    truth, kind = rows.target.to_numpy(), capability.task
    scale = typical_deviation(truth[: starts[0]]) if kind is Kind.REGRESSION else 1.0

    def fit(part: slice) -> _Model:
        return _Model(tabular.fit(capability, _part(rows, part)))

    def losses(model: _Model, part: slice) -> Reals:
        said = tabular.predict(model.pipeline, rows.features[part])
        model.said[part.start, part.stop] = said
        return row_losses(truth[part], said.values, kind, scale)

    return Past(starts, fit, losses, capability.monitor.window)


def _train_ahead(
    past: Past, on: tuple[Capability, Frame], parts: Mapping[int, slice], executor: Executor
) -> None:
    """Train models on the executor, by version; the largest first, so that none ends alone."""
    capability, rows = on
    versions = sorted(parts, key=lambda version: parts[version].start - parts[version].stop)
    with executor.lend(_table(rows)) as lent:
        fitted = executor.map(
            partial(_fit, capability, lent),
            [(parts[version].start, parts[version].stop) for version in versions],
            name=lambda part: f"a training on the rows {part[0]} to {part[1]}",
        )
        past.give({version: _Model(one) for version, one in zip(versions, fitted, strict=True)})


def _fit(capability: Capability, lent: Lent, part: tuple[int, int]) -> Pipeline:
    """A model of some of the lent rows."""
    from opslayer.learners import tabular

    begin, end = part
    return tabular.fit(capability, _frame_of(lent.table().slice(begin, end - begin)))


def _table(rows: Frame) -> pa.Table:
    columns = {name: getattr(rows, name) for name in OWN}
    columns |= {INPUT + str(name): column for name, column in rows.features.items()}
    return pa.table({name: pa.Array.from_pandas(column) for name, column in columns.items()})


def _frame_of(table: pa.Table) -> Frame:
    """The frame that `_table` was made of, or some rows of one."""
    own = {name: table.column(name).to_pandas() for name in OWN}
    inputs = [name for name in table.column_names if name.startswith(INPUT)]
    features = {name.removeprefix(INPUT): _column(table.column(name)) for name in inputs}
    return Frame(features=pd.DataFrame(features), **own)


def _column(values: pa.ChunkedArray) -> pd.Series[Any]:
    if pa.types.is_floating(values.type):
        return values.to_pandas()
    return pd.Series(values.to_pylist(), dtype=object)


def _part(rows: Frame, part: slice) -> Frame:
    return Frame(
        row_ids=rows.row_ids[part],
        features=rows.features[part],
        target=rows.target[part],
        event_time=rows.event_time[part],
        known_time=rows.known_time[part],
    )


def _value(metric: Metric, past: Past, lived: Lived, rows: Frame) -> float | None:
    """The metric over everything that was answered."""
    from opslayer.judgement import losses

    truth, said = [], []
    for window, version in enumerate(lived.served):
        part = past.rows(window)
        truth.append(rows.target.to_numpy()[part])
        said.append(past.model(version).said[part.start, part.stop])
    if metric is Metric.F1:
        values = losses.Answers(np.concatenate([one.values for one in said]))
        return losses.metric(metric, np.concatenate(truth), values)
    return losses.aggregate(metric, _joined(metric, truth, said))


def _joined(metric: Metric, truth: Sequence[Any], said: Sequence[Prediction]) -> Reals:
    """Row losses window by window: models that served in turn may know different classes."""
    from opslayer.judgement.losses import Answers, metric_losses

    parts = [
        metric_losses(metric, true, Answers(one.values, one.probabilities, one.classes))
        for true, one in zip(truth, said, strict=True)
    ]
    return np.concatenate(parts)
