"""What PostgreSQL alone can do wrong: several transactions at once, and texts it can't hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import backend
import pytest
from sqlalchemy import create_engine, text
from taught import shop, teach, trained
from test_events import feedback, interaction
from test_ledger import verdict
from waiting import until

from opslayer.errors import StoreError
from opslayer.records import Erasure, Expiry
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.events import Events
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.batches import Batch
from opslayer.stores.ledger.database import forget_removed, reading, transaction
from opslayer.stores.ledger.idempotency import Wanted
from opslayer.stores.reviews import Claimant, Queued, Reviews

pytestmark = pytest.mark.skipif(not backend.SERVER, reason="needs BACKEND=server")

AT = datetime(2024, 1, 1, tzinfo=UTC)
SUBJECT = "a" * 32
ROUNDS = 10
"""Of a race, which none may win twice."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return backend.database_at(tmp_path_factory.mktemp("servers") / "ledger.db")


def race(*runs: Callable[[], Any]) -> list[Any]:
    """What each said or raised that began at one moment."""
    start, said = threading.Barrier(len(runs)), [None] * len(runs)

    def run(place: int) -> None:
        start.wait()
        try:
            said[place] = runs[place]()
        except Exception as error:
            said[place] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


class Behind:
    """A thread that runs until somebody else's transaction keeps it waiting, or to its end."""

    def __init__(self, url: str, run: Callable[[], Any]) -> None:
        self.found: Any = None

        def keep() -> None:
            self.found = run()

        self.thread = threading.Thread(target=keep)
        self.thread.start()
        watching = create_engine(url)
        query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with watching.connect() as connection:
            until(lambda: not self.thread.is_alive() or bool(connection.scalar(query)))
        watching.dispose()

    def end(self) -> Any:
        self.thread.join()
        return self.found


def test_what_is_being_logged_when_its_subject_is_erased_is_found(url: str) -> None:
    events, erasures = Events(url), Ledger(url).erasures

    def erase() -> list[str]:
        erasures.begin(Erasure(id="e1", subject=SUBJECT, at=AT, by="ann", reason="asked"))
        return [event.id for event in events.of_subject(SUBJECT)]

    with transaction(url) as connection:
        Events.append_in(connection, [interaction("late", subject=SUBJECT)], "w1")
        erasing = Behind(url, erase)
    assert erasing.end() == ["late"]
    assert events.append([interaction("later", subject=SUBJECT)], "w1") == 0


def test_what_is_being_said_about_a_call_that_goes_is_found(url: str) -> None:
    events, erasures = Events(url), Ledger(url).erasures
    begun = erasures.begin(Erasure(id="e2", subject="b" * 32, at=AT, by="ann", reason="asked"))

    def erase() -> list[str]:
        return [event.id for event in events.about(erasures.add_ids(begun, ["gone"]))]

    with transaction(url) as connection:
        Events.append_in(connection, [feedback("said", interaction_id="gone")], "w2")
        erasing = Behind(url, erase)
    assert erasing.end() == ["said"]


def test_what_is_being_logged_when_its_age_expires_is_found(url: str) -> None:
    events, since = Events(url), AT + timedelta(days=1)
    run = Expiry(id="x1", capability="old", at=since, since={"interactions": since}, ages={})

    def expire() -> int:
        Ledger(url).expiries.begin(run)
        return events.count_older("old", since)

    with transaction(url) as connection:
        Events.append_in(connection, [interaction("aged", "old")], "w3")
        expiring = Behind(url, expire)
    assert expiring.end() == 1


def test_of_sources_that_begin_at_once_one_has_the_first_batch(url: str) -> None:
    batches = Ledger(url).batches
    for number in range(ROUNDS):
        wanted = [Batch(f"first-{number}", f"source-{one}", {}, {}) for one in range(4)]
        begun = race(*(lambda one=one: batches.add(one, 0) for one in wanted))
        assert len([one for one in begun if one]) == 1, begun


def test_of_judgements_that_follow_nothing_one_is_the_first(url: str) -> None:
    verdicts = Ledger(url).verdicts
    for number in range(ROUNDS):
        made = [verdict(str(one), capability=f"none-{number}") for one in range(4)]
        kept = race(*(lambda one=one: verdicts.record_next(one, None) for one in made))
        assert sorted(kept) == [False, False, False, True], kept


def test_reviewers_who_disagree_at_once_are_followed_by_a_third(url: str) -> None:
    reviews = Reviews(url)
    reviews.fill("desk", [Queued(f"row-{number}", 2) for number in range(ROUNDS)], AT)
    for number in range(ROUNDS):
        said = [
            _answering(reviews, f"row-{number}", *one) for one in (("ann", "yes"), ("bob", "no"))
        ]
        assert race(*said) == [True, True]
        part = reviews.part("desk", f"row-{number}", "ann")
        assert part is not None
        assert part.due == 3
        third = reviews.claim(Claimant("desk", f"cy-{number}", AT, AT + timedelta(hours=1)))
        assert third is not None
        assert third.row_id == f"row-{number}"


