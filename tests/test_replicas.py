"""Two gateways with one database: the same release on both, and the same arm for a subject."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from serving import Served, serving
from upstream import upstream

from opslayer.configuration import load_capability
from opslayer.records import Release, Variant
from opslayer.settings import Settings
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.releasing import share_out
from opslayer.stores import Stores

DESK = """\
name: desk
kind: chat
fallback: [{{rule: {{constant: Later.}}}}]
upstreams:
  - {{name: main, pool: main, base_url: "{url}/v1", model: ok}}
  - {{name: other, pool: other, base_url: "{url}/v1", model: ok}}
"""
OTHER = Variant(name="other", pool="other")
SOON = 30.0
"""Seconds within which a release serves, on however busy a machine."""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    monkeypatch.setenv("OPSLAYER_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    monkeypatch.setenv("OPSLAYER_SECRET", "a secret that both replicas have")
    with upstream() as url:
        (tmp_path / "configs" / "capabilities").mkdir(parents=True)
        (tmp_path / "configs" / "capabilities" / "desk.yaml").write_text(DESK.format(url=url))
        yield Stores.at(Settings(home=tmp_path / "one", configs=tmp_path / "configs"))


def ask(served: Served, subject: str) -> tuple[str, str]:
    """The release and the variant that answer a subject."""
    body = {"model": "desk", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"X-Opslayer-Subject": subject}
    said = httpx.post(f"{served.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
    assert said.status_code == 200
    return said.headers["x-opslayer-release"], said.headers["x-opslayer-variant"]


def wait_for(served: Served, release: Release) -> None:
    deadline = time.monotonic() + SOON
    while ask(served, "ann")[0] != str(release.number):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_replicas_switch_together_and_give_a_subject_the_same(
    stores: Stores, tmp_path: Path
) -> None:
    configs = tmp_path / "configs"
    capability = load_capability("desk", configs)

    def decided(parent: int) -> Promotion:
        return Promotion(parent, "ann", f"after {parent}", None, (), datetime.now(UTC))

    with ExitStack() as running:
        replicas = [
            running.enter_context(serving(tmp_path / name, configs)) for name in ("one", "two")
        ]
        assert [ask(one, "ann") for one in replicas] == [("1", "main")] * 2
        promoted = promote(capability, OTHER, stores, decided(1))
        main = Variant(name="main", pool="main", weight=0.4)
        shared = share_out(capability, main, stores, decided(promoted.number))
        for replica in replicas:
            wait_for(replica, shared)
        got = [tuple(ask(one, f"rider-{number}") for one in replicas) for number in range(40)]
    assert all(first == second for first, second in got)
    assert {variant for (_, variant), _ in got} == {"main", "other"}
