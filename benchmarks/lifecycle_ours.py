"""Our side of `lifecycle`: the flows of a person's first day, everything at its default."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from importlib import import_module
from typing import Any

from benchmarks.bars import say
from benchmarks.lifecycle import START_UP
from commands import leave

SHARED = (
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "great_expectations",
    "evidently",
    "skops.io",
    "sklearn.ensemble",
    "matplotlib.figure",
)
"""Imported by both sides sooner or later: here before Prefect starts, whose server shares
SQLAlchemy and FastAPI with them. Left for later, they would hide in the start-up, not counted.
"""
OWN_CHECKS = ("label-copy", "label-hint", "too-many-levels", "column")
"""Checks that are no expectation of Great Expectations."""


def live(orders: list[list[str]]) -> None:
    """Train, release and watch each capability, with Prefect inside this process."""
    from flows.embedded import embed, unwatched
    from opslayer.settings import Settings

    embed(Settings().root)
    for name in SHARED:
        import_module(name)
    from flows.train_model import train_model
    from flows.watch_production import watch_production

    say("phase imports")
    seen = {}
    with unwatched():
        _start_prefect()
        say(f"phase {START_UP}")
        for name, train_at, watch_at in orders:
            train_model(name, as_of=datetime.fromisoformat(train_at))
            say(f"phase train {name}")
            seen[name] = watch_production(name, as_of=datetime.fromisoformat(watch_at))
            say(f"phase watch {name}")
    say(f"facts {json.dumps({name: _facts(name, watched) for name, watched in seen.items()})}")


def _start_prefect() -> None:
    from prefect import flow

    @flow
    def nothing() -> None:
        """The first flow of a process starts the server."""

    nothing()


def _facts(name: str, watched: Any) -> dict[str, Any]:
    """What came of a life, as the bare side tells it too."""
    from opslayer.records import VerdictKind
    from opslayer.settings import Settings
    from opslayer.stores import Stores

    stores = Stores.at(Settings())
    (release,) = stores.ledger.releases.all(name)
    (version,) = stores.ledger.versions.all(name)
    assert release.champion.model_version == version.version
    (validation,) = stores.ledger.verdicts.list(name, VerdictKind.VALIDATION)
    judged = [check["code"] for check in validation.numbers["checks"]]
    measured = [v.numbers["value"] for v in watched.verdicts if v.outcome == "measured"]
    return {
        "rows": stores.ledger.snapshots.get(name, version.snapshot).rows,
        "expectations": sum(code not in OWN_CHECKS for code in judged),
        "exam": stores.ledger.snapshots.get(name, version.exam).rows,
        "accuracy": round(version.metrics["accuracy"], 4),
        "windows": [round(value, 4) for value in measured],
        "pages": len(list(stores.reports.root.rglob(f"{name}/drift/*/evidently.html"))),
    }


if __name__ == "__main__":
    live(json.loads(sys.argv[2]))
    leave(0)  # as every `opslayer` command does
