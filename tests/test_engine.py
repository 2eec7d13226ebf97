"""Independent pieces of the batch half, in this process and on a real Dask cluster: one result."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from pprint import pformat
from typing import Any

import drifting
import numpy as np
import pytest
from feeds import NOW, capability, everything, faults, write
from lake_content import LATER, START, row
from lake_content import add_rows as add_made
from lake_content import capability as made
from test_doctor import again, found, place  # noqa: F401 - a fixture
from test_ingest import asked, line, said

from commands import execute
from opslayer.engine import HERE, Executor, executor_at
from opslayer.engine.cluster import Cluster
from opslayer.errors import ConfigError, Problem, Refused, StoreError
from opslayer.records import TagSource
from opslayer.settings import Settings
from opslayer.sources import chunk, interactions
from opslayer.steps import facets, tag
from opslayer.steps.backtest import backtest, past_in
from opslayer.steps.doctor import Health, Installation
from opslayer.steps.facets import tag_calls
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores

RULES = [
    {"name": "big", "when": {"column": "size", "above": 5}, "value": "a"},
    {"name": "urgent", "when": {"column": "text", "matches": "(?i)now"}, "value": "b"},
]


@pytest.fixture
def cluster(scheduler: str, stores: Stores) -> Executor:
    return Cluster(scheduler, stores.lake_address)


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def elsewhere(tmp_path: Path, name: str) -> Stores:
    return Stores.at(Settings(home=tmp_path / name))


def square(number: int) -> int:
    return number * number


def fails_at(bad: int, error: Exception, number: int) -> int:
    if number == bad:
        raise error
    return number


def process(_: int) -> int:
    return os.getpid()


def dies_once(folder: Path, number: int) -> int:
    """Writes that it was here; its process dies over piece 3 the first time."""
    (folder / f"{number}-{os.getpid()}").touch()
    if number == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def same(where: Callable[[Executor], Any], cluster: Executor) -> None:
    assert where(cluster) == where(HERE)


def test_what_was_asked_comes_back_in_its_order_from_two_processes(cluster: Executor) -> None:
    same(lambda where: list(where.map(square, range(50))), cluster)
    processes = set(cluster.map(process, range(20)))
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert list(cluster.map(square, [])) == []


@pytest.mark.parametrize("on", ["here", "cluster"])
def test_only_a_few_pieces_are_under_way_and_an_early_end_stops_the_rest(
    on: str, cluster: Executor
) -> None:
    begun: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(1_000):
            begun.append(number)
            yield number

    results = (cluster if on == "cluster" else HERE).map(square, pieces())
    assert [next(results), next(results)] == [0, 1]
    results.close()
    assert len(begun) <= 8


@pytest.mark.parametrize("on", ["here", "cluster"])
def test_an_error_says_which_piece_it_is_about(on: str, cluster: Executor) -> None:
    where = cluster if on == "cluster" else HERE
    with pytest.raises(Refused, match=r"^page 3: too wide$"):
        list(where.map(partial(fails_at, 3, Refused("too wide")), range(9), "page {}".format))
    with pytest.raises(ZeroDivisionError) as other:
        list(where.map(partial(fails_at, 3, ZeroDivisionError()), range(9), "page {}".format))
    assert other.value.__notes__ == ["while working on page 3"]
    wrong = ConfigError([Problem("a.yaml", 7, "kind", "there is no such kind")])
    with pytest.raises(ConfigError) as told:
        list(where.map(partial(fails_at, 3, wrong), range(9)))
    assert (str(told.value), told.value.problems) == (str(wrong), wrong.problems)


def test_a_piece_whose_worker_died_is_done_by_another(tmp_path: Path, cluster: Executor) -> None:
    assert list(cluster.map(partial(dies_once, tmp_path), range(8))) == list(range(8))
    assert len(list(tmp_path.glob("3-*"))) == 2


def _logged(stores: Stores) -> None:
    calls = [asked(f"i{n:03}", temp=n % 60, town=f"town {n % 7}") for n in range(90)]
    stores.events.append(calls[:50], "a")
    stores.events.append([said(f"f{n}", "true_value", n, about=f"i{n:03}") for n in range(30)], "b")
    stores.events.append([*calls[50:], said("f90", "thumb", True)], "c")


def _taken(stores: Stores, folder: Path, where: Executor) -> tuple[Any, ...]:
    """All that two ingests made of files that grow, repeat themselves and are wrong in places."""
    of = capability(folder / "in")
    write(folder / "in" / "a.csv", *(line(n, n) for n in range(25)), line(25, temp="hot"))
    write(folder / "in" / "b.csv", *(line(n, n) for n in range(30, 50)), line(3, 3))
    write(folder / "in" / "c.csv", line(3, 3), line(3, 4), *(line(n, n) for n in range(50, 70)))
    (folder / "in" / "d.csv").write_bytes(b"no csv")
    _logged(stores)
    first = ingest(of, stores, NOW, where)
    write(folder / "in" / "a.csv", *(line(n, n + n % 2) for n in range(28)))
    stores.events.append([asked("i500"), asked("i001", temp=-50)], "a")
    second = ingest(of, stores, NOW + timedelta(days=1), where)
    third = ingest(of, stores, NOW + timedelta(days=2), where)
    batches = [stores.ledger.batches.of("bikes", name) for name in ("feed", "interactions")]
    for one in (first, second, third):
        assert one.counts.balanced
    return first, second, third, batches, everything(stores, of), faults(stores, of)


def test_ingest_on_two_workers_is_ingest_on_one_machine(
    stores: Stores, tmp_path: Path, cluster: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactions, "ENTRIES", 20)
    monkeypatch.setattr(interactions, "PIECE", 20)
    alone = _taken(elsewhere(tmp_path, "one"), tmp_path / "one", HERE)
    shared = _taken(stores, tmp_path / "two", cluster)
    for one, two in zip(alone, shared, strict=True):
        assert _shown(one, tmp_path / "one") == _shown(two, tmp_path / "two")


def _shown(found: Any, folder: Path) -> str:
    """Without the folder, the contract's digest, in which it is, and when files were written."""
    text = pformat(found, width=200).replace(str(folder), "")
    return re.sub(r"'(version|contract)': '[^']*'", "", text)


