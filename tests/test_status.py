"""`opslayer status`: what serves each capability, how well, and what comes next."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from commands import execute
from opslayer.records import Release, Variant, Verdict, VerdictKind
from opslayer.settings import Settings
from opslayer.stores import Stores

AT = datetime(2024, 5, 6, tzinfo=UTC)
SHOP = """\
name: shop
kind: regression
inputs: {size: {type: number}}
target: price
training: {estimator: sklearn.linear_model.Ridge}
gate: {metric: mae}
monitor: {window: 7d, schedule: "30 5 * * *"}
"""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    folder = tmp_path / "configs" / "capabilities"
    folder.mkdir(parents=True)
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "yard.yaml").write_text(SHOP.replace("shop", "yard"))
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    return Stores.at(Settings())


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    assert execute(["status", "--json"]) == 0
    return {row["capability"]: row for row in json.loads(capsys.readouterr().out)}


def judge(stores: Stores, week: int, kind: VerdictKind, outcome: str, **numbers: Any) -> None:
    stores.ledger.verdicts.record(
        Verdict(
            capability="shop",
            kind=kind,
            about=f"window {week}",
            outcome=outcome,
            reason="said so",
            at=AT + timedelta(weeks=week),
            numbers={"window": week, **numbers},
        )
    )


def release(stores: Stores) -> None:
    stores.ledger.releases.publish(
        Release(
            capability="shop",
            number=1,
            parent=0,
            at=AT,
            by="ann",
            reason="first",
            variants=(Variant(name="model-4", model_version=4),),
        )
    )


def test_before_a_release_there_is_null_for_a_machine_and_a_way_on_for_a_person(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    row = told(capsys)["yard"]
    assert set(row) == {
        "capability",
        "release",
        "variant",
        "on_trial",
        "experiments",
        "window_quality",
        "last_alarm",
        "next_run",
        "retention",
        "last_expired",
    }
    assert [row[name] for name in ("release", "variant", "window_quality", "last_alarm")] == [
        None
    ] * 4
    assert execute(["status"]) == 0
    assert "none yet: opslayer run train_model yard" in capsys.readouterr().out


def test_the_newest_measured_window_and_the_newest_alarm_count(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    release(stores)
    window = {"metric": "mae", "start": "2024-05-13T00:00:00+00:00", "rows": 168, "labelled": 150}
    ends = {"end": "2024-05-20T00:00:00+00:00"}
    judge(stores, 1, VerdictKind.QUALITY, "measured", value=9.5, **window, **ends)
    judge(stores, 2, VerdictKind.QUALITY, "measured", value=12.25, **window, **ends)
    judge(stores, 3, VerdictKind.QUALITY, "not_judged", rows=0)
    judge(stores, 1, VerdictKind.ALARM, "alarm")
    judge(stores, 2, VerdictKind.ALARM, "alarm")
    judge(stores, 3, VerdictKind.ALARM, "quiet")
    row = told(capsys)["shop"]
    assert (row["release"], row["variant"]) == (1, "model-4")
    assert row["window_quality"] == {
        "metric": "mae",
        "value": 12.25,
        "window": 2,
        "start": "2024-05-13T00:00:00+00:00",
        "end": "2024-05-20T00:00:00+00:00",
        "rows": 168,
        "labelled": 150,
        "release": None,
    }
    assert row["last_alarm"] == "2024-05-20T00:00:00Z"
    assert execute(["status"]) == 0
    out = capsys.readouterr().out
    for shown in ("model-4", "mae 12.25", "2024-05-13 to 2024-05-20", "2024-05-20 00:00 UTC"):
        assert shown in out


def test_the_next_run_is_the_schedules_next_moment(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC)
    moment = datetime.fromisoformat(told(capsys)["shop"]["next_run"])
    assert before < moment <= datetime.now(UTC) + timedelta(days=1)
    assert (moment.hour, moment.minute) == (5, 30)


def test_without_a_capability_it_says_how_to_declare_one(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "configs" / "capabilities").iterdir():
        path.unlink()
    assert execute(["status"]) == 0
    assert "configs/capabilities/NAME.yaml" in capsys.readouterr().out
    assert told(capsys) == {}
