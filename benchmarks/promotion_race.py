"""Five promoters race for a capability, round after round; in some rounds one of them is killed.

Every promotion has a cause of its own, so a killed one is asked for again and must come out as
exactly one release. Promise P27: no wrong champion, no gap in the history, nothing lost.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.bars import Bar, finish, say
from benchmarks.kills import FRESH
from opslayer.capability import Capability, Kind, Upstream
from opslayer.errors import StaleParent
from opslayer.records import Recipe, Release, Version
from opslayer.settings import Settings
from opslayer.steps.promote import Promotion, promote
from opslayer.stores import Stores

PROMOTERS = 5
START = datetime(2024, 1, 1, tzinfo=UTC)
NOBODY = Upstream(name="nobody", base_url="http://127.0.0.1:9/v1", model="none")
RACED = Capability(name="raced", kind=Kind.CHAT, upstreams=(NOBODY,))
"""A name is all that a promotion needs of a capability."""


@dataclass
class Tally:
    """What went wrong, and out of how much."""

    promotions: int = 0
    kills: int = 0
    wrong_champion: int = 0
    lost: int = 0
    doubled: int = 0
    broken_history: int = 0
    retries: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The number of the release that each cause was told."""


def stores_at(home: str) -> Stores:
    """The stores of the installation in a folder."""
    return Stores.at(Settings(home=Path(home)))


def register(home: str, versions: int) -> None:
    """Register small, real model versions, in MLflow and in the ledger."""
    from mlflow import MlflowClient

    stores = stores_at(home)
    uri = Settings(home=Path(home)).tracking
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model(RACED.name)
    for number in range(1, versions + 1):
        folder = Path(home) / "models" / f"model-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rule.txt").write_text(f"constant {number}\n")
        made = client.create_model_version(RACED.name, str(folder))
        stores.ledger.versions.add(_version(int(made.version)))


def _version(number: int) -> Version:
    return Version(
        settings="as ever",
        capability=RACED.name,
        version=number,
        run_id=f"run-{number}",
        recipe=Recipe.ALL,
        snapshot=f"rows of {number}",
        exam="exam",
        cut=START,
        trained_at=START,
        cause=f"training {number}",
        manifest={},
    )


def promote_until_done(home: str, version: int, cause: str, at: datetime) -> tuple[int, int]:
    """Promote a version for a cause, reading again after each lost race.

    Returns the release's number and how many races were lost on the way.
    """
    stores, lost = stores_at(home), 0
    while True:
        newest = stores.ledger.releases.newest(RACED.name)
        parent = newest.number if newest else 0
        decision = Promotion(
            parent=parent, by="loop", reason=f"asked by {cause}", cause=cause, evidence=(), at=at
        )
        try:
            return promote(RACED, version, stores, decision).number, lost
        except StaleParent:
            lost += 1


def _promoter(home: str, orders: Connection) -> None:
    while True:
        version, cause, at = orders.recv()
        orders.send(promote_until_done(home, version, cause, at))


class Promoter:
    """A process that promotes what it is told to, and starts again after a kill."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        """A new process, waiting for its first order."""
        self.orders, theirs = FRESH.Pipe()
        self.process = FRESH.Process(target=_promoter, args=(self.home, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def order(self, version: int, cause: str, at: datetime) -> None:
        """Tell it what to promote; one that was killed after its last result starts again."""
        if not self.process.is_alive():
            self.start()
        self.last = (version, cause, at)
        self.orders.send(self.last)

    def result(self, tally: Tally) -> int:
        """The number of the release its order led to; a killed one is asked again."""
        while True:
            try:
                number, lost = self.orders.recv()
            except (EOFError, ConnectionResetError):
                self.process.join()
                if self.process.exitcode != -signal.SIGKILL:
                    raise RuntimeError(f"a promoter failed: {self.last}") from None
                self.start()
                self.order(*self.last)
                continue
            tally.retries += lost
            return int(number)

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        self.process.kill()
        self.process.join()


def race(home: str, rounds: int, killed: float, seed: int = 27) -> Tally:
    """Run the rounds, `killed` of them (a share) with one promoter killed; what went wrong."""
    register(home, 2 * PROMOTERS)
    promoters = [Promoter(home) for _ in range(PROMOTERS)]
    tally, chance, usual = Tally(), random.Random(seed), 0.05
    for number in range(rounds):
        began = time.monotonic()
        victim = chance.randrange(PROMOTERS) if chance.random() < killed else None
        _one_round(promoters, number, tally, (victim, chance.uniform(0, 1.2 * usual)))
        usual = 0.8 * usual + 0.2 * (time.monotonic() - began)
        tally.wrong_champion += _alias_differs(home)
        if number % 20 == 19:
            say(f"round {number + 1}: {tally.promotions} promotions, {tally.kills} kills")
    for promoter in promoters:
        promoter.kill()
    _judge(stores_at(home).ledger.releases.all(RACED.name), tally)
    return tally


def _one_round(
    promoters: list[Promoter], number: int, tally: Tally, kill: tuple[int | None, float]
) -> None:
    victim, delay = kill
    for place, promoter in enumerate(promoters):
        version = 1 + place + PROMOTERS * (number % 2)
        promoter.order(version, f"round {number} of {place}", START + timedelta(minutes=number))
    if victim is not None:
        time.sleep(delay)
        promoters[victim].kill()
        tally.kills += 1
    for place, promoter in enumerate(promoters):
        tally.acknowledged[f"round {number} of {place}"] = promoter.result(tally)
        tally.promotions += 1


def _alias_differs(home: str) -> bool:
    """Whether MLflow's champion is another one than the ledger's, with nobody at work."""
    stores = stores_at(home)
    newest = stores.ledger.releases.newest(RACED.name)
    assert newest is not None
    return stores.models.champion(RACED.name) != newest.champion.model_version


def _judge(history: list[Release], tally: Tally) -> None:
    by_cause = [release.cause for release in history]
    told = tally.acknowledged.items()
    tally.lost = sum(
        not any((release.cause, release.number) == (cause, number) for release in history)
        for cause, number in told
    )
    tally.doubled = len(by_cause) - len(set(by_cause))
    tally.broken_history = sum(
        (release.number, release.parent) != (place, place - 1)
        for place, release in enumerate(history, start=1)
    ) + abs(len(history) - len(tally.acknowledged))


def bars(tally: Tally) -> Iterator[Bar]:
    """The bars of P27."""
    for name in ("wrong_champion", "lost", "doubled", "broken_history"):
        yield Bar(name, getattr(tally, name), "<= 0", of=tally.promotions)
    yield Bar("rounds_with_a_kill", tally.kills, ">= 10")


def main() -> int:
    """A thousand promotions by five processes, one round in ten with a kill."""
    with tempfile.TemporaryDirectory() as home:
        tally = race(home, rounds=200, killed=0.1)
    say(f"{tally.retries} races lost and tried again")
    return finish("promotion_race", tally.promotions, list(bars(tally)))


if __name__ == "__main__":
    sys.exit(main())
