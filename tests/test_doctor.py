"""The doctor finds what is wrong, says the way out, and changes nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import backend
import pyarrow as pa
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from taught import shop as learner
from taught import teach, trained

from commands import execute
from opslayer.capability import Capability, Retrain
from opslayer.configuration import load_capability
from opslayer.records import Cause, CauseKind, Interaction, Release, Variant, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.steps.doctor import CHECKS, Finding, Health, Installation, examine
from opslayer.stores import Stores
from opslayer.stores.lake import schema
from opslayer.stores.last_backup import LastBackup
from opslayer.stores.ledger.batches import Batch

NOW = datetime.now(UTC)
SHOP = """\
name: shop
kind: regression
inputs: {size: {type: number}}
target: price
sources: [{name: till, path: SOURCE, event_time: at}]
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae}
"""


@pytest.fixture
def place(tmp_path: Path) -> Installation:
    """A fresh installation with one capability, whose source is there."""
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (tmp_path / "till.csv").write_text("at,size,price\n")
    (folder / "shop.yaml").write_text(SHOP.replace("SOURCE", str(tmp_path / "till.csv")))
    return Installation(Settings(home=tmp_path / "home", configs=tmp_path / "configs"), NOW)


def stores_of(place: Installation) -> Stores:
    return Stores.at(place.settings)


def shop(place: Installation) -> Capability:
    return load_capability("shop", place.settings.configs)


def again(place: Installation, **changes: Any) -> Installation:
    """The installation looked at anew, as the next call of the command does."""
    settings = place.settings.model_copy(update=changes.pop("settings", {}))
    return Installation(settings, NOW, changes.pop("environment", {}))


def found(place: Installation, code: str) -> list[Finding]:
    findings = [finding for finding in examine(replace(place)) if finding.code == code]
    assert all(finding.way_out for finding in findings if finding.status is not Health.OK)
    return [finding for finding in findings if finding.status is not Health.OK]


def release(number: int = 1, at: datetime = NOW, version: int | None = None) -> Release:
    return Release(
        capability="shop",
        number=number,
        parent=number - 1,
        at=at,
        by="ann",
        reason="first",
        variants=(
            Variant(name=f"model-{version}" if version else "constant", model_version=version),
        ),
    )


def test_a_fresh_installation_is_well_and_stays_untouched(place: Installation) -> None:
    findings = examine(place)
    assert {finding.status for finding in findings} == {Health.OK}, findings
    assert [finding.code for finding in findings] == [check.code for check in CHECKS]
    assert not place.settings.root.exists()


def test_a_used_installation_is_well(place: Installation) -> None:
    stores_of(place).ledger.releases.publish(release())
    assert {finding.status for finding in examine(place)} == {Health.OK}


def test_a_data_folder_that_cannot_be_written_is_a_failure(place: Installation) -> None:
    # A folder inside a file can be made by nobody, not even by root.
    blocked = place.settings.configs / "capabilities" / "shop.yaml" / "home"
    broken = again(place, settings={"home": Path("/proc/opslayer")})
    (failure,) = found(broken, "data-folder")
    assert failure.status is Health.FAILURE
    assert "OPSLAYER_HOME" in failure.way_out
    assert found(again(place, settings={"home": blocked}), "database") == []


def test_wrong_files_are_a_failure_with_their_lines(place: Installation) -> None:
    path = place.settings.configs / "capabilities" / "shop.yaml"
    path.write_text(path.read_text().replace("Ridge", "Ridg").replace("mae", "mea"))
    (failure,) = found(place, "configs")
    assert f"{path}:6: training.estimator" in failure.message
    assert f"{path}:7: gate.metric" in failure.message
    assert failure.way_out == "opslayer config check"
    path.unlink()
    (failure,) = found(place, "configs")
    assert "OPSLAYER_CONFIGS" in failure.way_out


def test_a_source_that_is_not_there_is_a_failure(place: Installation, tmp_path: Path) -> None:
    (tmp_path / "till.csv").unlink()
    (failure,) = found(place, "sources")
    assert str(tmp_path / "till.csv") in failure.message
    path = place.settings.configs / "capabilities" / "shop.yaml"
    query = "query: select 1, url: 'sqlite:///${TILL_HOME}/till.db', cursor: at"
    path.write_text(SHOP.replace("path: SOURCE", query))
    (failure,) = found(place, "sources")
    assert "TILL_HOME" in failure.message
    assert found(again(place, environment={"TILL_HOME": "/data"}), "sources") == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:///README.md", "not a database"),
        ("nonsense", "does not answer"),
        ("sqlite:////proc/nothing/opslayer.db", ""),
    ],
)
def test_a_database_that_does_not_answer_is_one_failure(
    place: Installation, url: str, sentence: str
) -> None:
    (place.settings.configs / "README.md").write_text("no database, but long enough to be read\n")
    url = url.replace("README.md", str(place.settings.configs / "README.md"))
    findings = examine(again(place, settings={"database_url": url}))
    bad = [finding for finding in findings if finding.status is not Health.OK]
    if not sentence:  # nothing there yet: the first verb that writes makes it
        assert bad == []
        return
    assert [finding.code for finding in bad] == ["database"]
    assert sentence in bad[0].message
    assert {"alias", "leases", "batches", "clock"}.isdisjoint(one.code for one in findings)


@pytest.mark.parametrize(("revision", "status"), [("9999", "failure"), ("0000", "warning")])
def test_another_schema_is_told_and_left_as_it_is(
    place: Installation, revision: str, status: str
) -> None:
    stores_of(place).ledger.releases.publish(release())
    engine = create_engine(place.settings.database)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE opslayer_version SET version_num = '{revision}'"))
    (finding,) = found(place, "database")
    assert (finding.status.value, revision in finding.message) == (status, True)
    with engine.begin() as connection:
        kept = connection.scalar(text("SELECT version_num FROM opslayer_version"))
    assert kept == revision


@contextmanager
def listening(says: bool) -> Iterator[str]:
    """A port where connections are refused, or taken by one who says nothing; its address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if says:
            taken.listen()
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("says", "sentence"), [(False, "Connection refused"), (True, "operation timed out")]
)
def test_an_object_store_that_is_away_or_hangs_is_one_failure_in_one_line(
    place: Installation, monkeypatch: pytest.MonkeyPatch, says: bool, sentence: str
) -> None:
    stores_of(place).ledger.releases.publish(release())
    monkeypatch.setattr("opslayer.steps.doctor.stored.PATIENCE", 1)
    for name, value in backend.S3.items():
        monkeypatch.setenv(name, value)
    with listening(says) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        findings = examine(again(place, settings={"lake_url": "s3://lake"}))
    (failure,) = [finding for finding in findings if finding.status is not Health.OK]
    assert (failure.code, failure.status) == ("lake", Health.FAILURE)
    assert failure.message.startswith("the lake at s3://lake does not answer: ")
    assert sentence in failure.message
    assert failure.message.isprintable()
    assert "AWS_ENDPOINT_URL" in failure.way_out


