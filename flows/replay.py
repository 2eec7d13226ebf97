"""Live a capability's past again, in simulated time, with nobody touching anything.

The first rows are its history: ingested, validated, trained on, released. Then window after
window the application asks, the release answers, the true values come as late as the data says,
and `watch_production` decides. The same flows run in production; only the clock is ours.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ruamel.yaml import YAML

from opslayer.capability import Capability
from opslayer.configuration import load_all, load_capability
from opslayer.judgement.losses import row_losses
from opslayer.records import Feedback, FeedbackKind, Verdict
from opslayer.settings import Settings
from opslayer.steps.answer import answer
from opslayer.steps.observe import Span, observe
from opslayer.steps.past import read_past, windows
from opslayer.steps.predict import score
from opslayer.stores import Stores
from opslayer.windows import window_bounds

WRITER = "replay"


@dataclass(frozen=True)
class Past:
    """What will be lived: rows sorted by event_time, and where the demo keeps its things."""

    capability: Capability
    stores: Stores
    rows: pd.DataFrame
    """row_id, event_time, the inputs, label, known_time (of the label; NaT where there is none)."""
    start: int
    """First window lived; what lies before it is history."""
    end: int
    """First window that is not whole any more."""

    def moment(self, window: int) -> datetime:
        """When a window is watched: its end, and the usual delay of its labels."""
        return (
            window_bounds(window, self.capability.monitor.window)[1] + self.capability.labels.delay
        )


@dataclass(frozen=True)
class Step:
    """One window lived through."""

    window: int
    start: datetime
    loop: NDArray[np.float64]
    """Row losses of what was served: 0 or 1 for classification, |error| for regression."""
    never: NDArray[np.float64]
    """Row losses of the first release's model on the same rows."""
    release: int
    """The release that serves after it."""
    verdicts: tuple[Verdict, ...]


def prepare(name: str, settings: Settings, folder: Path) -> Past:
    """Read a capability's whole past and lay out a fresh installation for it below `folder`.

    `folder` is emptied first. The installation gets the capability's own file with one source:
    the history. From here on this process's OPSLAYER_* settings name that installation.
    Raises NotEnoughData where the past is too short to live.
    """
    shutil.rmtree(folder, ignore_errors=True)
    capability = load_capability(name, settings.configs)
    rows = read_past(capability, folder / "staging")
    width = capability.monitor.window
    start, end = windows(capability, rows["event_time"])
    begin = window_bounds(start, width)[0]
    history = rows["event_time"] < begin
    own = _lay_out(capability, settings, folder, rows[history])
    return Past(own, Stores.at(Settings()), rows[~history].reset_index(drop=True), start, end)


def _lay_out(
    capability: Capability, settings: Settings, folder: Path, history: pd.DataFrame
) -> Capability:
    configs = folder / "configs" / "capabilities"
    configs.mkdir(parents=True)
    feed = folder / "history.parquet"
    table = history.rename(columns={"label": capability.target})
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), feed)
    yaml = YAML()
    written = yaml.load(settings.configs / "capabilities" / f"{capability.name}.yaml")
    written["sources"] = [
        {
            "name": "history",
            "path": str(feed),
            "id": "row_id",
            "event_time": "event_time",
            "known_time": "known_time",
        }
    ]
    yaml.dump(written, configs / f"{capability.name}.yaml")
    for unset in ("OPSLAYER_DATABASE_URL", "OPSLAYER_LAKE_URL", "OPSLAYER_MLFLOW_URL"):
        os.environ.pop(unset, None)
    os.environ |= {"OPSLAYER_HOME": str(folder), "OPSLAYER_CONFIGS": str(folder / "configs")}
    return load_capability(capability.name, folder / "configs")


def live(past: Past) -> Iterator[Step]:
    """Train on the history, then live every window; yields after each. Needs Prefect's flows."""
    from flows.train_model import train_model

    name, clock = past.capability.name, window_bounds(past.start, past.capability.monitor.window)[0]
    train_model(name, as_of=clock, by="replay")
    for window in range(past.start, past.end):
        yield _live(past, window, clock)
        clock = past.moment(window)


def join(past: Past, configs: Path) -> list[Capability]:
    """Train every other capability of a folder into the replay's installation, from its own
    sources. Returns what can be called: all but the guards' own models."""
    from flows.train_model import train_model

    folder = past.stores.reports.root.parent / "configs" / "capabilities"
    for path in sorted((configs / "capabilities").glob("*.yaml")):
        if path.stem == past.capability.name:
            continue
        shutil.copyfile(path, folder / path.name)
        capability = load_capability(path.stem, folder.parent)
        if capability.predictor:
            train_model(capability.name, by="replay")
    return [one for one in load_all(folder.parent) if not one.name.startswith("guard-")]


def _live(past: Past, window: int, clock: datetime) -> Step:
    from flows.watch_production import watch_production

    now = past.moment(window)
    happen(past, clock, now)
    watched = watch_production(past.capability.name, as_of=now)
    return _account(past, window, tuple(watched.verdicts))


def happen(past: Past, after: datetime, until: datetime) -> None:
    """What the world does between two moments: the application asks and is answered by what serves,
    and true values come in."""
    asked = past.rows[past.rows["event_time"].between(after, until, inclusive="left")]
    answer(past.capability, asked, past.stores, WRITER)
    past.stores.events.append(_feedback(past, after, until), WRITER)


def _feedback(past: Past, after: datetime, until: datetime) -> list[Feedback]:
    known = past.rows["known_time"]
    return [
        Feedback(
            id=f"true-{row.row_id}",
            capability=past.capability.name,
            interaction_id=row.row_id,
            kind=FeedbackKind.TRUE_VALUE,
            value=row.label,
            event_time=row.event_time,
            known_time=row.known_time,
        )
        for row in past.rows[(known > after) & (known <= until)].itertuples()
    ]


def _account(past: Past, window: int, verdicts: tuple[Verdict, ...]) -> Step:
    stores, capability = past.stores, past.capability
    span = Span(*window_bounds(window, capability.monitor.window))
    rows = observe(capability, stores, span, past.moment(window)).labelled
    first = stores.ledger.versions.all(capability.name)[0]
    never = score(capability, first, rows.features, stores).values
    truth, kind = rows.label.to_numpy(), capability.task
    release = stores.ledger.releases.serving(capability.name)
    assert release is not None
    return Step(
        window=window,
        start=span.since,
        loop=row_losses(truth, rows.served.to_numpy(), kind),
        never=row_losses(truth, never, kind),
        release=release.number,
        verdicts=verdicts,
    )
