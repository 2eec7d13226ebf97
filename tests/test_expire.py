"""Retention: what is too old goes from every store, the rest stays, and nothing comes back."""

from __future__ import annotations

import csv
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from at_rest import hits
from backend import copy_home
from lake_content import START
from serving import serving
from taught import at, give_database, order, shop
from upstream import DESK, upstream

from benchmarks.kills import dies
from commands import execute
from opslayer.capability import Capability, Retention
from opslayer.configuration import load_capability
from opslayer.errors import ConfigError, NotFound, Refused, StoreError
from opslayer.records import Expiry, Feedback, Interaction, Shadow
from opslayer.settings import Settings
from opslayer.sources.interactions import LogFeed
from opslayer.sources.part import Part
from opslayer.steps.expire import expire, expire_aside
from opslayer.steps.facets import tag_calls
from opslayer.steps.ingest import ingest
from opslayer.steps.introduce import introduce
from opslayer.steps.monitor import monitor
from opslayer.steps.promote import Promotion, promote
from opslayer.steps.report import report
from opslayer.steps.snapshot import load
from opslayer.steps.trace import lineage, verify
from opslayer.steps.train import train
from opslayer.stores import Stores
from opslayer.stores.ledger.batches import Batch
from opslayer.stores.reviews import Queued

CALLS = 300
"""One an hour, from the first hour of the shop's first day."""
NOW = START + timedelta(hours=CALLS, minutes=20)
KEPT = 192
"""Hours that are kept: 8 days."""
FIRST = CALLS - KEPT
"""The first call that is kept."""
OLD, YOUNG = "quokka-5519", "heron-2207"
"""Words that only old calls hold, and only younger ones."""
KEEPS = "retention: {interactions: 1h}\n"


def till(configs: Path) -> Path:
    """Where the shop's own rows come from."""
    return configs / "till.csv"


def declared(configs: Path, **retention: str) -> Capability:
    """The shop with a source of its own, its file written."""
    names = {"name": "till", "path": str(till(configs)), "event_time": "at", "id": "no"}
    sections: dict[str, Any] = {"sources": [names]}
    said = shop(**sections).model_dump(mode="json", exclude_unset=True)
    folder = configs / "capabilities"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shop.yaml").write_text(json.dumps({**said, "retention": retention}))
    return load_capability("shop", configs)


def word(hour: int, first: int = FIRST) -> str:
    return f"{OLD if hour < first else YOUNG} {hour}"


def sold(configs: Path, hours: int) -> None:
    """The source's file: one row an hour."""
    with till(configs).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["no", "at", "size", "colour", "city", "note", "answer"])
        for hour in range(hours):
            when = (START + timedelta(hours=hour)).isoformat()
            size = (hour * 53 % 100) / 50 - 1
            answer = "yes" if size > 0 else "no"
            writer.writerow([f"sold-{hour:04}", when, size, "blue", "rome", word(hour), answer])