@pytest.mark.parametrize("says", [False, True])
def test_a_registry_that_is_away_or_hangs_is_one_failure(
    place: Installation, monkeypatch: pytest.MonkeyPatch, says: bool
) -> None:
    stores_of(place).ledger.releases.publish(release(version=1))
    monkeypatch.setattr("opslayer.steps.doctor.stored.PATIENCE", 1)
    with listening(says) as address:
        findings = examine(again(place, settings={"mlflow_url": address}))
    (failure,) = [finding for finding in findings if finding.status is not Health.OK]
    assert (failure.code, failure.status) == ("registry", Health.FAILURE)
    assert f"MLflow at {address} does not answer" in failure.message


def test_a_serving_model_whose_file_has_changed_is_a_failure(place: Installation) -> None:
    stores = stores_of(place)
    teach(stores, learner(), 10)
    version = trained(stores, learner(), 10)
    stores.models.set_champion("shop", version.version)
    stores.ledger.releases.publish(release(version=version.version))
    assert found(place, "models") == []
    (file,) = place.settings.root.rglob("model.skops")
    file.write_bytes(file.read_bytes() + b"!")
    (failure,) = found(place, "models")
    assert failure.status is Health.FAILURE
    assert failure.message.startswith("release 1 of shop: ")
    assert "model.skops" in failure.message
    assert "opslayer release rollback shop" in failure.way_out