def test_what_is_read_ahead_in_this_process_is_what_is_read_in_turn(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = capability(tmp_path / "none*.csv")
    monkeypatch.setattr(interactions, "PIECE", 20)
    _logged(stores)
    ahead = ingest(of, stores, NOW)
    assert len(stores.ledger.batches.of("bikes", "interactions")) == 7
    monkeypatch.setattr(interactions, "PIECE", 10_000)
    other = elsewhere(tmp_path, "other")
    _logged(other)
    assert ingest(of, other, NOW) == ahead
    assert everything(stores, of) == everything(other, of)


def test_a_large_file_is_taken_in_chunks_by_whoever_reads_it(
    stores: Stores, tmp_path: Path, cluster: Executor
) -> None:
    rows = chunk.ROWS + 10
    of = capability(
        write(tmp_path / "in" / "big.csv", *(f"2024-01-01,{n % 50},no,{n},1" for n in range(rows)))
    )
    taken = ingest(of, stores, NOW, cluster).counts
    assert (taken.stored, taken.tags) == (rows, rows)
    assert len(stores.ledger.batches.of("bikes", "feed")) == 2


def test_an_ingest_that_is_killed_on_two_workers_is_finished_and_doubles_nothing(
    stores: Stores, tmp_path: Path, scheduler: str, cluster: Executor
) -> None:
    _logged(stores)
    script = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from feeds import NOW, capability
from opslayer.engine.cluster import Cluster
from opslayer.settings import Settings
from opslayer.sources import interactions
from opslayer.steps.ingest import ingest
from opslayer.stores import Stores
from opslayer.stores.lake import Lake
interactions.PIECE = 20
home, left, commit = Path(sys.argv[2]), 4, Lake.commit
def counted(*args):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return commit(*args)
Lake.commit = counted
stores = Stores.at(Settings(home=home))
ingest(capability(home / "none*.csv"), stores, NOW, Cluster(sys.argv[3], stores.lake_address))
"""
    home = tmp_path / "home"
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(home), scheduler]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    of = capability(home / "none*.csv")
    ingest(of, stores, NOW, cluster)
    other = elsewhere(tmp_path, "other")
    _logged(other)
    ingest(of, other, NOW)
    assert everything(stores, of) == everything(other, of)


def _tagged(stores: Stores, where: Executor) -> tuple[Any, ...]:
    spec = made(labels={"rules": RULES})
    texts = ("call me now", "I would like to know where my card is", "never")
    add_made(
        stores,
        spec,
        [
            row(f"r{n:03}", START + n * timedelta(minutes=30), size=float(n % 9), text=texts[n % 3])
            for n in range(100)
        ],
    )
    calls = [asked(f"i{n:03}", text=texts[n % 3]) for n in range(40)]
    stores.events.append([one.model_copy(update={"capability": "made"}) for one in calls], "a")
    counts = tag.tag(spec, stores, LATER, where), tag_calls(spec, stores, LATER, where)
    again = tag.tag(spec, stores, LATER, where), tag_calls(spec, stores, LATER, where)
    sql = "SELECT * FROM {} ORDER BY id"
    tables = [
        stores.lake.query(spec, sql.format(table), [table]).to_pylist()
        for table in ("tags", "facets")
    ]
    assert {one["source"] for one in tables[0]} == {TagSource.RULE.value}
    return counts, again, tables


def test_tags_of_two_workers_are_those_of_one_machine(
    stores: Stores, tmp_path: Path, cluster: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _tagged(elsewhere(tmp_path, "whole"), HERE)
    monkeypatch.setattr(tag, "SLICE", 10)
    monkeypatch.setattr(facets, "PAGE", 7)
    sliced = _tagged(elsewhere(tmp_path, "sliced"), HERE)
    shared = _tagged(stores, cluster)
    assert whole == sliced == shared
    assert whole[0][0] > 30
    assert whole[0][1] > 10
    assert whole[1] == (0, 0)


def test_a_backtest_on_two_workers_is_that_of_one_machine_bit_for_bit(
    tmp_path: Path, cluster: Executor, stores: Stores
) -> None:
    spec = drifting.capability(drifting.write(tmp_path, drifting.rows(days=34)))
    assert spec.training
    quick = spec.training.model_copy(update={"params": {"max_iter": 4}})
    spec = spec.model_copy(update={"training": quick})
    past = past_in(spec, tmp_path / "plant.csv")
    alone = backtest(spec, past, spec.retrain)
    shared = backtest(spec, past, spec.retrain, None, cluster)
    assert shared == alone
    assert max(len(one.trained) for one in alone.lived) > 3
    assert not list(Path(stores.lake_address).glob(".lent/*"))
    assert np.isfinite([value for value in alone.values if value is not None]).all()


def test_an_engine_that_is_away_is_refused_with_its_variable_and_the_way_out(
    nobody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opslayer.engine.cluster.PATIENCE", 0.5)
    away = executor_at(Settings(home=tmp_path, engine_url=nobody))
    with pytest.raises(StoreError, match=r"OPSLAYER_ENGINE_URL.*start its scheduler.*or unset"):
        list(away.map(square, [1]))


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A scheduler and a worker that speak to nobody without a certificate of theirs, which is named
    as users name it: by Dask's own variables."""
    import dask.config
    import trustme
    from distributed import LocalCluster, Security

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "own.pem"
    )
    names = ["CA_FILE", *(f"{who}__{of}" for who in ("CLIENT", "SCHEDULER", "WORKER")
                          for of in ("CERT", "KEY"))]  # fmt: skip
    for name in names:
        file = "ca.pem" if name == "CA_FILE" else "own.pem"
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{name}", str(tmp_path / file))
    dask.config.refresh()
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        dashboard_address=None,
        host="tls://127.0.0.1",
        security=Security(require_encryption=True),
    ) as cluster:
        yield cluster.scheduler_address
    monkeypatch.undo()
    dask.config.refresh()


