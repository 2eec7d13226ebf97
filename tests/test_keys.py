"""The keys that the ledger keeps, the money they may cost, and the installation's secret."""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import threading
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from backend import database_at, local_only
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, text

from opslayer.errors import NotFound, StoreError
from opslayer.settings import Settings
from opslayer.stores.ledger import Ledger
from opslayer.stores.ledger.database import reading
from opslayer.stores.ledger.keys import Keys, Terms, secret_digest, state_of
from opslayer.stores.ledger.migrate import HEAD, MIGRATIONS, version
from opslayer.stores.ledger.money import amount_of, billionths
from opslayer.stores.secret import installation_secret, subject_hash

FORK = multiprocessing.get_context("fork")
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Ledger(database_at(tmp_path / "ledger.db")).keys


@local_only("reads SQLite's files")
def test_a_key_is_kept_by_its_hash_alone(keys: Keys) -> None:
    issued = keys.create(Terms(name="web shop", tenant="acme", per_minute=60), AT)
    assert re.fullmatch(r"ops_[A-Za-z0-9_-]{43}", issued.secret)
    assert issued.key.id == issued.secret[:12]
    assert (
        issued.key.digest == secret_digest(issued.secret) == secret_digest(issued.secret.encode())
    )
    assert [row.key for row in keys.all()] == [issued.key]
    assert issued.secret not in repr(issued)
    folder = Path(keys.url.removeprefix("sqlite:///")).parent
    for file in folder.iterdir():
        assert issued.secret[12:].encode() not in file.read_bytes()


def test_no_two_keys_are_alike(keys: Keys) -> None:
    made = [keys.create(Terms(name="same"), AT + timedelta(seconds=n)) for n in range(20)]
    assert len({one.secret for one in made}) == len({one.key.digest for one in made}) == 20
    assert [row.key.id for row in keys.all()] == [one.key.id for one in made]


def test_a_revoked_key_stays_in_the_list_with_its_first_moment(keys: Keys) -> None:
    issued = keys.create(Terms(name="leaked"), AT)
    assert keys.revoke(issued.key.id, AT + timedelta(hours=1)).revoked == AT + timedelta(hours=1)
    assert keys.revoke(issued.key.id, AT + timedelta(hours=2)).revoked == AT + timedelta(hours=1)
    assert keys.all()[0].key.revoked == AT + timedelta(hours=1)
    with pytest.raises(NotFound, match=f"no key ops_nobody: there are {issued.key.id}"):
        keys.revoke("ops_nobody", AT)


def test_a_key_is_active_until_it_expires_or_is_revoked(keys: Keys) -> None:
    key = keys.create(Terms(name="short", expires=AT + timedelta(days=1)), AT).key
    assert state_of(key, AT + timedelta(days=1, seconds=-1)) == "active"
    assert state_of(key, AT + timedelta(days=1)) == "expired"
    assert state_of(keys.revoke(key.id, AT), AT) == "revoked"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"tenant": "a b"},
        {"tenant": "=1+1"},
        {"tenant": "x" * 65},
        {"roles": ()},
        {"per_minute": 0},
        {"budget": 0},
        {"budget": float("inf")},
    ],
)
def test_terms_that_could_do_harm_later_are_refused_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Terms(**{"name": "fine", **wrong})  # type: ignore[arg-type]


@given(st.integers(1, 10**6), st.integers(1, 400))
def test_money_adds_up_exactly(thousandths: int, times: int) -> None:
    part = billionths(thousandths / 1000)
    assert part * times == billionths(thousandths * times / 1000)
    assert amount_of(part) == thousandths / 1000


@given(st.floats(0, 1e9))
def test_a_part_of_a_billionth_counts_as_a_whole_one(amount: float) -> None:
    assert 0 <= billionths(amount) - Fraction(str(amount)) * 10**9 < 1


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_amount_of_money_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="no amount of money"):
        billionths(amount)


def test_what_does_not_fit_into_the_budget_is_not_taken(keys: Keys) -> None:
    key = keys.create(Terms(name="small", budget=0.3), AT).key
    tenth = billionths(0.1)
    assert [keys.reserve(key.id, tenth) for _ in range(4)] == [True, True, True, False]
    assert not keys.reserve(key.id, 1)
    keys.settle(key.id, -tenth)
    assert keys.reserve(key.id, tenth)
    assert keys.all()[0].spent == 0.3
    assert not keys.reserve("ops_nobody", 1)


