"""`opslayer backup` and `restore`: everything comes back, as it was, and nobody who was erased."""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from at_rest import hits
from taught import give_database, order, shop
from test_erase import ANN, BOB, CALLS, SECRET, asked, declare

from benchmarks.first_home import FIRST, make_first_home
from benchmarks.kills import dies_at_file
from commands import execute
from opslayer.records import Interaction
from opslayer.settings import Settings
from opslayer.steps.forget import forget
from opslayer.steps.ingest import ingest
from opslayer.steps.promote import Promotion, Rollback, promote, rollback
from opslayer.steps.train import train
from opslayer.stores import Stores
from opslayer.stores.archive import opened
from opslayer.stores.events import Event
from opslayer.stores.journal import Entry
from opslayer.stores.ledger.migrate import HEAD

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with configs/ and a home: 300 calls taken in, and a model that serves."""
    folder = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSLAYER_HOME", str(folder / "home"))
        patch.delenv("OPSLAYER_SECRET", raising=False)
        declare(folder / "configs", shop())
        stores = give_database(Stores.at(Settings()))
        stores.events.append([record for one in range(CALLS) for record in answered(one)], "test")
        ingest(shop(), stores, NOW)
        snapshot, ordered = order(stores, shop(), 13)
        train(shop(), snapshot, stores, ordered)
        promote(shop(), 1, stores, decision(0))
        stores.reports.write("shop", "drift/one.html", "<p>a report</p>")
    return folder


@pytest.fixture
def here(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as one's own: `home` and `configs` below it, which the environment names."""
    monkeypatch.delenv("OPSLAYER_SECRET", raising=False)
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "lived"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(lived / "configs"))
    shutil.copytree(lived / "home", tmp_path / "lived")
    give_home(tmp_path, monkeypatch, "lived")
    return tmp_path


def give_home(folder: Path, patch: pytest.MonkeyPatch, name: str) -> Stores:
    patch.setenv("OPSLAYER_HOME", str(folder / name))
    return Stores.at(Settings())


def answered(number: int) -> list[Any]:
    """A call that the model answered, every tenth of them Ann's, with what was said of it."""
    call, *others = asked(number, BOB if number % 10 else ANN)
    return [call.model_copy(update={"variant": "model-1"}), *others]


def decision(parent: int) -> Promotion:
    return Promotion(parent, "ann", "it is better", None, (), NOW)


def backup(folder: Path) -> Path:
    """Back up what the environment names."""
    assert execute(["backup", "--output", str(folder / "made.backup"), "--json"]) == 0
    return folder / "made.backup"


def restore(file: Path, *more: str) -> int:
    return execute(["restore", str(file), *more])


def told(capsys: pytest.CaptureFixture[str], *tokens: str) -> Any:
    capsys.readouterr()
    assert execute([*tokens, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def everything(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the installation that the environment names says of itself, to a person outside."""
    digest = Stores.at(Settings()).ledger.versions.get("shop", 1).snapshot
    return {
        "interactions": told(capsys, "export", "interactions", "shop"),
        "labels": told(capsys, "export", "labels", "shop"),
        "snapshot": told(capsys, "export", "snapshot", "shop", "--digest", digest),
        "releases": told(capsys, "release", "list", "shop"),
        "lineage": told(capsys, "explain", "call-0007", "--verify"),
        "champion": Stores.at(Settings()).models.champion("shop"),
    }


def test_a_home_that_was_lost_says_again_what_it_said(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(capsys)
    assert before["lineage"]["verified"]["equal"]
    file = backup(here)
    shutil.rmtree(here / "lived")
    assert restore(file) == 0
    assert everything(capsys) == before
    assert (here / "lived/reports/shop/drift/one.html").read_text() == "<p>a report</p>"


def test_in_another_folder_models_load_and_releases_go_on_and_back(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(capsys)
    file = backup(here)
    shutil.rmtree(here / "lived")
    assert restore(file, "--into", str(here / "elsewhere")) == 0
    stores = give_home(here, monkeypatch, "elsewhere")
    assert everything(capsys) == before
    assert f"{here}/lived/".encode() not in (here / "elsewhere" / "mlflow.db").read_bytes()
    spec = shop()
    stores.models.load(stores.ledger.versions.get("shop", 1))
    snapshot, ordered = order(stores, spec, 13, about="again")
    version = train(spec, snapshot, stores, ordered)
    promote(spec, version, stores, decision(1))
    assert stores.models.champion("shop") == version.version == 2
    rollback(spec, stores, Rollback("ops", "it did harm", NOW))
    assert stores.models.champion("shop") == 1


def test_who_was_erased_after_the_backup_does_not_come_back(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = backup(here)
    assert any(SECRET in one for one in hits(here / "lived", [SECRET]))
    assert execute(["erase", ANN, "--reason", "she asked"]) == 0
    assert restore(file, "--replace", "--reason", "the disk failed") == 0
    assert "1 who had been erased since were erased again" in capsys.readouterr().out
    assert hits(here / "lived", [SECRET, ANN]) == []
    stores = Stores.at(Settings())
    assert stores.events.append(asked(0, ANN), "late") == 0, "nor when it is replayed"
    assert len(stores.events.read("shop", {}, 10_000).events) == 3 * 270
    shutil.rmtree(here / "lived")
    assert restore(file) == 0, "what was set aside knows it too"
    assert hits(here / "lived", [SECRET, ANN]) == []


def test_where_all_was_lost_a_list_of_receipts_keeps_the_erased_away(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, receipts = backup(here), here / "receipts.jsonl"
    assert execute(["erase", ANN, "--reason", f"{ANN} asked"]) == 0
    assert execute(["export", "erasures", "--output", str(receipts)]) == 0
    assert ANN not in receipts.read_text()
    shutil.rmtree(here / "lived")
    assert restore(file, "--into", str(here / "without")) == 0
    assert hits(here / "without", [SECRET]), "without the list nobody knows"
    assert "whoever was may be back" in capsys.readouterr().err
    for wrong in (b"[]\n", b"\xff\xfe", b"[" * 2**21):
        (here / "wrong").write_bytes(wrong)
        assert restore(file, "--erasures", str(here / "wrong")) == 1
        assert "wrong:1: no receipt as" in capsys.readouterr().err
    assert restore(file, "--erasures", str(receipts)) == 0
    assert capsys.readouterr().err == ""
    assert hits(here / "lived", [SECRET, ANN]) == []
    (receipt,) = Stores.at(Settings()).ledger.erasures.all()
    assert (receipt.done, receipt.models) == (True, {"shop": (1,)})


def test_a_model_that_was_removed_with_her_is_removed_again_once_it_serves_no_more(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stores, spec = Stores.at(Settings()), shop()
    snapshot, ordered = order(stores, spec, 13, about="again")
    promote(spec, train(spec, snapshot, stores, ordered), stores, decision(1))
    file = backup(here)
    assert execute(["erase", ANN, "--reason", "she asked"]) == 0
    (receipt,) = stores.ledger.erasures.all()
    assert forget(receipt, stores).forgotten == {"shop": (1,)}
    done = told(capsys, "restore", str(file), "--into", str(here / "new"))
    assert done["erased"] == 1
    assert done["learnt"] == {"shop": [2]}, "the one that serves is named"
    mine = Stores.at(Settings(home=here / "new"))
    assert len(list(Path(mine.models.root).rglob("model.skops"))) == 1
    assert mine.models.load(mine.ledger.versions.get("shop", 2))
    assert stores.models.load(stores.ledger.versions.get("shop", 2)), "nor was the other touched"


def test_what_lies_in_the_journal_alone_is_in_the_log_afterwards(here: Path) -> None:
    stores = Stores.at(Settings())
    writer = stores.journal.writer("gateway-1")
    record = asked(901, BOB)[0]
    assert isinstance(record, Interaction)
    writer.append([Entry("interaction", record.id, "shop", record.model_dump_json())])
    file = backup(here)  # while the writer has its segment open
    writer.close()
    assert restore(file, "--into", str(here / "new")) == 0
    assert Stores.at(Settings(home=here / "new")).events.interactions([record.id]) == [record]
    assert len(zipfile.ZipFile(file).read(journalled(file))) < 4096, "no empty room in it"


def journalled(file: Path) -> str:
    return next(name for name in zipfile.ZipFile(file).namelist() if name.startswith("journal/"))


def test_an_ingest_after_a_restore_takes_in_what_came_and_nothing_twice(here: Path) -> None:
    file = backup(here)
    stores = Stores.at(Settings())
    stores.events.append(asked(501, BOB), "later")
    ingest(shop(), stores, datetime.now(UTC))
    assert restore(file, "--into", str(here / "new")) == 0
    again = Stores.at(Settings(home=here / "new"))
    again.events.append(asked(502, BOB), "later")
    assert ingest(shop(), again, datetime.now(UTC)).counts.stored == 1
    assert count(again) == 301


def count(stores: Stores) -> int:
    return int(stores.lake.query(shop(), "SELECT count(*) AS n FROM rows", ["rows"])["n"][0])


def test_a_backup_is_for_its_owner_alone_and_holds_no_room_of_others(here: Path) -> None:
    file = backup(here)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tops = {name.split("/")[0] for name in zipfile.ZipFile(file).namelist()}
    assert tops == {
        *("opslayer.db", "mlflow.db", "lake", "models", "reports", "secret", "manifest.json")
    }
    assert restore(file, "--into", str(here / "new")) == 0
    assert stat.S_IMODE((here / "new" / "secret").stat().st_mode) == 0o600


def test_a_file_of_the_lake_that_no_commit_names_is_left_out(here: Path) -> None:
    (here / "lived" / "lake" / "shop" / "rows" / "part-orphan.parquet").write_bytes(b"half")
    assert not [name for name in zipfile.ZipFile(backup(here)).namelist() if "orphan" in name]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda raw: raw[:-30], "is no "),
        (lambda raw: b"", "is no whole backup"),
        (lambda raw: raw[:5000] + bytes([raw[5000] ^ 1]) + raw[5001:], "damaged"),
    ],
)
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[bytes], bytes],
    said: str,
) -> None:
    file = backup(here)
    file.write_bytes(spoil(file.read_bytes()))
    assert restore(file, "--into", str(here / "new")) == 1
    assert said in capsys.readouterr().err
    assert not (here / "new").exists()
    assert [path.name for path in here.iterdir() if "restoring" in path.name] == []


def rewritten(file: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """A backup whose manifest and parts somebody changed."""
    with zipfile.ZipFile(file) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    manifest = json.loads(parts.pop("manifest.json"))
    change(manifest, parts)
    target = file.with_name("changed.backup")
    with zipfile.ZipFile(target, "w") as packed:
        for name, content in {**parts, "manifest.json": json.dumps(manifest).encode()}.items():
            packed.writestr(name, content)
    return target


def slip(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts["../slipped"] = parts["secret"]
    manifest["parts"]["../slipped"] = manifest["parts"]["secret"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda manifest, _: manifest.update(format=2), "in a form that this one does not know"),
        (lambda manifest, _: manifest.update(revision="0999"), f"schema 0999.*up to {HEAD}"),
        (lambda _, parts: parts.update(more=b"x"), "other parts than its manifest names"),
        (lambda _, parts: parts.pop("secret"), "other parts than its manifest names"),
        (slip, "would write outside the data folder: ../slipped"),
        (lambda manifest, _: manifest.pop("taken"), "no manifest that can be read"),
        (lambda manifest, _: manifest.update(secret="0" * 32), "hashed with another secret"),
    ],
)
def test_a_backup_that_cannot_be_trusted_is_refused(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any], dict[str, bytes]], None],
    said: str,
) -> None:
    import re

    file = rewritten(backup(here), change)
    assert restore(file, "--into", str(here / "new")) == 1
    assert re.search(said, capsys.readouterr().err)
    assert not (here / "new").exists()
    assert not (here / "slipped").exists()


def test_a_home_that_is_there_is_replaced_only_for_a_reason(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = backup(here)
    assert restore(file) == 1
    assert "is not empty: restore --into another folder, or --replace it" in capsys.readouterr().err
    assert restore(file, "--replace") == 1
    assert "--replace needs a --reason" in capsys.readouterr().err
    writer = Stores.at(Settings()).journal.writer("gateway-1")
    assert restore(file, "--replace", "--reason", "try") == 1
    assert "a gateway is answering from" in capsys.readouterr().err
    writer.close()
    assert restore(file, "--replace", "--reason", "try") == 0


def test_receipts_that_cannot_be_read_stop_a_restore(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = backup(here)
    (here / "lived" / "opslayer.db").write_bytes(b"broken" * 1000)
    for name in ("opslayer.db-wal", "opslayer.db-shm"):
        (here / "lived" / name).unlink(missing_ok=True)
    assert restore(file, "--replace", "--reason", "the disk failed") == 1
    assert "who was erased since the backup is not known" in capsys.readouterr().err
    (here / "list").write_text('{"secret": "other", "id": "1"}\n')
    assert restore(file, "--into", str(here / "new"), "--erasures", str(here / "list")) == 1


def test_what_lies_at_configured_addresses_is_named_with_what_to_use_instead(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_LAKE_URL", "s3://bucket/lake")
    assert execute(["backup", "--output", str(here / "one")]) == 1
    assert "bucket's versioning" in capsys.readouterr().err
    done = told(capsys, "backup", "--output", str(here / "one"), "--local")
    assert done["elsewhere"] == ["lake"]
    assert "lake" not in done["covers"]
    monkeypatch.delenv("OPSLAYER_LAKE_URL")
    assert restore(here / "one", "--into", str(here / "new")) == 1
    assert "lake is not in the backup: restore it, and set OPSLAYER_LAKE_URL" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("OPSLAYER_DATABASE_URL", "postgresql://user:word@host/db")
    assert execute(["backup", "--output", str(here / "two"), "--local"]) == 1
    assert "pg_dump" in (said := capsys.readouterr().err)
    assert "word" not in said


def test_a_backup_is_never_written_over_another_or_into_what_it_saves(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = backup(here)
    assert execute(["backup", "--output", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert execute(["backup", "--output", str(here / "lived" / "in")]) == 1
    assert "would be lost with it" in capsys.readouterr().err
    (here / "many").mkdir()
    named = told(capsys, "backup", "--output", str(here / "many"))["file"]
    assert [str(path) for path in (here / "many").iterdir()] == [named]


def test_an_earlier_schema_is_backed_up_as_it_is_and_restored_as_this_one(here: Path) -> None:
    shutil.rmtree(here / "lived")
    entries = make_first_home(here / "lived", 300)
    file = backup(here)
    assert json.loads(zipfile.ZipFile(file).read("manifest.json"))["revision"] == FIRST
    assert restore(file, "--into", str(here / "new")) == 0
    stores = Stores.at(Settings(home=here / "new"))
    kept = stores.events.read("grown", {}, 10_000).events
    assert {(one.kind, one.id) for one in kept} == entries
    assert len(stores.events.feedback_about(stores.events.interactions([kept[0].id])[0])) == 1


def logged(home: Path) -> tuple[Event, ...]:
    return Stores.at(Settings(home=home)).events.read("shop", {}, 10_000).events


def make(home: str, file: str) -> None:
    """Back up, in a process that may die of it."""
    os.environ["OPSLAYER_HOME"] = home
    assert execute(["backup", "--output", file, "--json"]) == 0


def bring_back(home: str, configs: str, file: str) -> None:
    """Replace a home by its backup, in a process that may die of it."""
    os.environ.update(OPSLAYER_HOME=home, OPSLAYER_CONFIGS=configs)
    assert restore(Path(file), "--replace", "--reason", "it was lost", "--json") == 0


def test_a_backup_killed_at_any_of_these_moments_leaves_none_or_a_whole_one(here: Path) -> None:
    folder, deaths, died = here / "out", 0, True
    for point in (1, 2, 3, 5, 7, 9, 11, 99):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        died = dies_at_file(point, make, str(here / "lived"), str(folder / "one.backup"))
        for path in folder.glob("*.backup"):
            with opened(path) as archive:
                assert [archive.read(name) for name in archive.manifest.parts]
        make(str(here / "lived"), str(folder / "two.backup"))
        left = {path.name for path in folder.iterdir()} - {"one.backup"}
        assert left == {"two.backup"}, f"{point}: what was begun is gone"
        deaths += died
    assert deaths > 3
    assert not died, "beyond the last moment"


def test_a_restore_killed_at_any_of_these_moments_is_done_by_asking_again(
    here: Path, lived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, deaths = backup(here), 0
    assert execute(["erase", ANN, "--reason", "she asked"]) == 0
    for point in (3, 70, 110, 125, 140, 152, 158, 999):
        folder = here / f"at-{point}"
        shutil.copytree(here / "lived", folder / "home")
        words = (str(folder / "home"), str(lived / "configs"), str(file))
        deaths += (died := dies_at_file(point, bring_back, *words))
        if died:
            if (folder / "home").exists():
                assert len(logged(folder / "home")) == 3 * 270, point
            bring_back(*words)
        assert hits(folder / "home", [SECRET, ANN]) == [], point
        assert len(logged(folder / "home")) == 3 * 270, point
        stores = Stores.at(Settings(home=folder / "home"))
        assert stores.models.load(stores.ledger.versions.get("shop", 1))
        assert [path.name for path in folder.iterdir() if "restoring" in path.name] == []
        shutil.rmtree(folder)
    assert deaths > 4
    assert not died, "beyond the last moment"


def test_nothing_is_backed_up_where_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "none"))
    assert execute(["backup", "--output", str(tmp_path / "one")]) == 1
    assert "there is nothing to back up" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