def _answering(reviews: Reviews, row: str, name: str, value: str) -> Callable[[], bool]:
    held = reviews.claim(Claimant("desk", name, AT, AT + timedelta(hours=1)))
    assert held is not None
    said = feedback(f"{name}-{row}", interaction_id=row, value=value)
    return lambda: reviews.answer(held, said)


def test_claims_and_records_that_come_in_opposite_orders_hold_up_nobody(url: str) -> None:
    ledger, events = Ledger(url), Events(url)
    for number in range(ROUNDS):
        keys = [Wanted("", f"{number}-{key}", "body", f"i-{number}-{key}") for key in range(100)]
        mine, theirs = race(
            lambda keys=keys: ledger.idempotency.claim_many(keys, "one"),
            lambda keys=keys: ledger.idempotency.claim_many(keys[::-1], "two"),
        )
        assert sum(claim.new for claim in (*mine, *theirs)) == len(keys)
        said = [feedback(f"f-{number}-{one}") for one in range(100)]
        appended = race(
            lambda said=said: events.append(said, "three"),
            lambda said=said: events.append(said[::-1], "four"),
        )
        assert sum(appended) == len(said)


def test_writers_of_one_name_append_at_once(url: str) -> None:
    events = Events(url)
    for number in range(ROUNDS):

        def append(one: int, number: int = number) -> None:
            with transaction(url) as connection:
                Events.append_in(connection, [feedback(f"w-{number}-{one}")], "shared")

        assert race(*(lambda one=one: append(one) for one in range(4))) == [None] * 4
    ends = events.ends("bikes")
    assert ends["shared"] == 4 * ROUNDS


def test_a_reading_sees_one_moment_however_often_it_asks(url: str) -> None:
    query = text("SELECT count(*) FROM verdicts")
    with reading(url) as connection:
        before = connection.scalar(query)
        Ledger(url).verdicts.record(verdict("meanwhile"))
        assert connection.scalar(query) == before


def test_a_reading_can_change_nothing(url: str) -> None:
    with pytest.raises(StoreError, match="read-only"), reading(url) as connection:
        connection.execute(text("DELETE FROM verdicts"))


def test_of_removed_rows_nothing_is_left_to_be_seen_once_an_erasure_is_over(url: str) -> None:
    events = Events(url)
    events.append([interaction(f"dead-{number}", "dead") for number in range(100)], "w4")
    events.remove(events.read("dead", {}).events)
    forget_removed(url)
    said: list[str] = []
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute(text("VACUUM (VERBOSE) events"))
    assert re.search(r"tuples: 0 removed, \d+ remain, 0 are dead", " ".join(said)), said


@pytest.mark.parametrize("strange", ["nul \0 in it", "x" * 300, "lone \ud800"])
def test_an_id_that_can_be_nobodys_is_simply_unknown(url: str, strange: str) -> None:
    events = Events(url)
    assert events.interactions([strange]) == []
    assert events.known("interaction", [strange]) == set()


def test_a_character_that_no_text_can_hold_spoils_no_other_reading(url: str) -> None:
    verdicts = Ledger(url).verdicts
    said = verdict("odd", reason="a NUL \0 and \u2028", capability="odd")
    kept = verdicts.record(said)
    assert kept.reason == "a NUL \ufffd and \u2028"
    assert verdicts.newest("odd", said.kind, "promote") == kept


def test_long_names_of_rows_and_reviewers_fit(url: str) -> None:
    reviews, row, name = Reviews(url), "row " * 100, "reviewer " * 14
    reviews.fill("long", [Queued(row)], AT)
    held = reviews.claim(Claimant("long", name, AT, AT + timedelta(hours=1)))
    assert held is not None
    assert reviews.answer(held, feedback("long", interaction_id=row, capability="long"))
    assert [one.row_id for one in reviews.all("long")] == [row]


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server as infra/ has it: its state in PostgreSQL, the artefacts on S3."""
    place = tmp_path_factory.mktemp("mlflow")
    port = backend.free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}"]
    command += ["--workers=1", f"--backend-store-uri={backend.empty_database('tracking')}"]
    command += [f"--artifacts-destination=s3://{backend.BUCKET}/models"]
    with (place / "log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: running.poll() is not None or _answers(port), 240)
        assert running.poll() is None, (place / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(30)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return True
    except OSError:
        return False


def test_a_model_lives_and_is_forgotten_where_everything_is_on_servers(
    tracking: str, tmp_path: Path
) -> None:
    stores = Stores.at(Settings(home=tmp_path / "home", mlflow_url=tracking))
    teach(stores, shop(), 10)
    version = trained(stores, shop(), 10)
    assert stores.ledger.versions.get("shop", version.version) == version
    stores.models.set_champion("shop", version.version)
    assert stores.models.champion("shop") == version.version
    assert [name for name in _models() if name.endswith("model.skops")]
    assert stores.models.load(version)
    stores.models.forget(version)
    assert _models() == []
    assert [path.name for path in (tmp_path / "home").rglob("*.skops")] == []


def _models() -> list[str]:
    import boto3

    listed = boto3.client("s3").list_objects_v2(Bucket=backend.BUCKET, Prefix="models/")
    return [entry["Key"] for entry in listed.get("Contents", ())]
