"""`python -m gateway.watch`: watches what is on trial, and goes back or on by itself."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from gateway.files import Files
from gateway.worker import die_with_parent
from opslayer.capability import Capability
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.steps import canary
from opslayer.steps.heard import Heard
from opslayer.stores import Stores

EVERY = 1.0
"""Seconds between two looks."""
SHARE = 0.2
"""Of one processor that looking may take: after a long look the next one waits longer."""
PATIENCE = 5.0
"""Seconds to the next look at a capability that could not be looked at."""


@dataclass(slots=True)
class Watcher:
    """Looks at every capability's trial, and remembers what it has heard so far."""

    files: Files
    stores: Stores
    tell: Callable[[str], None]
    _heard: dict[str, Heard] = field(default_factory=dict)
    """By what a trial is about."""
    _next: dict[str, float] = field(default_factory=dict)
    _faults: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Look once at whatever is due."""
        capabilities, _ = self.files.read()
        for capability in capabilities:
            begun = monotonic()
            if begun < self._next.get(capability.name, 0.0):
                continue
            pause = EVERY
            try:
                self._trial(capability)
                self._faults.pop(capability.name, None)
            except OpslayerError as error:
                pause = PATIENCE
                if self._faults.get(capability.name) != str(error):
                    self._faults[capability.name] = str(error)
                    self.tell(f"{capability.name}: {error}")
            took = monotonic() - begun
            self._next[capability.name] = monotonic() + max(pause, took / SHARE)

    def _trial(self, capability: Capability) -> None:
        trial = canary.under_way(capability, self.stores)
        if trial is None:
            for about in [one for one in self._heard if one.startswith(f"{capability.name}:")]:
                del self._heard[about]
            return
        about = f"{capability.name}:{trial.about}"
        heard = self._heard.setdefault(about, canary.listen(trial, self.stores))
        heard.listen(self.stores.events)
        outcome = canary.look(trial, heard)
        release = canary.act(trial, outcome, self.stores, datetime.now(UTC))
        if release is not None:
            self.tell(f"{capability.name}: release {release.number}: {release.reason}")


def run(watcher: Watcher, wait: Callable[[float], bool]) -> None:
    """Look again and again until `wait`, given seconds, says that it is time to stop."""
    while not wait(EVERY / 2):
        watcher.look()


def main() -> None:
    """Watch until SIGTERM or SIGINT, or until the process that started this one is gone."""
    die_with_parent()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    settings = Settings()
    watcher = Watcher(
        Files(settings.configs),
        Stores.at(settings),
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    run(watcher, stopped.wait)


if __name__ == "__main__":
    main()
