"""A gateway that is started while a store is away, on a home where one has run before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.bars import Bar, say
from benchmarks.callers import Called
from tests.serving import serving

CALLS = 50
STRANGER = "ops_" + "x" * 43
"""As a key looks, and nobody's."""


@dataclass(frozen=True)
class Replica:
    """Beside the gateway that runs all the time: it runs only to be started."""

    home: Path
    configs: Path
    key: str

    def warm(self) -> None:
        """Let it load what serves now, and see it answer."""
        with serving(self.home, self.configs) as gateway, httpx.Client(timeout=30) as client:
            Called(gateway.url, self.key).ask(client).raise_for_status()

    def start(self, name: str, degraded: bool) -> Iterator[Bar]:
        """Start it now; the bars of a fault. `degraded`: whether it has to say that it is."""
        with (
            serving(self.home, self.configs, ready=False) as gateway,
            httpx.Client(timeout=30) as client,
        ):
            said = [Called(gateway.url, self.key).ask(client) for _ in range(CALLS)]
            strange = [Called(gateway.url, STRANGER).ask(client) for _ in range(5)]
            ready = client.get(f"{gateway.url}/readyz")
            alive = client.get(f"{gateway.url}/healthz")
        for why in sorted({one.text[:200] for one in said + strange if one.status_code != 200}):
            say(f"{name}: started cold: {why}")
        say(f"{name}: started cold: {ready.json()['status']} {ready.json()['faults']}")
        wrong = sum(one.status_code != 200 for one in said)
        yield Bar(f"{name}_cold_not_answered", wrong, "<= 0", of=CALLS)
        fell = sum("x-opslayer-fallback" in one.headers for one in said)
        yield Bar(f"{name}_cold_fell_back", fell, "<= 0", of=CALLS)
        let_in = sum(one.status_code not in (401, 503) for one in strange)
        yield Bar(f"{name}_cold_strangers_let_in", let_in, "<= 0", of=len(strange))
        well = ready.status_code == alive.status_code == 200
        told = ready.json()["status"] == "degraded" or not degraded
        yield Bar(f"{name}_cold_ready_and_says_so", int(well and told), "== 1")