def test_a_key_without_a_budget_may_cost_anything(keys: Keys) -> None:
    key = keys.create(Terms(name="free"), AT).key
    assert keys.reserve(key.id, billionths(1e6))
    assert keys.all()[0].spent == 1e6


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60)), max_size=20))
def test_advances_take_what_they_must_and_shrink_as_the_budget_ends(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[int, int]]
) -> None:
    keys = Keys(database_at(tmp_path_factory.mktemp("keys") / "ledger.db"))
    key = keys.create(Terms(name="small", budget=100e-9), AT).key
    left = 100
    for least, more in wishes:
        advance = keys.advance(key.id, least, least + more)
        assert bool(advance.amount) == (least <= left)
        if advance.amount:
            assert least <= advance.amount <= max(least, min(least + more, left // 8))
        left -= advance.amount
        assert advance.left == left
    assert keys.all()[0].spent == amount_of(100 - left)


def test_threads_that_race_for_a_budget_never_overdraw_it(keys: Keys) -> None:
    key = keys.create(Terms(name="contested", budget=1.0), AT).key
    start, taken = threading.Barrier(6), []

    def spend() -> None:
        start.wait()
        while advance := keys.advance(key.id, billionths(0.01), billionths(0.03)).amount:
            taken.append(advance)

    threads = [threading.Thread(target=spend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = billionths(1.0) - sum(taken)
    assert 0 <= left < billionths(0.01)
    assert billionths(keys.all()[0].spent) == sum(taken)


def test_a_ledger_from_before_the_keys_gains_them_and_loses_nothing(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    url = database_at(tmp_path / "ledger.db", schema=False)
    old, config = create_engine(url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with old.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = "('bike-demand', 'aa', 'all', '{}')"
        connection.execute(text(f"INSERT INTO snapshots VALUES {row}"))
    assert version(old) == "0001"
    Keys(url).create(Terms(name="new"), AT)
    assert version(old) == HEAD
    with reading(url) as connection:
        assert connection.execute(
            text("SELECT capability, digest, recipe, CAST(record AS TEXT) FROM snapshots")
        ).all() == [("bike-demand", "aa", "all", "{}")]


def test_the_secret_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    secret = installation_secret(settings)
    assert len(secret) == 32
    assert installation_secret(settings) == secret
    assert installation_secret(Settings(home=tmp_path / "other")) != secret
    assert [file.name for file in settings.root.iterdir()] == ["secret"]
    assert stat.S_IMODE((settings.root / "secret").stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    settings, start, results = Settings(home=tmp_path / "home"), FORK.Event(), FORK.Queue()

    def first_use() -> None:
        start.wait()
        results.put(installation_secret(settings))

    workers = [FORK.Process(target=first_use) for _ in range(6)]
    for worker in workers:
        worker.start()
    start.set()
    assert len({results.get(timeout=60) for _ in workers}) == 1
    for worker in workers:
        worker.join()


def test_a_secret_that_is_set_is_the_one_that_counts(tmp_path: Path) -> None:
    told = Settings(home=tmp_path / "one", secret=SecretStr("correct horse battery staple"))
    same = Settings(home=tmp_path / "two", secret=SecretStr("correct horse battery staple"))
    assert installation_secret(told) == installation_secret(same)
    assert not told.root.exists()


@pytest.mark.parametrize("damaged", [b"", b"short\n", b"\xff" * 64])
def test_a_damaged_secret_is_no_secret(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "secret").write_bytes(damaged)
    with pytest.raises(StoreError, match="restore it from a backup, or set OPSLAYER_SECRET"):
        installation_secret(Settings(home=tmp_path))
    assert (tmp_path / "secret").read_bytes() == damaged


def test_a_folder_that_can_t_keep_the_secret_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="set OPSLAYER_SECRET"):
        installation_secret(Settings(home=tmp_path / "file" / "home"))


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_subject_s_hash_tells_subjects_and_tenants_apart(a: str, b: str, c: str, d: str) -> None:
    secret = os.urandom(32)
    assert re.fullmatch("[0-9a-f]{32}", subject_hash(secret, a, b))
    assert (subject_hash(secret, a, b) == subject_hash(secret, c, d)) == ((a, b) == (c, d))
    assert subject_hash(secret, a, b) != subject_hash(os.urandom(32), a, b)


def test_a_subject_s_hash_stays_the_same_for_ever() -> None:
    assert subject_hash(bytes(32), "acme", "user-1") == "be6f590c51c80ffa89f2e14307200ec5"
    assert subject_hash(bytes(32), "acme", "\ud800") != subject_hash(bytes(32), "acme", "\udfff")
