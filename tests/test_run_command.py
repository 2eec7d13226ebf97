"""`opslayer run`: a flow from the command line, told in plain sentences and without noise."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from taught import give_database_at

from commands import execute
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.ledger.causes import CauseRow

OPSLAYER = [sys.executable, "-c", "from commands import main; main()"]
START = datetime(2024, 1, 1, tzinfo=UTC)
SHOP = """\
name: shop
kind: regression
inputs: {size: {type: number}}
target: price
sources: [{name: till, path: TILL, event_time: at}]
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae, min_labels: 60}
monitor: {report: on_alarm}
"""


class Shop(NamedTuple):
    """An installation with one capability and 60 days of rows."""

    home: Path
    configs: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a command runs in: no Prefect server, no other setting."""
        clean = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
        return clean | {"OPSLAYER_HOME": str(self.home), "OPSLAYER_CONFIGS": str(self.configs)}

    @property
    def stores(self) -> Stores:
        """The installation's stores."""
        return Stores.at(Settings(home=self.home, configs=self.configs))

    def opslayer(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """The real command's exit code, output and errors."""
        done = subprocess.run(
            [*OPSLAYER, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment | environment,
            timeout=200,
        )
        return done.returncode, done.stdout, done.stderr


def made(folder: Path) -> Shop:
    draw = np.random.default_rng(0)
    lines = ["at,size,price"]
    for hour in range(60 * 24):
        size = draw.normal()
        price = 3 * size + draw.normal() / 10
        lines.append(f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M},{size:.4f},{price:.4f}")
    (folder / "till.csv").write_text("\n".join(lines))
    capabilities = folder / "configs" / "capabilities"
    capabilities.mkdir(parents=True)
    (capabilities / "shop.yaml").write_text(SHOP.replace("TILL", str(folder / "till.csv")))
    return Shop(folder / "home", folder / "configs")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Trained once, as of day 30, in this process."""
    here = made(tmp_path_factory.mktemp("shop"))
    here.home.mkdir()
    give_database_at(here.home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        for name, text in here.environment.items():
            patch.setenv(name, text)
        assert execute(["run", "train_model", "shop", "as_of=2024-01-31"]) == 0
    assert out.getvalue().startswith("release 1: ")
    assert len(out.getvalue().splitlines()) == 1
    return here


@pytest.fixture
def here(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process, which has loaded everything already."""
    for name, text in shop.environment.items():
        monkeypatch.setenv(name, text)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = execute(["run", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_training_is_its_askers(shop: Shop) -> None:
    first = shop.stores.ledger.releases.get("shop", 1)
    assert first.by == getpass.getuser()
    assert first.cause is not None
    assert shop.stores.ledger.causes.get(first.cause).cause.by == getpass.getuser()


def test_the_same_training_again_is_refused_in_one_sentence(here: Any) -> None:
    code, out, err = here("train_model", "shop", "as_of=2024-01-31")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "has had its one run" in err


def test_a_watch_tells_windows_by_their_days_and_says_nothing_beside(shop: Shop) -> None:
    code, out, err = shop.opslayer("run", "watch_production", "shop", "as_of=2024-02-06")
    assert (code, err) == (0, "")
    assert "2024-01-29 to 2024-02-05" in out


def test_what_was_taken_in_is_told_by_source(here: Any) -> None:
    code, out, err = here("ingest_data", "shop")
    assert (code, err) == (0, "")
    assert "till" in out
    assert "interactions" in out


def killed_while_training(here: Shop, *arguments: str) -> CauseRow:
    """Kill a command, and Prefect's server that it started, once it holds its cause."""
    child = subprocess.Popen([*OPSLAYER, *arguments], env=here.environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 100
        while not (claimed := here.stores.ledger.causes.list("shop", "claimed")):
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.02)
        return claimed[0]
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def test_a_killed_training_is_told_by_doctor_whose_way_out_finishes_it(shop: Shop) -> None:
    left = killed_while_training(shop, "run", "train_model", "shop", "as_of=2024-02-20")
    assert left.lease_until is not None
    time.sleep(max(0.0, (left.lease_until - datetime.now(UTC)).total_seconds()) + 0.1)
    code, out, err = shop.opslayer("doctor", "--json")
    assert (code, err) == (0, "")
    (found,) = (one for one in json.loads(out) if one["code"] == "leases")
    assert found["status"] == "warning"
    way_out = found["way_out"].partition(" (")[0].split()
    assert way_out == ["opslayer", "run", "retrain_model", "shop", f"cause={left.cause.id}"]
    code, out, err = shop.opslayer(*way_out[1:])
    assert (code, err) == (0, ""), "a run that went well says nothing on standard error"
    assert len(out.splitlines()) == 1
    assert shop.stores.ledger.causes.get(left.cause.id).status == "done"
    assert len(shop.stores.ledger.versions.for_cause("shop", left.cause.id)) == 1


@pytest.fixture
def told(here: Any) -> Any:
    def tell(*arguments: str) -> tuple[int, str]:
        code, out, err = here(*arguments)
        assert out == ""
        assert len(err.splitlines()) == 1
        return code, err

    return tell


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train_model shop as_of=yesterday", ["as_of=yesterday: no time: write 2012-06-01"]),
        ("train_model shop as_of=2011", ["as_of=2011: no time"]),
        ("train_model shop as_of=2199-01-01", ["as_of=2199-01-01: yet to come"]),
        ("train_model shop recipe=exam", ["recipe=exam: train on all or last"]),
        ("train_model shop foo=1", ["foo: not known here; train_model takes as_of=…"]),
        ("train_model shop capability=x", ["capability: not known here"]),
        ("train_model shop foo=1 as_of=soon", ["foo: not known", "as_of=soon: no time"]),
        ("train_model shop as_of", ["as_of: write key=value"]),
        ("train_model shop by=a by=b", ["by is given twice"]),
        ("retrain_model shop", ["cause=… is missing"]),
        ("train_mode shop", ["there is no flow train_mode", "did you mean train_model?"]),
        ("train_model", ["CAPABILITY"]),
    ],
)
def test_wrong_use_is_told_in_one_line_with_the_way_out(
    told: Any, arguments: str, words: list[str]
) -> None:
    code, said = told(*arguments.split())
    assert code == 2
    for one in words:
        assert one in said


def test_a_name_that_there_is_not_is_refused(told: Any) -> None:
    code, said = told("train_model", "shp")
    assert code == 1
    assert "did you mean shop?" in said
    assert told("retrain_model", "shop", "cause=abc") == (1, "there is no cause abc\n")


def test_a_prefect_server_that_is_away_is_told_without_its_password(shop: Shop) -> None:
    code, out, err = shop.opslayer(
        "run", "ingest_data", "shop", PREFECT_API_URL="http://me:s3cret@127.0.0.1:1/api"
    )
    assert (code, out) == (1, "")
    assert err.startswith("the Prefect server at http://127.0.0.1:1/api does not answer")
    assert len(err.splitlines()) == 1


def test_a_database_whose_driver_is_absent_is_told_without_its_password(shop: Shop) -> None:
    if _installed("MySQLdb"):
        pytest.skip("MySQL's driver is installed here")
    url = "mysql://me:s3cret@127.0.0.1:1/x"
    code, out, err = shop.opslayer("status", OPSLAYER_DATABASE_URL=url)
    assert (code, out) == (1, "")
    assert err.startswith("OPSLAYER_DATABASE_URL names mysql, whose driver is not installed")
    assert "s3cret" not in err


def test_a_data_folder_that_cannot_be_is_told_by_every_verb(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for verb in (["status"], ["run", "ingest_data", "shop"], ["release", "list", "shop"]):
        code, out, err = shop.opslayer(*verb, OPSLAYER_HOME=str(file))
        assert (code, out) == (1, "")
        assert err.startswith(f"the data folder {file} can't be made")
        assert "set OPSLAYER_HOME" in err
    code, out, _ = shop.opslayer("doctor", "--json", OPSLAYER_HOME=str(file))
    assert code == 1
    assert {one["code"]: one["status"] for one in json.loads(out)}["data-folder"] == "failure"


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