def asked(hour: int) -> list[Interaction | Feedback | Shadow]:
    """A call, what came true of it two days later, and a shadow's answer to its copy."""
    id, when = f"call-{hour:04}", START + timedelta(hours=hour)
    size = (hour * 37 % 100) / 50 - 1
    answer = "yes" if size > 0 else "no"
    call = Interaction(
        id=id, capability="shop", event_time=when, variant="model-1", release=1, subject="s" * 32,
        input={"size": size, "colour": "red", "city": "oslo", "note": f"what of {word(hour)} now"},
        output={"value": answer, "note": word(hour)},
    )  # fmt: skip
    later = max(when, min(when + timedelta(days=2), NOW))
    told = Feedback(
        id=f"told-{hour:04}", capability="shop", interaction_id=id, kind="true_value",  # type: ignore[arg-type]
        value=answer, event_time=later, known_time=later,
    )  # fmt: skip
    copy = Shadow(
        id=id, capability="shop", event_time=when, variant="model-2", release=1,
        output={"value": answer, "note": word(hour)},
    )  # fmt: skip
    return [call, told, copy]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which a model was trained on calls and on rows of the source."""
    folder = tmp_path_factory.mktemp("lived")
    stores = give_database(Stores.at(Settings(home=folder / "home", configs=folder / "configs")))
    spec = declared(folder / "configs")
    sold(folder / "configs", CALLS)
    for hour in range(CALLS):
        stores.events.append(asked(hour), "test")
    broken = asked(1)[0].model_copy(update={"id": "bad", "input": {"size": f"{OLD} no number"}})
    stores.events.append([broken], "test")
    ingest(spec, stores, NOW)
    tag_calls(spec, stores, NOW)
    stores.reviews.fill("shop", [Queued("call-0001"), Queued(f"call-{FIRST:04}")], NOW)
    snapshot, ordered = order(stores, spec, 12)
    version = train(spec, snapshot, stores, ordered)
    promote(spec, version, stores, Promotion(0, "ann", "first", None, (), NOW))
    return folder


class Place:
    """A copy of it in which a test may do what it likes."""

    def __init__(self, folder: Path) -> None:
        self.home, self.configs = folder / "home", folder / "configs"

    @property
    def stores(self) -> Stores:
        return Stores.at(Settings())

    def keep(self, **ages: str) -> Capability:
        """Declare for how long."""
        return declared(self.configs, **ages)

    def expire(self, now: datetime = NOW, **ages: str) -> Expiry:
        """Remove what is older."""
        spec = self.keep(**(ages or {"interactions": "8d", "rows": "8d"}))
        run = expire(spec, self.stores, now)
        assert run is not None
        assert run.done
        return run

    def left(self, *words: str) -> list[str]:
        """Where these rest, but for the model that the record names."""
        return [one for one in hits(self.home, list(words)) if "model.skops" not in one]


@pytest.fixture
def place(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    copy_home(lived / "home", tmp_path / "home")
    shutil.copytree(lived / "configs", tmp_path / "configs")
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.delenv("OPSLAYER_SECRET", raising=False)
    return Place(tmp_path)


def hour_of(id: str) -> int:
    return int(id.split("-")[1][:4])


def kept(stores: Stores, spec: Capability, first: int) -> dict[str, Any]:
    """Everything of calls and rows from an hour on: the lake's tables, and the log."""
    found: dict[str, Any] = {}
    for table in ("rows", "answers", "tags", "facets", "snapshots"):
        rows = stores.lake.query(spec, f"SELECT * FROM {table}", (table,)).to_pylist()
        its = [sorted(row.items()) for row in rows if hour_of(row["row_id"]) >= first]
        found[table] = sorted(its, key=repr)
    events = stores.events.read("shop", {}, 10_000).events
    found["log"] = [one.text for one in events if one.id != "bad" and hour_of(one.id) >= first]
    return found


def numbered(first: int, prefixes: tuple[str, ...]) -> list[str]:
    return [f"{prefix}-{hour:04}" for prefix in prefixes for hour in range(first)]