def test_an_engine_behind_certificates_is_told_apart_from_one_that_anybody_reaches(
    sealed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = executor_at(Settings(home=tmp_path, engine_url=sealed))
    assert list(own.map(square, range(4))) == [0, 1, 4, 9]
    monkeypatch.setattr("opslayer.engine.cluster.PATIENCE", 0.5)
    plain = executor_at(Settings(home=tmp_path, engine_url=sealed.replace("tls://", "tcp://")))
    with pytest.raises(StoreError, match=r"OPSLAYER_ENGINE_URL.*start its scheduler"):
        list(plain.map(square, [1]))


def test_doctor_says_whether_the_engine_is_there(
    place: Installation,  # noqa: F811
    nobody: str,
    scheduler: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("opslayer.engine.cluster.PATIENCE", 0.5)
    (failure,) = found(again(place, settings={"engine_url": nobody}), "engine")
    assert failure.status is Health.FAILURE
    assert "OPSLAYER_ENGINE_URL" in failure.message
    assert found(again(place, settings={"engine_url": scheduler}), "engine") == []
    (far,) = found(again(place, settings={"engine_url": "tcp://scheduler.invalid:1"}), "engine")
    assert far.status is Health.FAILURE


def test_an_address_that_is_none_of_a_scheduler_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_ENGINE_URL", "http://scheduler:8786")
    assert execute(["status"]) == 1
    assert "OPSLAYER_ENGINE_URL: " in (told := capsys.readouterr().err)
    assert "tcp://HOST:8786" in told


def test_dask_is_loaded_only_where_an_engine_is_named() -> None:
    script = """
import sys, tempfile
from opslayer.engine import executor_at
from opslayer.settings import Settings
import opslayer.steps.backtest, opslayer.steps.tag, opslayer.steps.facets, opslayer.steps.ingest
list(executor_at(Settings(home=tempfile.mkdtemp())).map(str, [1]))
assert not {"dask", "distributed"} & set(sys.modules)
executor_at(Settings(home=tempfile.mkdtemp(), engine_url="tcp://127.0.0.1:8786"))
assert not {"dask", "distributed"} & set(sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if "ENGINE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
