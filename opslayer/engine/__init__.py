"""Where independent pieces of the batch half run: in this process, or on a Dask cluster.

Which one is a setting, `OPSLAYER_ENGINE_URL`; a step is handed an `Executor` and can't tell them
apart. A piece is an address: where its rows lie, never the rows. What it brings back is small.
"""

from __future__ import annotations

from opslayer.engine.executor import Executor
from opslayer.engine.local import HERE
from opslayer.settings import Settings

__all__ = ["HERE", "Executor", "executor_at"]


def executor_at(settings: Settings) -> Executor:
    """The executor that the settings name. Nothing is asked, and Dask not loaded, before its first
    `map`."""
    if settings.engine_url is None:
        return HERE
    from opslayer.engine.cluster import Cluster

    return Cluster(settings.engine_url, settings.lake)