def test_nothing_of_what_is_too_old_is_left_and_all_that_is_younger_is_as_it_was(
    place: Place,
) -> None:
    before = kept(place.stores, place.keep(), FIRST)
    assert place.left(OLD, "call-0000", "sold-0000")
    run = place.expire()
    assert run.removed["events"] == 3 * FIRST + 1
    assert run.removed["lake/rows"] == 2 * FIRST
    assert run.removed["lake/answers"] == FIRST
    assert run.removed["lake/quarantine"] == 1
    assert run.removed["reviews"] == 1
    assert run.models == (1,)
    gone = numbered(FIRST, ("call", "told", "sold"))
    assert place.left(OLD, *gone[:: len(gone) // 40]) == []
    assert kept(place.stores, place.keep(), 0) == before
    assert place.stores.reviews.rows("shop") == {f"call-{FIRST:04}"}


def test_ages_are_for_calls_and_for_rows_of_sources_apart(place: Place) -> None:
    place.expire(interactions="8d")
    spec, stores = place.keep(interactions="8d"), place.stores
    first = stores.lake.query(spec, "SELECT min(row_id) AS id FROM rows GROUP BY source", ("rows",))
    assert sorted(first["id"].to_pylist()) == [f"call-{FIRST:04}", "sold-0000"]
    assert place.left("call-0000", "told-0000") == []
    place.expire(rows="10d")
    assert place.left("sold-0059", "call-0059") == []
    assert place.left("sold-0060")


def test_a_training_set_is_read_explained_and_verified_by_what_is_left(place: Place) -> None:
    spec = place.keep()
    (version,) = place.stores.ledger.versions.all("shop")
    whole = load(spec, version.snapshot, place.stores)
    place.expire()
    left = load(spec, version.snapshot, place.stores)
    young = whole.row_ids.map(hour_of) >= FIRST
    assert 0 < young.sum() < len(whole.row_ids)
    assert list(left.row_ids) == list(whole.row_ids[young])
    told = verify(spec, place.stores, version.snapshot)
    assert told["equal"]
    record = place.stores.ledger.snapshots.get("shop", version.snapshot)
    assert (record.rows, record.taken) == (young.sum(), len(whole.row_ids))
    call = place.stores.events.interactions([f"call-{FIRST:04}"])[0]
    rows = lineage(place.stores, call)["rows"]
    assert rows["count"] == young.sum()
    assert rows["expired"] == (
        f"{len(whole.row_ids) - young.sum()} rows expired on 2024-01-13 by retention of 8d "
        "(interactions), 8d (rows)"
    )


def test_where_all_of_its_training_set_has_expired_the_champion_is_watched_on(
    place: Place,
) -> None:
    later = NOW + timedelta(days=30)
    spec, stores = place.keep(), place.stores
    for hour in range(CALLS + 24 * 15, CALLS + 24 * 29, 4):
        stores.events.append(asked(hour), "test")
    ingest(spec, stores, later)
    place.expire(later, interactions="20d", rows="20d")
    (version,) = stores.ledger.versions.all("shop")
    record = stores.ledger.snapshots.get("shop", version.snapshot)
    assert record.rows == 0
    found = monitor(spec, stores, later)
    assert {one.outcome for one in found if one.kind == "alarm"} == {"cannot_calibrate"}
    assert {one.outcome for one in found if one.kind == "harm"} == {"too_few_labels"}
    assert report(spec, stores, found)
    (call,) = stores.events.interactions([f"call-{CALLS + 24 * 28:04}"])
    assert "expired on" in lineage(stores, call)["rows"]["expired"]


def test_what_is_replayed_from_before_stays_away_and_what_is_younger_comes(place: Place) -> None:
    place.expire()
    spec, stores = place.keep(interactions="8d", rows="8d"), place.stores
    again = [record for hour in (0, FIRST - 1) for record in asked(hour)]
    assert stores.events.append([one for one in again if one.id[:4] == "call"], "restored") == 0
    assert stores.events.append(asked(CALLS + 1), "restored") == 3
    sold(place.configs, CALLS + 2)
    counts = ingest(spec, stores, NOW + timedelta(hours=2)).sources["till"]
    assert (counts.stored, counts.present, counts.expired) == (2, KEPT, FIRST)
    assert counts.balanced
    assert place.left(OLD, "sold-0000", "call-0000") == []


def test_feedback_that_no_call_came_to_goes_when_it_is_too_old_for_any_capability(
    place: Place,
) -> None:
    stores, month = place.stores, {"interactions": "30d"}
    lost = asked(2)[1].model_copy(update={"id": "lost", "interaction_id": "x", "capability": ""})
    late = lost.model_copy(update={"id": "late", "event_time": NOW})
    stores.events.append([lost, late], "test")
    for_ever, shop_only = place.keep(), place.keep(interactions="8d")
    desk = for_ever.model_copy(update={"name": "desk", "retention": Retention(**month)})
    assert expire_aside([shop_only, for_ever], stores, NOW) is None
    for hours, removed in ((0, 0), (24 * 20, 1)):
        run = expire_aside([shop_only, desk], stores, NOW + timedelta(hours=hours))
        assert run is not None
        assert run.removed["events"] == removed
    assert place.left("lost") == []
    assert [one.id for one in stores.events.read("", {}).events] == ["late"]
    assert stores.events.append([lost], "restored") == 0


def test_what_is_not_watched_expires_on_a_schedule_of_its_own(place: Place) -> None:
    watched = place.keep(interactions="8d")
    folder = place.configs / "capabilities"
    (folder / "desk.yaml").write_text(DESK.format(url="http://127.0.0.1:9") + KEEPS)
    desk = load_capability("desk", place.configs)
    from flows.deployments import deployments

    made = {(one.flow_name, one.name) for one in deployments([watched, desk])}
    assert ("expire_data", "desk") in made
    assert ("watch_production", "shop") in made
    assert ("expire_data", "shop") not in made


def test_an_ingest_that_had_read_old_calls_writes_nothing_of_them_afterwards(place: Place) -> None:
    spec, stores = place.keep(), place.stores
    late = asked(3)[0].model_copy(update={"id": "call-9003"})
    stores.events.append([late, *asked(CALLS + 1)], "test")
    feed = LogFeed(spec, stores.events)
    history = stores.ledger.batches.of("shop", feed.name)
    part = next(iter(feed.parts(history)))
    assert isinstance(part, Part)
    place.expire()
    begun = Batch("shop", feed.name, part.begin, part.end)
    last = max(batch.number for batch in history)
    assert stores.ledger.batches.add(begun, last) is None, "what it had read is no batch any more"
    ingest(spec, stores, NOW + timedelta(hours=2))
    assert place.left(OLD, "call-9003") == []


def test_who_has_read_past_what_expires_misses_nothing(place: Place) -> None:
    stores = place.stores
    read = stores.events.read("shop", {}, 10_000).positions
    place.expire(NOW + timedelta(days=30))
    assert stores.events.read("shop", {}).events == ()
    stores.events.append(asked(CALLS + 24 * 40), "test")
    assert len(stores.events.read("shop", read).events) == 3


def test_within_the_hour_it_is_done_once_and_only_what_removed_something_is_kept(
    place: Place,
) -> None:
    first = place.expire()
    assert place.expire(NOW + timedelta(minutes=5)) == first
    for hours in (200, 300, 400):
        place.expire(NOW + timedelta(hours=hours))
    removed = [any(run.removed.values()) for run in place.stores.ledger.expiries.of("shop")]
    assert removed == [False, True, True]


def test_a_file_without_ages_removes_nothing(place: Place) -> None:
    spec = place.keep()
    before = kept(place.stores, spec, 0)
    assert expire(spec, place.stores, NOW + timedelta(days=3000)) is None
    assert kept(place.stores, spec, 0) == before


def run_out(home: str, configs: str) -> None:
    """Expire, in a process that may die of it."""
    os.environ.update(OPSLAYER_HOME=home, OPSLAYER_CONFIGS=configs)
    spec = load_capability("shop", Path(configs))
    assert expire(spec, Stores.at(Settings()), NOW) is not None


POINTS = (2, 9, 18, 29, 41)
"""Database writes before which it is killed; the lake's files lie between them."""


def test_killed_at_any_of_these_writes_it_is_done_by_the_next_run(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = place.keep(interactions="8d", rows="8d")
    before, killed = kept(place.stores, spec, FIRST), 0
    for point in POINTS:
        other = Place(tmp_path / f"{point}")
        copy_home(place.home, other.home)
        died = dies(point, run_out, str(other.home), str(place.configs))
        monkeypatch.setenv("OPSLAYER_HOME", str(other.home))
        run = expire(spec, other.stores, NOW + timedelta(minutes=1))
        assert run is not None
        assert run.removed["lake/rows"] == 2 * FIRST, point
        assert run.models == (1,), point
        assert other.left(OLD, "call-0003", "sold-0003", "told-0003") == [], point
        assert kept(other.stores, spec, 0) == before, point
        assert verify(spec, other.stores, run.snapshots[0])["equal"], point
        shutil.rmtree(tmp_path / f"{point}")
        killed += died
    assert killed >= len(POINTS) - 1


def test_pages_go_by_when_they_were_drawn(place: Place) -> None:
    reports, now = place.stores.reports, datetime.now(UTC)
    old, new = (reports.write("shop", f"drift/{day}/index.html", "x") for day in ("one", "two"))
    long_ago = (now - timedelta(days=40)).timestamp()
    os.utime(old, (long_ago, long_ago))
    assert place.expire(now, reports="30d").removed["reports"] == 1
    assert (old.parent.exists(), new.exists()) == (False, True)


def test_of_models_that_nobody_may_ask_the_old_ones_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    stores = give_database(Stores.at(Settings()))
    spec = declared(tmp_path / "configs")
    sold(tmp_path / "configs", CALLS)
    ingest(spec, stores, NOW)
    for number, day in enumerate((6, 8, 10, 12)):
        snapshot, ordered = order(stores, spec, day, about=f"day {day}")
        version = train(spec, snapshot, stores, ordered)
        promote(spec, version, stores, Promotion(number, "ann", "next", None, (), at(day)))
    spec = declared(tmp_path / "configs", models="3d")
    run = expire(spec, stores, at(12))
    assert run is not None
    assert run.forgotten == (1, 2), "the third is the one before the champion"
    with pytest.raises((NotFound, StoreError)):
        stores.models.load(stores.ledger.versions.get("shop", 1))
    with pytest.raises(Refused, match=r"since it was older than the file's retention\.models"):
        promote(spec, 1, stores, Promotion(4, "ann", "back", None, (), at(12)))
    stores.models.load(stores.ledger.versions.get("shop", 3))
    again = expire(spec, stores, at(13))
    assert again is not None
    assert again.forgotten == ()


def test_while_the_gateway_answers_it_leaves_nothing_in_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, configs = tmp_path / "home", tmp_path / "configs"
    monkeypatch.setenv("OPSLAYER_HOME", str(home))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(configs))
    stores = Stores.at(Settings())
    with upstream() as address:
        (configs / "capabilities").mkdir(parents=True)
        (configs / "capabilities" / "desk.yaml").write_text(DESK.format(url=address) + KEEPS)
        desk = load_capability("desk", configs)
        introduce(desk, stores, datetime.now(UTC))
        with serving(home, configs) as served:
            body = {"model": "desk", "messages": [{"role": "user", "content": f"I am {OLD}"}]}
            headers = {"Idempotency-Key": "a key"}
            url = f"{served.url}/v1/chat/completions"
            said = httpx.post(url, json=body, headers=headers, timeout=30)
            assert said.status_code == 200
            id = said.headers["x-opslayer-interaction"]
            thumb = {"interaction_id": id, "kind": "correction", "value": f"{OLD} it is"}
            told = httpx.post(f"{served.url}/v1/feedback", json=thumb, timeout=30)
            assert told.status_code == 200
            assert hits(home, [OLD]), "it was there"
            run = expire(desk, stores, datetime.now(UTC) + timedelta(hours=2))
            assert run is not None
            assert run.removed["idempotency keys"] == 1
            assert run.removed["journal"] > 0
            assert hits(home, [OLD]) == []
            assert hits(home / "journal", [id]) == hits(home / "opslayer.db", [id]) == []


def test_an_age_shorter_than_a_windows_judgement_needs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    declared(tmp_path / "configs", interactions="8d", models="1d", reports="1d")
    assert execute(["config", "check"]) == 0
    with pytest.raises(ConfigError):
        declared(tmp_path / "configs", interactions="3d")
    assert execute(["config", "check"]) == 1
    assert (
        "retention.interactions: 3d is shorter than labels.delay + monitor.window (7d): rows would "
        "be gone before their window is judged; keep them for at least 7d"
    ) in capsys.readouterr().err


def test_a_person_asks_for_it_and_is_told_and_so_is_whoever_asks_how_things_stand(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.keep(interactions="8d", rows="8d")
    assert execute(["run", "expire_data", "shop", f"as_of={NOW:%Y-%m-%dT%H:%M}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ages"] == {"interactions": "8d", "rows": "8d"}
    assert told["removed"]["lake/rows"] == 2 * FIRST
    assert execute(["status", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["retention"] == {"interactions": "8d", "rows": "8d"}
    assert row["last_expired"].startswith("2024-01-13T12:20")
    assert execute(["status"]) == 0
    assert "8d" in capsys.readouterr().out
