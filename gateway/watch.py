"""Watches trials and experiments, and goes back or on by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from opslayer.capability import Capability
from opslayer.configuration.folder import Files
from opslayer.errors import OpslayerError
from opslayer.settings import Settings
from opslayer.steps import canary, experiment, shadow
from opslayer.steps.canary import Trial
from opslayer.steps.heard import Heard, ear
from opslayer.steps.shadow import Shadowing
from opslayer.stop import stop_signal
from opslayer.stores import Stores

EVERY = 1.0
"""Seconds between two looks."""
SHARE = 0.2
"""Of one processor that looking may take: after a long look the next one waits longer."""
PATIENCE = 5.0
"""Seconds to the next look at a capability that could not be looked at."""


@dataclass(slots=True)
class Watcher:
    """Looks at what every capability tries, and remembers what it has heard."""

    files: Files
    stores: Stores
    tell: Callable[[str], None]
    _heard: dict[str, dict[str, Heard]] = field(default_factory=dict)
    """By capability and kind of what is watched there, then by what it is about."""
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
                self._shadow(capability)
                self._experiments(capability)
                self._faults.pop(capability.name, None)
            except Exception as error:  # whatever it is, the other capabilities are looked at
                pause = PATIENCE
                self._complain(capability.name, error)
            took = monotonic() - begun
            self._next[capability.name] = monotonic() + max(pause, took / SHARE)

    def _complain(self, name: str, error: Exception) -> None:
        """Tell a fault once, and in words of ours: another's text may hold what was said."""
        said = str(error) if isinstance(error, OpslayerError) else type(error).__name__
        if self._faults.get(name) != said:
            self._faults[name] = said
            self.tell(f"{name}: {said}")

    def _trial(self, capability: Capability) -> None:
        trial = canary.under_way(capability, self.stores)
        heard = self._ear(capability, "trial", trial)
        if trial is None or heard is None:
            return
        heard.listen(self.stores.events)
        outcome = canary.look(trial, heard)
        release = canary.act(trial, outcome, self.stores, datetime.now(UTC))
        if release is not None:
            self.tell(f"{capability.name}: release {release.number}: {release.reason}")

    def _shadow(self, capability: Capability) -> None:
        its = shadow.shadowing(capability, self.stores)
        heard = self._ear(capability, "shadow", its)
        if its is None or heard is None:
            return
        heard.listen(self.stores.events)
        kept = shadow.record(its, shadow.compare(its, heard), self.stores, datetime.now(UTC))
        if kept is not None:
            self.tell(f"{capability.name}: {kept.about} is {kept.outcome}: {kept.reason}")

    def _ear(
        self, capability: Capability, what: str, watched: Trial | Shadowing | None
    ) -> Heard | None:
        """What was heard of what is watched; what was watched before is forgotten."""
        known = self._heard.get(f"{capability.name} {what}", {})
        if watched is None:
            self._heard.pop(f"{capability.name} {what}", None)
            return None
        heard = known.get(watched.about) or ear(capability, self.stores, watched.begun)
        self._heard[f"{capability.name} {what}"] = {watched.about: heard}
        return heard

    def _experiments(self, capability: Capability) -> None:
        name = f"{capability.name} experiments"
        found = experiment.running(capability, self.stores, self._heard.get(name, {}))
        self._heard[name] = {run.about: run.heard for run in found}
        for run in found:
            run.heard.listen(self.stores.events)
            outcome = experiment.look(run)
            release = experiment.act(run, outcome, self.stores, datetime.now(UTC))
            if release is not None:
                self.tell(f"{capability.name}: release {release.number}: {release.reason}")
                return  # what serves has changed: the others are looked at from there


def run(watcher: Watcher, wait: Callable[[float], bool]) -> None:
    """Look again and again until `wait`, given seconds, says that it is time to stop."""
    while not wait(EVERY / 2):
        watcher.look()


def main() -> None:
    """Watch until SIGTERM or SIGINT."""
    stopped = stop_signal()
    settings = Settings()
    watcher = Watcher(
        Files(settings.configs),
        Stores.at(settings),
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    run(watcher, stopped.wait)