def test_an_alias_that_differs_from_the_ledger_is_told(place: Installation) -> None:
    import mlflow

    stores = stores_of(place)
    client = mlflow.MlflowClient(place.settings.tracking, place.settings.tracking)
    client.create_registered_model("shop")
    for _ in range(2):
        client.create_model_version("shop", source=str(place.settings.root / "models"))
    stores.ledger.releases.publish(release(version=2))
    (finding,) = found(place, "alias")
    assert "serves version 2" in finding.message
    assert "not set" in finding.message
    stores.models.set_champion("shop", 1)
    (finding,) = found(place, "alias")
    assert "champion is 1" in finding.message
    stores.models.set_champion("shop", 2)
    assert found(place, "alias") == []


def test_a_retrain_whose_worker_died_is_told(place: Installation) -> None:
    causes = stores_of(place).ledger.causes
    cause = Cause(capability="shop", kind=CauseKind.HARM, about="window 5", at=NOW)
    causes.open(cause)
    causes.claim(cause.id, "worker-1", Retrain())
    assert found(place, "leases") == []
    later = Installation(place.settings, datetime.now(UTC) + timedelta(minutes=5))
    (finding,) = found(later, "leases")
    assert cause.id in finding.message
    assert "worker-1" in finding.message
    causes.finish(cause.id, "worker-1", "done", "trained")
    assert found(later, "leases") == []


def test_an_ingest_left_half_done_and_a_refused_file_are_told(place: Installation) -> None:
    batches = stores_of(place).ledger.batches
    where = {"begin": {"file": "till.csv"}, "end": {"final": True}}
    batches.add(Batch("shop", "till", **where, status="refused", reason="no column size"), after=0)
    (finding,) = found(place, "batches")
    assert "till.csv was refused: no column size" in finding.message
    batches.add(Batch("shop", "till", **where), after=1)
    (finding,) = found(place, "batches")
    assert "batch 2 of source till was begun" in finding.message


def test_subjects_need_the_secret_that_hides_them(place: Installation) -> None:
    def answered(subject: str | None) -> Interaction:
        return Interaction(
            id=f"call-{subject}",
            capability="shop",
            subject=subject,
            event_time=NOW,
            input={"size": 1.0},
            output={"value": 2.0},
            variant="constant",
            release=1,
        )

    events = stores_of(place).events
    events.append([answered(None)], "gateway-1")
    assert found(place, "secret") == []
    events.append([answered("5f2b")], "gateway-1")
    (finding,) = found(place, "secret")
    assert finding.status is Health.FAILURE
    (place.settings.root / "secret").write_text("kept")
    assert found(place, "secret") == [], "the gateway has made one, and keeps it there"
    (finding,) = found(again(place, settings={"secret": SecretStr("short")}), "secret")
    assert finding.status is Health.WARNING
    assert found(again(place, settings={"secret": SecretStr("x" * 32)}), "secret") == []


def test_a_high_share_in_quarantine_is_told(place: Installation) -> None:
    stores, capability = stores_of(place), shop(place)
    rows = [
        {"row_id": str(number), "event_time": NOW, "known_time": NOW, "in:size": 1.0}
        for number in range(190)
    ]
    full = schema(capability, "rows")
    stores.lake.append(capability, "rows", pa.Table.from_pylist(rows, schema=full))
    assert found(place, "quarantine") == []
    dirty = pa.Table.from_pylist([{"reason": "x"}] * 10, schema=schema(capability, "quarantine"))
    stores.lake.append(capability, "quarantine", dirty)
    (finding,) = found(place, "quarantine")
    assert "10 rows (5.0%)" in finding.message


