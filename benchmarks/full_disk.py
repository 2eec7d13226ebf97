"""P5: a full disk refuses calls, loses none, and is forgotten as soon as there is room.

A gateway's whole data folder lies on a file system of 8 MB, while callers call all the time.
Another program fills it to its last block; some seconds later it clears up. Nothing is started
anew. In the end the callers' history is joined with `opslayer export`. `ROUNDS=3` for a quick look;
only root can mount the file system.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.bars import Bar, finish, say
from benchmarks.crash import FILE, export
from benchmarks.gateway import free_port, module, running

ROUNDS = int(os.environ.get("ROUNDS", "10"))
ROOM = 8 * 2**20
CALLERS = 4
FULL = 3.0
"""Seconds for which nobody is answered, until there is room again: what the gateway had taken of
the disk before is used up first."""
TEXT = "Where is my bike? " * 30


@dataclass
class History:
    """What the callers saw."""

    answered: list[str] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    untold: int = 0
    """Refusals that are none of a full disk, or do not say when to come again."""
    last: float = 0.0
    """When a call was answered last."""
    stop: threading.Event = field(default_factory=threading.Event)


def call(url: str, history: History) -> None:
    """Call again and again."""
    body = {"model": "desk", "messages": [{"role": "user", "content": TEXT}]}
    with httpx.Client(base_url=url, timeout=30) as http:
        while not history.stop.is_set():
            try:
                said = http.post("/v1/chat/completions", json=body)
            except httpx.TransportError:
                history.refused[0] += 1
                history.untold += 1
                continue
            if said.status_code == 200:
                history.answered.append(said.headers["x-opslayer-interaction"])
                history.last = time.monotonic()
            else:
                history.refused[said.status_code] += 1
                fit = said.status_code in (503, 507) and "retry-after" in said.headers
                history.untold += not fit
            time.sleep(0.05)


def fill(disk: Path) -> Path:
    """Take all that is left."""
    other = disk / "other"
    with other.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return other


def rounds(disk: Path, history: History) -> tuple[int, list[float]]:
    """Fill and free; how often that refused nobody, and seconds until a call was answered again."""
    never, back = 0, []
    for number in range(ROUNDS):
        time.sleep(1)
        other = fill(disk)
        full = time.monotonic()
        while time.monotonic() - max(full, history.last) < FULL and time.monotonic() - full < 120:
            fill(disk)  # what the gateway gives back when it meets the end of the disk
            time.sleep(0.1)
        never += time.monotonic() - history.last < FULL
        other.unlink()
        freed = time.monotonic()
        while history.last < freed and time.monotonic() - freed < 60:
            time.sleep(0.01)
        back.append(time.monotonic() - freed)
        say(f"round {number + 1}: back after {back[-1]:.2f} s, {dict(history.refused)}")
    return never, back


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of its own; raises CalledProcessError where none can be mounted."""
    with tempfile.TemporaryDirectory() as made:
        size = f"size={ROOM}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", made], check=True)
        try:
            yield Path(made)
        finally:
            subprocess.run(["umount", "--lazy", made], check=True)


def lived(disk: Path, configs: Path) -> tuple[History, int, list[float], list[str]]:
    """A gateway on that disk: what callers saw, and what its log tells."""
    upstream, port = free_port(), free_port()
    (configs / "capabilities").mkdir()
    (configs / "capabilities" / "desk.yaml").write_text(FILE.format(upstream=upstream))
    own = {"OPSLAYER_HOME": f"{disk}/home", "OPSLAYER_CONFIGS": str(configs)}
    own["OPSLAYER_LOG_LEVEL"] = "critical"
    url, history = f"http://127.0.0.1:{port}", History()
    mock = module("benchmarks.fast_upstream", upstream)
    gateway = module("commands", "serve", "--port", port, **own)
    callers = [
        threading.Thread(target=call, args=(url, history), daemon=True) for _ in range(CALLERS)
    ]
    with (
        running(mock, f"http://127.0.0.1:{upstream}/"),
        running(gateway, f"{url}/readyz") as answers,
    ):
        assert answers, "no gateway"
        for caller in callers:
            caller.start()
        never, back = rounds(disk, history)
        history.stop.set()
        for caller in callers:
            caller.join(40)
    return history, never, back, [str(row["id"]) for row in export(own)]


def main() -> int:
    """Run in full."""
    with small_disk() as disk, tempfile.TemporaryDirectory() as configs:
        history, never, back, ids = lived(disk, Path(configs))
    answered, kept = len(history.answered), Counter(ids)
    say(f"{answered:,} answered, refused {dict(history.refused)}")
    bars = [
        Bar("times that filling the disk refused nobody", never, "== 0"),
        Bar("acknowledged and not logged", len({*history.answered} - kept.keys()), "== 0",
            of=answered),
        Bar("logged twice", sum(count > 1 for count in kept.values()), "== 0", of=answered),
        Bar("refused without a reason or a time", history.untold, "== 0"),
        Bar("seconds until it answers again, at most", max(back), "<= 5"),
    ]  # fmt: skip
    return finish("full_disk", ROUNDS, bars)


if __name__ == "__main__":
    sys.exit(main())
