"""One claim per tenant and key, whoever races for it and whoever dies."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backend import database_at, local_only
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text

from gateway.idempotency import Once
from opslayer.errors import StoreError
from opslayer.stores import Stores
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger import idempotency as module
from opslayer.stores.ledger.database import engine, reading, transaction
from opslayer.stores.ledger.idempotency import Idempotency, Wanted

FORK = multiprocessing.get_context("fork")
LATER = datetime(2999, 1, 1, tzinfo=UTC)


@pytest.fixture
def claims(tmp_path: Path) -> Idempotency:
    return Ledger(database_at(tmp_path / "ledger.db")).idempotency


def wanted(key: str, id: str = "first", body: str = "body", tenant: str = "acme") -> Wanted:
    return Wanted(tenant, key, body, id)


def test_the_first_claim_is_new_and_every_later_one_learns_of_it(claims: Idempotency) -> None:
    first = claims.claim(wanted("k"), "worker-1")
    assert (first.new, first.conflict, first.interaction_id) == (True, False, "first")
    again = claims.claim(wanted("k", "second"), "worker-2")
    assert (again.new, again.conflict, again.interaction_id) == (False, False, "first")
    assert (again.owner, again.status) == ("worker-1", "begun")
    claims.finish(first)
    assert claims.claim(wanted("k", "third"), "worker-2").status == "done"


def test_a_key_with_another_body_is_a_conflict_and_changes_nothing(claims: Idempotency) -> None:
    claims.claim(wanted("k"), "worker-1")
    other = claims.claim(wanted("k", "second", body="other"), "worker-2")
    assert (other.new, other.conflict) == (False, True)
    assert not claims.claim(wanted("k", "third"), "worker-2").conflict


def test_tenants_don_t_see_one_another_s_keys(claims: Idempotency) -> None:
    mine = claims.claim(wanted("k", "mine"), "worker-1")
    others = claims.claim(wanted("k", "others", body="other", tenant="rival"), "worker-1")
    assert mine.new
    assert others.new


@local_only("reads SQLite's files")
def test_the_key_itself_is_not_kept(claims: Idempotency) -> None:
    claims.claim(wanted("order of jane@example.com"), "worker-1")
    path = Path(claims.url.removeprefix("sqlite:///"))
    for file in path.parent.iterdir():
        assert b"jane@example.com" not in file.read_bytes()


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from("tu"))),
        max_size=6,
    )
)
def test_claims_in_batches_are_what_one_after_the_other_would_be(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, str, str]]]
) -> None:
    claims = Idempotency(database_at(tmp_path_factory.mktemp("claims") / "ledger.db"))
    held: dict[tuple[str, str], tuple[str, str]] = {}
    count = 0
    for batch in batches:
        asked, expected = [], []
        for key, body, tenant in batch:
            count += 1
            asked.append(Wanted(tenant, key, body, f"i{count}"))
            first = (tenant, key) not in held
            id, said = held.setdefault((tenant, key), (f"i{count}", body))
            expected.append((id, first, said != body))
        found = claims.claim_many(asked, "worker")
        assert [(one.interaction_id, one.new, one.conflict) for one in found] == expected


def test_many_claims_share_one_commit(claims: Idempotency) -> None:
    claims.claim(wanted("other"), "worker")
    commits = []
    event.listen(engine(claims.url), "commit", commits.append)
    many = [wanted(f"k{number % 700}", f"i{number}") for number in range(1000)]
    found = claims.claim_many(many, "worker")
    assert len(commits) == 1
    assert sum(one.new for one in found) == 700
    assert [one.interaction_id for one in found[700:]] == [f"i{n}" for n in range(300)]


@local_only("how SQLite plans")
def test_a_look_for_claims_reads_no_whole_table(claims: Idempotency) -> None:
    said: list[tuple[str, object]] = []
    claims.claim(wanted("k"), "worker")
    made = engine(claims.url)
    event.listen(made, "before_cursor_execute", lambda *call: said.append((call[2], call[3])))
    claims.claim_many([wanted("a"), wanted("b", tenant="rival")], "worker")
    query, values = next(one for one in said if one[0].startswith("SELECT"))
    with made.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
    assert not any("SCAN" in row[3] for row in plan)


def test_threads_that_race_for_one_key_make_one_claim(claims: Idempotency) -> None:
    start = threading.Barrier(8)
    found = []

    def race(number: int) -> None:
        start.wait()
        for key in range(25):
            found.append((key, claims.claim(wanted(f"k{key}", f"i{number}-{key}"), f"w{number}")))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(key for key, claim in found if claim.new) == dict.fromkeys(range(25), 1)
    assert len({(key, claim.interaction_id) for key, claim in found}) == 25


def _race(url: str, owner: str, keys: list[int], pipe: int) -> None:
    for key in keys:
        claim = Idempotency(url).claim(wanted(f"k{key}", f"{owner}-{key}"), owner)
        os.write(pipe, f"{key} {claim.new:d} {claim.interaction_id}\n".encode())


def test_processes_that_race_and_are_killed_make_one_claim_for_each_key(tmp_path: Path) -> None:
    url = database_at(tmp_path / "ledger.db")
    Ledger(url).idempotency.claim(wanted("warm"), "nobody")
    keys, chance = list(range(240)), random.Random(4)
    reader, writer = os.pipe()
    racers = [
        FORK.Process(target=_race, args=(url, f"w{n}", chance.sample(keys, len(keys)), writer))
        for n in range(4)
    ]
    for racer in racers:
        racer.start()
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = [next(lines) for _ in range(40)]  # all are in the middle of it
        os.kill(racers[0].pid or 0, signal.SIGKILL)
        said += list(lines)
    for racer in racers:
        racer.join()
    assert racers[0].exitcode == -signal.SIGKILL
    heard = [line.split() for line in said]
    new = Counter(key for key, is_new, _ in heard if is_new == "1")
    assert max(new.values()) == 1
    with reading(url) as connection:
        rows = connection.execute(text("SELECT digest, interaction FROM idempotency")).all()
    kept = {row.digest: row.interaction for row in rows}
    assert len(kept) == len(keys) + 1
    for key, _, interaction in heard:  # whatever was said is durable, and the same for all
        assert kept[wanted(f"k{key}").digest] == interaction
    mine = sum(interaction.startswith("w0-") for interaction in kept.values())
    assert len(new) >= len(keys) - min(1, mine)  # the killed one may have had no time to say its


def test_a_claim_without_an_answer_is_taken_over_once(claims: Idempotency) -> None:
    claims.claim(wanted("k"), "dead")
    seen = claims.claim(wanted("k", "second"), "worker-1")
    assert claims.retake(seen, "second", "worker-1")
    assert not claims.retake(seen, "third", "worker-2")
    now = claims.claim(wanted("k", "fourth"), "worker-2")
    assert (now.interaction_id, now.owner, now.status) == ("second", "worker-1", "begun")
    claims.finish(seen)  # the dead one's claim is no longer there to be finished
    assert claims.claim(wanted("k", "fifth"), "worker-2").status == "begun"


def test_a_claim_that_is_taken_over_under_its_old_id_is_taken_over_once(
    claims: Idempotency,
) -> None:
    claims.claim(wanted("k"), "dead")
    seen = claims.claim(wanted("k", "second"), "worker-1")
    taken = [claims.retake(seen, seen.interaction_id, f"worker-{n}") for n in range(3)]
    assert taken == [True, False, False]


def test_a_refused_call_gives_its_key_back_and_an_answered_one_does_not(
    claims: Idempotency,
) -> None:
    refused = claims.claim(wanted("refused"), "worker")
    answered = claims.claim(wanted("answered"), "worker")
    claims.finish(answered)
    claims.withdraw(refused, answered)
    assert claims.claim(wanted("refused", "second"), "worker").new
    assert not claims.claim(wanted("answered", "second"), "worker").new


def test_old_claims_are_forgotten_and_young_ones_stay(
    claims: Idempotency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGOTTEN", 7)  # several portions
    claims.claim_many([wanted(f"old{number}") for number in range(30)], "worker")
    between = datetime.now(UTC)
    claims.claim_many([wanted(f"young{number}") for number in range(3)], "worker")
    assert claims.forget_before(between - timedelta(hours=24)) == 0
    assert claims.forget_before(between) == 30
    assert claims.claim(wanted("old0", "second"), "worker").new
    assert not claims.claim(wanted("young0", "second"), "worker").new
    assert claims.forget_before(LATER) == 4


@local_only("a path where SQLite can make no file")
def test_nobody_is_promised_anything_while_the_ledger_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "not a folder"
    folder.write_text("")
    with pytest.raises(StoreError):
        Idempotency(database_at(folder / "ledger.db", schema=False)).claim(wanted("k"), "worker")


@local_only("SQLite has one writer, which is how a ledger is made to hang here")
def test_a_ledger_that_hangs_keeps_no_call_waiting_and_its_late_claim_can_be_taken_again(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.idempotency.WAIT", 0.1)
    once = Once(stores, "worker-1")

    async def call() -> None:
        silence = pytest.raises(StoreError, match="the ledger has said nothing for")
        with transaction(stores.ledger.url), silence:
            await once.claim(wanted("k", "late"))
        monkeypatch.setattr("gateway.idempotency.WAIT", 60.0)
        turn = await once.claim(wanted("k", "again"))
        assert (turn.id, turn.mine) == ("late", False)
        assert await once.first(turn, ["late"], asyncio.get_running_loop().time() + 60) == []
        assert await once.retake(turn, "again")

    asyncio.run(call())