def test_records_from_the_future_are_told(place: Installation) -> None:
    stores, capability = stores_of(place), shop(place)
    soon = NOW + timedelta(minutes=1)
    stores.ledger.releases.publish(release(at=soon))
    assert found(place, "clock") == []
    ahead = NOW + timedelta(days=2)
    stores.ledger.releases.publish(release(number=2, at=ahead))
    stores.ledger.verdicts.record(
        Verdict(
            capability="shop",
            kind=VerdictKind.GATE,
            about="candidate 7",
            outcome="wait",
            reason="too few labels",
            at=ahead,
        )
    )
    row = {"row_id": "1", "event_time": ahead, "known_time": ahead, "in:size": 1.0}
    stores.lake.append(
        capability, "rows", pa.Table.from_pylist([row], schema=schema(capability, "rows"))
    )
    said = [finding.message for finding in found(place, "clock")]
    assert ["release 2" in said[0], "candidate 7" in said[1], "newest row" in said[2]] == [True] * 3


@contextmanager
def prefect(deployed: list[str], status: int = 200) -> Iterator[str]:
    """A server that answers what the doctor asks of Prefect's API; its URL."""

    class Answers(BaseHTTPRequestHandler):
        def _say(self, body: Any) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_GET(self) -> None:
            self._say(True)

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            page = deployed[asked["offset"] : asked["offset"] + asked["limit"]]
            self._say([{"parameters": {"capability": name}} for name in page])

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()


def test_a_prefect_server_must_answer_and_know_each_capability(place: Installation) -> None:
    with prefect([f"other-{number}" for number in range(250)] + ["shop"]) as url:
        assert found(again(place, environment={"PREFECT_API_URL": url}), "prefect") == []
    with prefect(["other"]) as url:
        (finding,) = found(Installation(place.settings, NOW, {"PREFECT_API_URL": url}), "prefect")
        assert (finding.status, "shop" in finding.message) == (Health.WARNING, True)
    gone = Installation(place.settings, NOW, {"PREFECT_API_URL": url})
    (finding,) = found(gone, "prefect")
    assert finding.status is Health.FAILURE
    with prefect([], status=401) as url:
        (finding,) = found(Installation(place.settings, NOW, {"PREFECT_API_URL": url}), "prefect")
        assert "401" in finding.message
    (finding,) = found(
        Installation(place.settings, NOW, {"PREFECT_API_URL": "file:///"}), "prefect"
    )
    assert "http" in finding.message


def test_the_command_exits_with_1_only_for_a_failure(
    place: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(place.settings.home))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(place.settings.configs))
    monkeypatch.setenv("OPSLAYER_SECRET", "short")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert execute(["doctor"]) == 0
    assert "openssl rand" in capsys.readouterr().out
    monkeypatch.setenv("OPSLAYER_DATABASE_URL", "nonsense")
    assert execute(["doctor", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert all(set(one) == {"code", "status", "message", "way_out"} for one in findings)
    assert [one["code"] for one in findings if one["status"] == "failure"] == ["database"]


def test_a_backup_is_missed_once_something_has_served_for_a_week(place: Installation) -> None:
    stores_of(place).ledger.releases.publish(release(at=NOW - timedelta(days=6)))
    assert found(place, "backup") == []
    later = replace(place, as_of=NOW + timedelta(days=2))
    (warning,) = found(later, "backup")
    assert warning.message.startswith("there is no backup, and something serves since")
    LastBackup(taken=NOW, file="/else/one.backup").write(place.settings.root)
    (fine,) = [one for one in examine(later) if one.code == "backup"]
    assert fine.status is Health.OK
    assert "the last backup was taken at" in fine.message
    (warning,) = found(replace(place, as_of=NOW + timedelta(days=8)), "backup")
    assert warning.way_out == "opslayer backup --output FOLDER"
