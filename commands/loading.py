"""What the gateway's processes load: begun before the command line is understood, since whoever
starts a gateway anew waits for nothing as long."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError

from commands import forked
from opslayer.settings import Settings

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Heard by the metrics' library while it is loaded."""


def environment(settings: Settings) -> dict[str, str]:
    """What the gateway's processes have in their environment beside ours: where workers count, for
    one page of all."""
    return {METRICS: str(settings.root / "gateway" / "metrics")}


def begin(settings: Settings) -> None:
    """Begin, if that was not done.

    What answers from trained models is loaded where some were served here before: a gateway that
    comes back needs them at once.
    """
    served = settings.root / "gateway" / "models"
    models = served.is_dir() and any(served.iterdir())
    forked.load(environment(settings), models=models)


def begin_early() -> None:
    """Begin with what the environment says; where it can't be read, its reader will tell."""
    with suppress(ValidationError, OSError):
        begin(Settings())
