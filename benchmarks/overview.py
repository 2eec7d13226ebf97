"""How long the console's overview takes while a million interactions lie in the log.

The log is written through the log's own door, so that what the page reads is what production leaves
behind; the page is asked for over HTTP, from a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np

from benchmarks.bars import Bar, finish, say
from gateway.listening import listen
from opslayer.records import Interaction, Release, Variant, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.journal import Entry

CALLS = int(os.environ.get("COUNT", "1000000"))
AT_ONCE = 10_000
ASKED = 100
WINDOWS = 300
SHOP = """\
name: {name}
kind: regression
inputs: {{size: {{type: number}}}}
target: price
training: {{estimator: sklearn.linear_model.Ridge}}
gate: {{metric: mae}}
"""
NAMES = ("shop", "yard", "desk")


def main() -> int:
    """Fill a log, then ask for the overview again and again."""
    with TemporaryDirectory() as folder:
        home, configs = Path(folder, "home"), Path(folder, "configs")
        (configs / "capabilities").mkdir(parents=True)
        stores = Stores.at(Settings(home=home, configs=configs))
        for name in NAMES:
            (configs / "capabilities" / f"{name}.yaml").write_text(SHOP.format(name=name))
            history(stores, name)
        fill(stores)
        with console(home, configs) as url:
            took = [seconds(url) for _ in range(ASKED)]
            shown = httpx.get(url, timeout=60).text
    counted = sum(f"{name}" in shown for name in NAMES)
    bars = [
        Bar("capabilities shown", counted, f">= {len(NAMES)}"),
        Bar("overview p95, ms", 1000 * float(np.quantile(took[1:], 0.95)), "<= 300"),
        Bar("overview first, ms", 1000 * took[0], "<= 3000"),
    ]
    return finish("overview", CALLS, bars)


def history(stores: Stores, name: str) -> None:
    """A release, and some years of judged windows."""
    start = datetime.now(UTC) - timedelta(weeks=WINDOWS)
    stores.ledger.releases.publish(
        Release(
            capability=name, number=1, parent=0, at=start, by="ann", reason="first",
            variants=(Variant(name="model-1", model_version=1),),
        )
    )  # fmt: skip
    for week in range(WINDOWS):
        at = start + timedelta(weeks=week)
        numbers = {
            "window": week, "metric": "mae", "value": 40 + week % 7, "low": 30.0, "high": 55.0,
            "start": at.isoformat(), "end": at.isoformat(), "labelled": 168, "rows": 168,
        }  # fmt: skip
        for kind, outcome in ((VerdictKind.QUALITY, "measured"), (VerdictKind.ALARM, "quiet")):
            verdict = Verdict(
                capability=name, kind=kind, about=f"window {week}", outcome=outcome, at=at,
                reason="as it was", numbers=numbers,
            )  # fmt: skip
            stores.ledger.verdicts.record(verdict)


def fill(stores: Stores) -> None:
    """A million calls of the last month."""
    begun, now = time.monotonic(), datetime.now(UTC)
    for first in range(0, CALLS, AT_ONCE):
        some = min(AT_ONCE, CALLS - first)
        entries = [call(first + place, now) for place in range(some)]
        stores.events.append_entries(entries, "benchmark")
        if (first // AT_ONCE) % 20 == 0:
            say(f"{first + some:,} calls after {time.monotonic() - begun:.0f} s")


def call(number: int, now: datetime) -> Entry:
    """One logged call."""
    name = NAMES[number % len(NAMES)]
    said = Interaction(
        id=f"{number:032}", capability=name, event_time=now - timedelta(seconds=2.5 * number),
        input={"size": float(number)}, output={"value": 1.0}, variant=f"model-{number % 4}",
        release=1, latency_ms=3.0, cost=0.0001,
    )  # fmt: skip
    return Entry("interaction", said.id, name, said.model_dump_json())


@contextmanager
def console(home: Path, configs: Path) -> Iterator[str]:
    """The console in a process of its own."""
    desk = listen("127.0.0.1", 0)
    url = "http://{}:{}".format(*desk.getsockname())
    own = {"OPSLAYER_HOME": str(home), "OPSLAYER_CONFIGS": str(configs)}
    command = [sys.executable, "-m", "console.worker", str(desk.fileno())]
    process = subprocess.Popen(command, env={**os.environ, **own}, pass_fds=(desk.fileno(),))
    try:
        httpx.get(f"{url}/healthz", timeout=60).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(30)
        desk.close()


def seconds(url: str) -> float:
    """How long one look at the overview takes."""
    begun = time.monotonic()
    httpx.get(url, timeout=60).raise_for_status()
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
