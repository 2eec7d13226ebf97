"""Lose everything between: a backup of a house in use, and all that is lost after it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lake_content import START
from serving import Served, serving
from taught import give_database, order, shop, teach
from test_erase import declare
from waiting import until

from commands import execute
from opslayer.capability import Capability
from opslayer.settings import Settings
from opslayer.steps.ingest import ingest
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.train import train
from opslayer.stores import Stores

ASKED = [{"size": size / 10, "colour": "red", "city": "oslo"} for size in range(-10, 10)]


class Caller:
    """An application that calls, and says what came true."""

    def __init__(self, served: Served) -> None:
        self.url = served.url
        self.heard: dict[str, Any] = {}
        """Every acknowledged answer, by the interaction's id."""

    def ask(self, inputs: dict[str, Any]) -> tuple[Any, str, str]:
        reply = httpx.post(
            f"{self.url}/v1/capabilities/shop/invocations",
            json={"dataframe_records": [inputs]},
            headers={"X-Opslayer-Subject": "ann"},
            timeout=30,
        )
        assert reply.status_code == 200, reply.text
        id, value = reply.headers["x-opslayer-interaction"], reply.json()["predictions"]
        self.heard[id] = value
        return value, reply.headers["x-opslayer-variant"], reply.headers["x-opslayer-release"]

    def call_and_tell(self, stopped: threading.Event) -> None:
        while not stopped.is_set():
            self.ask(ASKED[len(self.heard) % len(ASKED)])
            said = {"interaction_id": [*self.heard][-1], "kind": "true_value", "value": "yes"}
            told = httpx.post(f"{self.url}/v1/feedback", json=said, timeout=30)
            assert told.status_code == 200, told.text


@contextmanager
def busy(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Something goes on in threads until the end of the block; their errors are raised there."""
    stopped, errors = threading.Event(), []

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stopped)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


def exported(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert execute(["export", "interactions", "shop", "--json"]) == 0
    return {one["id"]: one for one in json.loads(capsys.readouterr().out)}


def explained(capsys: pytest.CaptureFixture[str], id: str) -> Any:
    capsys.readouterr()
    assert execute(["explain", id, "--verify", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def schooled(folder: Path) -> tuple[Capability, Stores]:
    spec = shop(fallback=[{"rule": {"constant": "no"}}])
    declare(folder / "configs", spec)
    stores = give_database(Stores.at(Settings()))
    teach(stores, spec, 12)
    snapshot, ordered = order(stores, spec, 10)
    version = train(spec, snapshot, stores, ordered)
    promote(spec, version, stores, Promotion(0, "ann", "first", None, (), START))
    return spec, stores


def test_a_house_in_use_comes_back_with_every_call_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPSLAYER_SECRET", raising=False)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    spec, stores = schooled(tmp_path)

    def keep_ingesting(stopped: threading.Event) -> None:
        while not stopped.is_set():
            ingest(spec, stores, datetime.now(UTC))

    with serving(tmp_path / "home", tmp_path / "configs") as served:
        caller = Caller(served)
        answers = [caller.ask(inputs) for inputs in ASKED]
        with busy(caller.call_and_tell, keep_ingesting):
            until(lambda: len(caller.heard) > 2 * len(ASKED))
            known, file = set(caller.heard), tmp_path / "one.backup"
            assert execute(["backup", "--output", str(file)]) == 0
    before, story = exported(capsys), explained(capsys, next(iter(caller.heard)))
    assert story["verified"]["equal"]
    assert set(before) == set(caller.heard)
    shutil.rmtree(tmp_path / "home")
    home = tmp_path / "again"
    assert execute(["restore", str(file), "--into", str(home)]) == 0
    monkeypatch.setenv("OPSLAYER_HOME", str(home))
    after = exported(capsys)
    assert known <= set(after), "what was acknowledged before it began"
    assert after == {id: before[id] for id in after}
    assert explained(capsys, next(iter(caller.heard))) == story
    again = Stores.at(Settings())
    ingest(spec, again, datetime.now(UTC))
    rows = again.lake.query(
        spec, "SELECT row_id FROM rows WHERE source = 'interactions'", ("rows",)
    )
    taken = rows["row_id"].to_pylist()
    assert sorted(taken) == sorted(after), "every call is a row, and none is two"
    with serving(home, tmp_path / "configs") as served:
        assert [Caller(served).ask(inputs) for inputs in ASKED] == answers
