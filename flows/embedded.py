"""Prefect inside this process, with nothing to set up: its database below the data folder.

Call `embed` before anything imports Prefect. Where PREFECT_API_URL names a server, that server is
used and nothing here changes it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SENDERS = ("EventsWorker", "APILogWorker")
"""Prefect's senders of events and log lines. They log under their bare names, outside of Prefect's
own level, and warn at the end of a run on a busy machine that they are not done yet."""


def embed(root: Path) -> None:
    """Point Prefect at a folder of ours unless the machine points it elsewhere, and keep its log
    lines off the terminal: they are on the run's page."""
    if "PREFECT_API_URL" not in os.environ:
        home = Path(os.environ.setdefault("PREFECT_HOME", str(root / "prefect")))
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes the folder, but not its parents
    # A cold start on two busy cores was seen to take 20 s; Prefect itself gives up at 20.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "opslayer")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    # Its server tells of what it tries again by itself, as a database that is busy for a moment.
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    for name in SENDERS:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def unwatched() -> Iterator[None]:
    """Run flows without a heartbeat, unless a server that outlives them was named.

    The embedded server ends with the process, so nobody is left to miss the heartbeat; and its
    thread sleeps in whole seconds, for which the end of every flow and subflow would wait.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    if "PREFECT_API_URL" in os.environ:
        yield
        return
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield
