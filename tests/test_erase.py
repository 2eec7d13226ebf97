"""`opslayer erase`: a person goes from every store, the others stay, and nothing comes back."""

from __future__ import annotations

import atexit
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import pytest
from at_rest import hits
from backend import copy_home
from lake_content import START
from serving import Served, serving
from taught import give_database, order, shop
from upstream import DESK, upstream
from waiting import until

from benchmarks.kills import dies
from commands import execute
from opslayer.capability import Capability
from opslayer.configuration import load_capability
from opslayer.errors import NotFound, Refused, StoreError
from opslayer.records import Cause, CauseKind, Exposure, Feedback, Interaction, Shadow
from opslayer.settings import Settings
from opslayer.sources.interactions import LogFeed
from opslayer.sources.part import Part
from opslayer.steps.forget import forget
from opslayer.steps.ingest import ingest
from opslayer.steps.introduce import introduce
from opslayer.steps.judge import judge
from opslayer.steps.memory import recall
from opslayer.steps.prepare import Preparation, Prepared
from opslayer.steps.promote import Promotion, Rollback, promote, rollback
from opslayer.steps.settle import Judged, settle
from opslayer.steps.snapshot import load
from opslayer.steps.trace import verify
from opslayer.steps.train import train
from opslayer.stores import Stores
from opslayer.stores.journal import Entry, drain
from opslayer.stores.ledger.batches import Batch
from opslayer.stores.ledger.database import close
from opslayer.stores.ledger.forgotten import Gone
from opslayer.stores.secret import installation_secret, subject_hash
from opslayer.user import user

ANN, BOB = "ann-7f3d", "bob-91c2"
CALLS = 300
SECRET = "quokka-5519"
"""A word that only Ann ever said."""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    monkeypatch.setenv("OPSLAYER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLAYER_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.delenv("OPSLAYER_SECRET", raising=False)
    declare(tmp_path / "configs", shop())
    return give_database(Stores.at(Settings()))


def declare(configs: Path, spec: Capability, **sections: Any) -> None:
    """Write a capability's file, with sections as somebody would write them."""
    folder = configs / "capabilities"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(spec.model_dump(mode="json", exclude_unset=True) | sections)
    (folder / f"{spec.name}.yaml").write_text(text)


def hashed(subject: str) -> str:
    return subject_hash(installation_secret(Settings()), "", subject)


def asked(number: int, who: str) -> list[Interaction | Feedback | Shadow]:
    """A call of somebody, what came true of it, and a shadow's answer to its copy."""
    id, at = f"call-{number:04}", START + timedelta(hours=number)
    said = f"{SECRET} {number}" if who == ANN else f"words of others {number % 5}"
    size = (number * 37 % 100) / 50 - 1
    colour = "red" if number % 3 else "blue"
    answer = "yes" if size + (colour == "red") > 0.5 else "no"
    call = Interaction(
        id=id, capability="shop", subject=hashed(who), event_time=at, variant="constant", release=1,
        input={"size": size, "colour": colour, "city": "oslo", "note": said},
        output={"value": answer, "note": said},
    )  # fmt: skip
    told = Feedback(
        id=f"told-{number:04}", capability="shop", interaction_id=id, kind="true_value",  # type: ignore[arg-type]
        value=answer, event_time=at, known_time=at,
    )  # fmt: skip
    copy = Shadow(
        id=id, capability="shop", event_time=at, variant="model-2", release=1,
        output={"value": answer, "note": said},
    )  # fmt: skip
    return [call, told, copy]


def live(stores: Stores) -> Capability:
    """300 calls, every tenth of them Ann's, taken in and trained on; made once, and copied."""
    home = stores.journal.root.parent
    close(stores.events.url)
    shutil.rmtree(home)
    copy_home(_lived(), home)
    return shop()


@cache
def _lived() -> Path:
    home = Path(mkdtemp(), "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPSLAYER_HOME", str(home))
        stores = give_database(Stores.at(Settings()))
        calls = [asked(number, ANN if number % 10 == 0 else BOB) for number in range(CALLS)]
        stores.events.append([record for call in calls for record in call], "test")
        ingest(shop(), stores, datetime.now(UTC))
        snapshot, ordered = order(stores, shop(), 13)
        train(shop(), snapshot, stores, ordered)
        close(stores.events.url)
    atexit.register(shutil.rmtree, home.parent, ignore_errors=True)
    return home


def say(stores: Stores) -> dict[str, Any]:
    """Erase Ann as the privacy officer does."""
    assert execute(["erase", ANN, "--reason", "she asked", "--json"]) == 0
    (receipt,) = [one for one in stores.ledger.erasures.all() if any(one.removed.values())]
    return receipt.model_dump()


def everything_of_others(stores: Stores, spec: Capability) -> dict[str, Any]:
    rows = stores.lake.query(spec, 'SELECT row_id, "in:note" FROM rows', ("rows",)).to_pylist()
    return {row["row_id"]: row["in:note"] for row in rows if int(row["row_id"][5:]) % 10}


def test_nothing_of_her_is_left_and_everything_of_others_is(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = live(stores)
    before = everything_of_others(stores, spec)
    assert len(before) == 270
    models = [path.name for path in (tmp_path / "home" / "models").rglob("model.skops")]
    assert models
    told = say(stores)
    assert json.loads(capsys.readouterr().out)[0]["removed"] == told["removed"]
    assert told["removed"]["events"] == 90
    assert told["removed"]["lake/rows"] == 30
    assert told["removed"]["lake/tags"] == 30
    assert told["models"] == {"shop": (1,)}
    assert everything_of_others(stores, spec) == before
    left = hits(tmp_path / "home", [SECRET, ANN])
    assert [one for one in left if "model.skops" not in one] == [], (
        "only in the model that is named"
    )
    assert len(stores.events.read("shop", {}, 10_000).events) == 3 * 270


def test_a_training_set_that_held_her_rows_is_read_without_them(stores: Stores) -> None:
    spec = live(stores)
    (version,) = stores.ledger.versions.all("shop")
    rows = load(spec, version.snapshot, stores)
    say(stores)
    left = load(spec, version.snapshot, stores)
    mine = rows.row_ids.str[5:].astype(int) % 10 == 0
    assert mine.any()
    assert list(left.row_ids) == list(rows.row_ids[~mine])


def test_what_is_replayed_from_before_stays_away_and_what_comes_after_is_kept(
    stores: Stores,
) -> None:
    live(stores)
    say(stores)
    replayed = [
        record
        for number in (0, 10, 11)
        for record in asked(number, ANN if number % 10 == 0 else BOB)
    ]
    assert stores.events.append(replayed, "restored") == 0
    unseen = asked(410, ANN)[0]
    assert stores.events.append([unseen], "restored") == 0, "from before, though never seen here"
    late = asked(0, ANN)[1].model_copy(update={"id": "late"})
    assert stores.events.append([late], "late") == 0, "about what is gone"
    fresh = asked(0, ANN)[0].model_copy(
        update={"id": "fresh", "event_time": datetime.now(UTC) + timedelta(hours=1)}
    )
    assert stores.events.append([fresh], "new") == 1


def test_once_another_model_serves_the_one_that_had_learnt_from_her_goes(
    stores: Stores, tmp_path: Path
) -> None:
    spec = live(stores)
    promote(spec, 1, stores, Promotion(0, "ann", "first", None, (), datetime.now(UTC)))
    with serving(tmp_path / "home", tmp_path / "configs") as served:
        assert answers(served) == "1"
        say(stores)
        (receipt,) = stores.ledger.erasures.all()
        assert forget(receipt, stores).forgotten == {}, "it still serves"
        snapshot, ordered = order(stores, spec, 13, about="without her")
        version = train(spec, snapshot, stores, ordered)
        again = Promotion(1, "ann", "without her", None, (), datetime.now(UTC))
        promote(spec, version, stores, again)
        until(lambda: answers(served) == "2")
        assert forget(receipt, stores).forgotten == {"shop": (1,)}
        assert hits(tmp_path / "home", [SECRET, ANN]) == [], "the gateway's own copies, too"
        assert answers(served) == "2"
    with pytest.raises((NotFound, StoreError)):
        stores.models.load(stores.ledger.versions.get("shop", 1))
    assert forget(receipt, stores).forgotten == {"shop": (1,)}, "asked again"


def test_a_gateway_elsewhere_lets_go_of_its_copy_of_a_model_that_is_gone(
    stores: Stores, tmp_path: Path
) -> None:
    spec = live(stores)
    copies = tmp_path / "home" / "gateway" / "models"
    promote(spec, 1, stores, Promotion(0, "ann", "first", None, (), datetime.now(UTC)))
    snapshot, ordered = order(stores, spec, 13, about="newer")
    newer = train(spec, snapshot, stores, ordered)
    promote(spec, newer, stores, Promotion(1, "ann", "newer", None, (), datetime.now(UTC)))
    with serving(tmp_path / "home", tmp_path / "configs") as served:
        assert answers(served) == "2"
        assert len(list(copies.iterdir())) == 2, "the one before stands in"
        stores.ledger.forgotten.add("shop", 1, Gone(START, "somebody elsewhere said so"))
        until(lambda: len(list(copies.iterdir())) == 1)
        assert answers(served) == "2"


def answers(served: Served) -> str:
    """The release that answers somebody now."""
    row = {"size": 0.5, "colour": "red", "city": "oslo", "note": "hello"}
    url = f"{served.url}/v1/capabilities/shop/invocations"
    said = httpx.post(url, json={"dataframe_records": [row]}, timeout=30)
    assert said.status_code == 200, said.text
    return said.headers["x-opslayer-release"]


def test_with_retrain_what_is_left_is_learnt_and_serves_whatever_the_cool_down(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = {"cooldown": "3650d", "budget": {"runs": 1, "per": "3650d"}}
    declare(tmp_path / "configs", shop(), retrain=slow)
    spec = live(stores)
    promote(spec, 1, stores, Promotion(0, "ann", "first", None, (), datetime.now(UTC)))
    say(stores)
    capsys.readouterr()
    # The receipt of before is gone for as well: what it names still serves.
    assert execute(["erase", ANN, "--reason", "she asked", "--retrain", "--json"]) == 0
    receipts = stores.ledger.erasures.of(hashed(ANN))
    assert [one.forgotten for one in receipts] == [{"shop": (1,)}, {}]
    release = stores.ledger.releases.serving("shop")
    assert release is not None
    assert (release.number, release.model_versions, release.by) == (2, {2}, user())
    assert hits(tmp_path / "home", [SECRET, ANN]) == [], "Prefect's own files are there, too"
    with pytest.raises(Refused, match=f"erased .receipt {receipts[0].id}"):
        rollback(spec, stores, Rollback("bob", "it was nicer", datetime.now(UTC), to=1))
    again = Promotion(2, "bob", "it was nicer", None, (), datetime.now(UTC))
    with pytest.raises(Refused, match="choose a later one"):
        promote(spec, 1, stores, again)


def test_the_policy_neither_scores_nor_goes_back_to_a_model_that_is_gone(stores: Stores) -> None:
    spec = live(stores)
    for number, kind in ((1, CauseKind.PERSON), (2, CauseKind.ERASURE)):
        if number == 2:
            say(stores)
            snapshot, ordered = order(stores, spec, 13, about="without her")
            train(spec, snapshot, stores, ordered)
        version = stores.ledger.versions.get("shop", number)
        cause = Cause(capability="shop", kind=kind, about="asked", at=datetime.now(UTC))
        settle(spec, cause, [Judged(version, judge(spec, version, cause, stores))], stores)
    memory = recall(spec, stores)
    assert memory is not None
    assert [one.version for one in memory.state.pool] == [1, 2]
    (receipt,) = stores.ledger.erasures.all()
    assert forget(receipt, stores).forgotten == {"shop": (1,)}
    left = recall(spec, stores)
    assert left is not None
    assert [one.version for one in left.state.pool] == [2]


def test_where_too_little_is_left_to_learn_from_she_is_told_what_serves_on(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = shop()
    for number in range(CALLS):
        stores.events.append(asked(number, BOB if number % 10 == 0 else ANN), "test")
    ingest(spec, stores, datetime.now(UTC))
    snapshot, ordered = order(stores, spec, 13)
    train(spec, snapshot, stores, ordered)
    promote(spec, 1, stores, Promotion(0, "ann", "first", None, (), datetime.now(UTC)))
    assert execute(["erase", ANN, "--reason", "she asked", "--retrain", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["removed"]["events"] == 810
    assert "model 1 serves on" in said.err
    assert "30 are missing" in said.err


def test_a_training_that_had_read_her_rows_is_not_kept(stores: Stores) -> None:
    live(stores)
    (version,) = stores.ledger.versions.all("shop")
    learnt = stores.ledger.snapshots.get("shop", version.snapshot)
    say(stores)
    late = version.model_copy(update={"version": 2, "cause": "another"})
    with pytest.raises(StoreError, match="from training set"):
        stores.ledger.versions.add(late, learnt)
    now = stores.ledger.snapshots.get("shop", version.snapshot)
    assert stores.ledger.versions.add(late, now) == late


def test_a_call_that_was_answered_meanwhile_leaves_nothing_and_nothing_said_of_it(
    stores: Stores, tmp_path: Path
) -> None:
    call, told, copy = asked(0, ANN)
    other = asked(1, BOB)[0]
    writer = stores.journal.writer("w")
    try:
        writer.append([written(other)])
        say_so(stores)
        stores.events.append([told.model_copy(update={"capability": "", "value": SECRET})], "early")
        writer.append([written(call), written(copy)])
        assert len(hits(tmp_path / "home", [SECRET])) >= 2
        drain(stores.journal, stores.events)
        assert hits(tmp_path / "home", [SECRET]) == [], "while its segment is still open"
    finally:
        writer.close()
    late = told.model_copy(update={"id": "late", "capability": "", "value": SECRET})
    assert stores.events.append([late], "late") == 0
    drain(stores.journal, stores.events)
    assert [one.id for one in stores.events.read("shop", {}).events] == [other.id]


def test_after_it_the_same_arm_of_a_flow_is_logged_again(stores: Stores) -> None:
    told = Exposure(
        id="what-it-says", capability="shop", subject=hashed(ANN), event_time=START,
        arms={"flow": "b"}, release=1,
    )  # fmt: skip
    assert stores.events.append([told], "w") == 1
    say_so(stores)
    assert stores.events.append([told], "replayed") == 0
    again = told.model_copy(update={"event_time": datetime.now(UTC) + timedelta(minutes=1)})
    assert stores.events.append([again], "w") == 1


def written(record: Interaction | Feedback | Shadow) -> Entry:
    """A record as the gateway writes it."""
    kind = type(record).__name__.lower()
    return Entry(kind, record.id, record.capability, record.model_dump_json())


def say_so(stores: Stores) -> None:
    """Erase Ann where little or nothing of her was kept."""
    assert execute(["erase", ANN, "--reason", "she asked", "--json"]) == 0


def test_who_has_read_past_what_is_erased_misses_nothing_of_others(
    stores: Stores, tmp_path: Path
) -> None:
    stores.events.append(asked(0, BOB), "w")
    stores.events.append(asked(1, ANN), "w")
    read = stores.events.read("shop", {}).positions
    for _ in range(2):
        say(stores)
        assert hits(tmp_path / "home", [SECRET, ANN]) == []
    stores.events.append(asked(2, BOB), "w")
    later = stores.events.read("shop", read).events
    assert [event.id for event in later] == ["call-0002", "told-0002", "call-0002"]


def ask(home: str, configs: str) -> None:
    """Erase Ann, in a process that may die of it."""
    os.environ.update(OPSLAYER_HOME=home, OPSLAYER_CONFIGS=configs)
    assert execute(["erase", ANN, "--reason", "she asked", "--json"]) == 0


POINTS = (1, 3, 5, 8, 11, 14, 17, 20, 23, 26, 30, 35)
"""Database writes before which it is killed; the lake's files lie between them."""


def test_killed_at_any_of_these_writes_it_is_done_by_asking_again(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = live(stores)
    before = everything_of_others(stores, spec)
    killed = 0
    for point in POINTS:
        home = tmp_path / f"home-{point}"
        copy_home(tmp_path / "home", home)
        monkeypatch.setenv("OPSLAYER_HOME", str(home))
        died = dies(point, ask, str(home), str(tmp_path / "configs"))
        again = Stores.at(Settings())
        told = say(again)
        assert told["models"] == {"shop": (1,)}, point
        assert told["removed"]["events"] == 90, point
        left = hits(home, [SECRET, ANN])
        assert [one for one in left if "model.skops" not in one] == [], point
        assert everything_of_others(again, spec) == before, point
        shutil.rmtree(home)
        killed += died
        if not died:
            break
    assert killed > 8


def test_an_ingest_that_had_read_her_calls_writes_nothing_of_them_afterwards(
    stores: Stores, tmp_path: Path
) -> None:
    spec = live(stores)
    for number in range(CALLS, CALLS + 20):
        stores.events.append(asked(number, ANN if number % 10 == 0 else BOB), "test")
    feed = LogFeed(spec, stores.events)
    history = stores.ledger.batches.of("shop", feed.name)
    part = next(iter(feed.parts(history)))
    say(stores)
    assert isinstance(part, Part)
    newest = stores.ledger.batches.newest("shop")
    assert newest is not None
    begun = Batch("shop", feed.name, part.begin, part.end)
    last = max(batch.number for batch in history)
    assert stores.ledger.batches.add(begun, last) is None, "what it had read is no batch any more"
    ingest(spec, stores, datetime.now(UTC))
    assert [one for one in hits(tmp_path / "home", [SECRET]) if "model.skops" not in one] == []
    assert len(everything_of_others(stores, spec)) == 270 + 18


def test_what_an_ingest_had_laid_ahead_of_its_turn_goes_with_her(
    stores: Stores, tmp_path: Path
) -> None:
    spec = live(stores)
    number = CALLS + 10
    stores.events.append(asked(number, ANN), "test")
    feed = LogFeed(spec, stores.events)
    pieces = feed.pieces(stores.ledger.batches.of("shop", feed.name), elsewhere=True)
    assert pieces is not None
    how = Preparation(spec, stores.lake, feed.name, datetime.now(UTC), None)
    prepared = [one for piece in pieces for one in how.of(piece)]
    assert [one.staged.keys() for one in prepared if isinstance(one, Prepared)]
    said = [f"{SECRET} {number}"]
    assert any(one.startswith("lake/") for one in hits(tmp_path / "home", said))
    say(stores)
    assert hits(tmp_path / "home", said) == []


def test_what_is_left_of_a_training_set_is_held_to_its_digest_too(stores: Stores) -> None:
    spec = live(stores)
    say(stores)
    (version,) = stores.ledger.versions.all("shop")
    rows = load(spec, version.snapshot, stores)
    assert verify(spec, stores, version.snapshot)["equal"]
    stores.lake.remove(spec, "rows", [f"row_id = '{rows.row_ids.iloc[0]}'"])
    with pytest.raises(StoreError, match="can't be rebuilt"):
        load(spec, version.snapshot, stores)


def test_where_a_capability_she_asked_is_declared_no_more_nothing_is_removed(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live(stores)
    file = tmp_path / "configs" / "capabilities" / "shop.yaml"
    text = file.read_text()
    file.unlink()
    assert execute(["erase", ANN, "--reason", "she asked"]) == 1
    assert "put them back and ask again" in capsys.readouterr().err
    assert len(stores.events.of_subject(hashed(ANN))) == 30
    file.write_text(text)
    assert say(stores)["removed"]["events"] == 90


def test_while_the_gateway_answers_it_leaves_nothing_in_its_journal(
    stores: Stores, tmp_path: Path
) -> None:
    with upstream() as address:
        folder = tmp_path / "configs" / "capabilities"
        (folder / "shop.yaml").unlink()  # nothing of it is released, and the gateway would wait
        (folder / "desk.yaml").write_text(DESK.format(url=address))
        introduce(load_capability("desk", tmp_path / "configs"), stores, datetime.now(UTC))
        with serving(tmp_path / "home", tmp_path / "configs") as served:
            for who, words in ((ANN, f"I am {SECRET}"), (BOB, "I am somebody")):
                body = {"model": "desk", "messages": [{"role": "user", "content": words}]}
                headers = {"X-Opslayer-Subject": who, "Idempotency-Key": f"key of {who}"}
                url = f"{served.url}/v1/chat/completions"
                said = httpx.post(url, json=body, headers=headers, timeout=30)
                assert said.status_code == 200
                thumb = {
                    "interaction_id": said.headers["x-opslayer-interaction"],
                    "kind": "correction",
                    "value": words,
                }
                told = httpx.post(f"{served.url}/v1/feedback", json=thumb, timeout=30)
                assert told.status_code == 200
            assert hits(tmp_path / "home", [SECRET]), "it was there"
            say(stores)
            assert hits(tmp_path / "home", [SECRET, ANN]) == []
            after = httpx.post(url, json=body, headers={"X-Opslayer-Subject": ANN}, timeout=30)
            assert after.status_code == 200
    kinds = [event.kind for event in stores.events.read("desk", {}).events]
    assert kinds.count("feedback") == 1


def test_a_damaged_piece_of_the_journal_that_holds_her_goes(stores: Stores) -> None:
    folder = stores.journal.root / "w"
    folder.mkdir(parents=True)
    entry = Entry("interaction", "old", "shop", json.dumps({"subject": hashed(ANN)}))
    (folder / "1.damaged").write_bytes(b"??" + entry.frame())
    (folder / "2.damaged").write_bytes(b"nothing of hers")
    say(stores)
    assert [path.name for path in folder.glob("*.damaged")] == ["2.damaged"]


def test_who_was_never_here_gets_a_receipt_that_says_so(
    stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["erase", "nobody", "--reason", "asked"]) == 0
    assert "nothing was kept of this person" in capsys.readouterr().out


def test_without_a_reason_nothing_is_erased(stores: Stores) -> None:
    live(stores)
    assert execute(["erase", ANN]) == 2
    assert stores.ledger.erasures.all() == []
