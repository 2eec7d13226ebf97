"""Who is let in, with which key, on which machine, and what happens while the ledger is away."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import event

from gateway.access import Access, Denied
from gateway.access.access import ADMIN, AGE, ANYBODY
from gateway.access.follower import EVERY
from gateway.exchange import Caller
from opslayer.loopback import is_loopback
from opslayer.records import Role
from opslayer.settings import Settings
from opslayer.stores.ledger.database import engine
from opslayer.stores.ledger.keys import Issued, Keys, Terms

SECRET = b"s" * 32
ADMIN_KEY = "correct-horse-battery-staple"
HERE = {b"host": b"localhost:8000"}
Headers = dict[bytes, bytes]


@dataclass
class Place:
    """One installation: its ledger, and the folder that a gateway keeps things in."""

    root: Path

    @property
    def keys(self) -> Keys:
        return Keys(f"sqlite:///{self.root / 'ledger.db'}")

    def access(self, admin: str | None = None, secret: bytes = SECRET) -> Access:
        """One worker's access, that has not looked yet."""
        settings = Settings(admin_key=SecretStr(admin) if admin else None)
        return Access(self.keys, settings, secret, self.root / "gateway")

    def looked(self, admin: str | None = None, secret: bytes = SECRET) -> Access:
        """One that has looked once."""
        access = self.access(admin, secret)
        access.look()
        return access

    def create(self, *roles: Role, **terms: object) -> Issued:
        words = {"name": "test", "roles": roles or (Role.CALL,), **terms}
        return self.keys.create(Terms.model_validate(words), datetime.now(UTC))

    def take_ledger_away(self) -> None:
        engine(self.keys.url).dispose()
        (self.root / "ledger.db").rename(self.root / "aside")
        (self.root / "ledger.db").mkdir()

    def bring_ledger_back(self) -> None:
        (self.root / "ledger.db").rmdir()
        (self.root / "aside").rename(self.root / "ledger.db")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def running(access: Access) -> AsyncIterator[Access]:
    await access.start()
    try:
        yield access
    finally:
        await access.stop()


def bearer(secret: str) -> Headers:
    return {b"authorization": f"Bearer {secret}".encode(), b"host": b"api.example.com"}


def refused(access: Access, headers: Headers, role: Role | None = None) -> Denied:
    with pytest.raises(Denied) as denied:
        access.check(headers, role)
    return denied.value


def is_let_in(access: Access, secret: str) -> bool:
    try:
        access.check(bearer(secret))
    except Denied:
        return False
    return True


def within(seconds: float, wait: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(wait, seconds))


def test_a_key_says_who_calls_and_for_which_tenant(place: Place) -> None:
    issued = place.create(Role.CALL, Role.FEEDBACK, tenant="acme", per_minute=7)
    access = place.looked()
    caller = access.check(bearer(issued.secret), Role.CALL)
    roles = frozenset({Role.CALL, Role.FEEDBACK})
    assert caller == Caller(tenant="acme", key=issued.key.id, roles=roles)
    assert access.terms(caller) == issued.key
    spelt = {b"authorization": f"bEARER  {issued.secret} ".encode()}
    assert access.check(spelt) == caller


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("has", Role)
def test_a_key_may_do_what_its_roles_say_and_admin_everything(
    place: Place, has: Role, role: Role
) -> None:
    issued = place.create(has)
    access = place.looked()
    if has in (role, Role.ADMIN):
        assert access.check(bearer(issued.secret), role).key == issued.key.id
    else:
        denied = refused(access, bearer(issued.secret), role)
        assert (denied.status, denied.code) == (403, "forbidden")
        assert f"--role {role}" in str(denied)
        assert issued.secret not in str(denied)


def test_a_route_for_any_key_takes_every_role_and_no_stranger(place: Place) -> None:
    issued = [place.create(role) for role in Role]
    access = place.looked()
    assert {access.check(bearer(one.secret)).key for one in issued} == {
        one.key.id for one in issued
    }
    assert refused(access, HERE).status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic dXNlcjpwYXNz",
        b"ops_" + b"x" * 43,
        b"Bearer ops_" + b"x" * 43,
        b"Bearer \xff\xfe\x00",
        b"Bearer " + b"x" * 60_000,
    ],
)
def test_who_has_no_known_key_is_told_how_to_get_one(
    place: Place, authorization: bytes | None
) -> None:
    place.create()
    headers = {} if authorization is None else {b"authorization": authorization}
    denied = refused(place.looked(), headers, Role.CALL)
    assert (denied.status, denied.code) == (401, "invalid_api_key")
    assert "opslayer keys create" in str(denied)
    assert "xxx" not in str(denied)


def test_a_part_of_a_key_its_hash_or_its_name_opens_nothing(place: Place) -> None:
    issued = place.create()
    access = place.looked(ADMIN_KEY)
    near = [issued.secret[:-1], issued.secret + "x", issued.secret.swapcase(), issued.key.id]
    for guess in (*near, issued.key.digest, ADMIN_KEY[:-1], ADMIN_KEY + "x", ""):
        assert refused(access, bearer(guess)).status == 401


def test_expired_and_revoked_keys_are_refused_by_name(place: Place) -> None:
    now = datetime.now(UTC)
    short = place.create(expires=now + timedelta(days=1))
    gone = place.create(expires=now - timedelta(seconds=1))
    leaked = place.create()
    place.keys.revoke(leaked.key.id, now)
    access = place.looked()
    assert access.check(bearer(short.secret)).key == short.key.id
    assert f"{gone.key.id} is expired" in str(refused(access, bearer(gone.secret)))
    assert f"{leaked.key.id} is revoked" in str(refused(access, bearer(leaked.secret)))


def test_the_admin_key_may_everything_and_closes_the_door_for_others(place: Place) -> None:
    access = place.looked(ADMIN_KEY)
    assert not access.open_to_all()
    assert refused(access, HERE).status == 401
    for role in Role:
        assert access.check(bearer(ADMIN_KEY), role) is ADMIN
    assert access.terms(ADMIN) is None
    place.take_ledger_away()
    assert place.looked(ADMIN_KEY).check(bearer(ADMIN_KEY), Role.ERASE) is ADMIN


def test_without_any_key_whoever_is_on_this_machine_may_call(place: Place) -> None:
    access = place.looked()
    assert access.open_to_all()
    for headers in (HERE, {**HERE, b"authorization": b"Bearer sk-anything"}):
        assert access.check(headers, Role.ADMIN) is ANYBODY
    access.check_origin(HERE)


@pytest.mark.parametrize(
    "host",
    [b"", b"evil.example", b"evil.example:8000", b"127.0.0.1.evil.example", b"localhost.evil",
     b"0.0.0.0:8000", b"10.0.0.7", b"[::2]:8000", b"[::1]evil.example", b"127.0.0.1@evil.example",
     b"notlocalhost", b"localhost:80:90", b"\xff", b"[::1"],
)  # fmt: skip
def test_a_name_that_was_bent_to_this_machine_is_refused(place: Place, host: bytes) -> None:
    access = place.looked()
    assert refused(access, {b"host": host}).code == "host_refused"
    with pytest.raises(Denied):
        access.check_origin({b"host": host})


@pytest.mark.parametrize(
    "host",
    [b"localhost", b"LOCALHOST:80", b"localhost.", b"app.localhost:8000", b"127.0.0.1:8000",
     b"127.1.2.3", b"[::1]", b"[::1]:8000"],
)  # fmt: skip
def test_this_machine_s_own_names_are_served(place: Place, host: bytes) -> None:
    assert place.looked().check({b"host": host}) is ANYBODY


@pytest.mark.parametrize(
    "origin",
    [b"null", b"", b"http://evil.example", b"https://localhost.evil.example", b"http://[::2]:1",
     b"http://[", b"file://", b"http://localhost@evil.example"],
)  # fmt: skip
def test_a_strange_page_in_this_machine_s_browser_may_not_call(place: Place, origin: bytes) -> None:
    assert refused(place.looked(), {**HERE, b"origin": origin}).code == "origin_refused"


@pytest.mark.parametrize(
    "origin", [b"http://localhost:3000", b"https://127.0.0.1", b"http://[::1]:5"]
)
def test_a_page_of_this_machine_may_call(place: Place, origin: bytes) -> None:
    assert place.looked().check({**HERE, b"origin": origin}) is ANYBODY


def test_with_a_key_the_host_and_the_page_are_the_callers_own_affair(place: Place) -> None:
    issued = place.create()
    access = place.looked()
    page = {b"origin": b"https://shop.example"}
    assert access.check({**bearer(issued.secret), **page}).key == issued.key.id
    access.check_origin({b"host": b"probe"})


@given(st.text(max_size=30))
def test_no_text_breaks_the_question_whether_it_is_this_machine(host: str) -> None:
    assert is_loopback(host) in (True, False)


def test_the_door_stays_closed_once_there_was_a_key(place: Place) -> None:
    issued = place.create()
    access = place.looked()
    place.keys.revoke(issued.key.id, datetime.now(UTC))
    access.look()
    assert not access.open_to_all()
    (place.root / "ledger.db").unlink()  # another ledger, as after a volume that is not there
    for file in place.root.glob("ledger.db-*"):
        file.unlink()
    engine.cache_clear()
    access.look()
    assert access.fault is None
    for one in (access, place.looked()):
        assert not one.open_to_all()
        assert refused(one, HERE).status == 401


def test_a_new_key_is_known_at_its_first_call_and_a_revoked_one_is_out_soon(place: Place) -> None:
    place.create()

    async def run() -> None:
        async with running(place.access()) as access:
            issued = place.create()
            assert (await access.admit(bearer(issued.secret), Role.CALL)).key == issued.key.id
            place.keys.revoke(issued.key.id, datetime.now(UTC))
            while is_let_in(access, issued.secret):
                await asyncio.sleep(0.01)
            assert "is revoked" in str(refused(access, bearer(issued.secret)))

    within(10 * EVERY, run())


def test_the_first_key_of_all_is_known_at_its_first_call(place: Place) -> None:
    async def run() -> None:
        async with running(place.access()) as access:
            assert await access.admit(HERE) is ANYBODY
            issued = place.create(tenant="acme")
            assert (await access.admit(bearer(issued.secret))).tenant == "acme"
            with pytest.raises(Denied):
                await access.admit(HERE)

    within(10, run())


def test_unknown_keys_can_t_make_a_worker_hammer_the_ledger(place: Place) -> None:
    place.create()
    looks: list[object] = []

    async def run() -> None:
        async with running(place.access()) as access:
            event.listen(
                engine(place.keys.url), "before_cursor_execute", lambda *call: looks.append(call[2])
            )
            guesses = [bearer(f"ops_{number:043}") for number in range(300)]
            said = await asyncio.gather(
                *(access.admit(guess) for guess in guesses * 3), return_exceptions=True
            )
            assert {type(one) for one in said} == {Denied}

    within(30, run())
    asked = [look for look in looks if "FROM keys" in str(look)]
    assert 1 <= len(asked) <= 20


def test_while_the_ledger_is_away_known_keys_go_on_and_no_other_is_let_in(place: Place) -> None:
    known = place.create(tenant="acme")

    async def run() -> None:
        async with running(place.access()) as access:
            place.take_ledger_away()
            assert (await access.admit(bearer(known.secret))).tenant == "acme"
            with pytest.raises(Denied, match="not known as long as its ledger is away") as denied:
                await access.admit(bearer("ops_" + "x" * 43))
            assert denied.value.status == 401
            assert access.fault
            place.bring_ledger_back()
            late = place.create()
            assert (await access.admit(bearer(late.secret))).key == late.key.id
            assert access.fault is None

    within(30, run())


def test_keys_that_could_not_be_read_for_an_hour_are_not_taken_any_more(place: Place) -> None:
    issued = place.create()
    access = place.looked()
    place.take_ledger_away()
    start = access.clock()
    access.clock = lambda: start + AGE - 1
    access.look()
    assert access.check(bearer(issued.secret)).key == issued.key.id
    access.clock = lambda: start + AGE + 1
    denied = refused(access, bearer(issued.secret))
    assert (denied.status, denied.code) == (503, "keys_unknown")
    assert denied.retry_after


def test_a_start_without_a_ledger_takes_the_copy(place: Place) -> None:
    issued = place.create(Role.FEEDBACK, tenant="acme")
    place.looked()
    place.take_ledger_away()

    async def run() -> None:
        async with running(place.access()) as access:
            caller = await access.admit(bearer(issued.secret), Role.FEEDBACK)
            assert (caller.tenant, caller.key) == ("acme", issued.key.id)
            with pytest.raises(Denied, match="has feedback and this needs call"):
                await access.admit(bearer(issued.secret), Role.CALL)
            with pytest.raises(Denied):
                await access.admit(bearer("ops_" + "x" * 43))
            assert not access.open_to_all()

    within(30, run())


def test_a_start_without_a_ledger_and_without_a_copy_lets_nobody_in(place: Place) -> None:
    (place.root / "ledger.db").mkdir()
    access = place.looked()
    assert not access.open_to_all()
    assert refused(access, HERE).status == 401
    assert refused(access, bearer("ops_" + "x" * 43)).status == 503


def test_the_copy_is_for_this_user_and_holds_no_key(place: Place) -> None:
    issued = place.create()
    place.looked()
    (copy,) = (place.root / "gateway").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert issued.secret[12:].encode() not in copy.read_bytes()


def test_a_copy_that_somebody_else_wrote_is_no_copy(place: Place) -> None:
    issued = place.create(Role.CALL)
    place.looked()
    (copy,) = (place.root / "gateway").iterdir()
    signature, _, text = copy.read_bytes().partition(b"\n")
    document = json.loads(text)
    document["keys"][0]["roles"] = ["admin"]
    place.take_ledger_away()
    assert place.looked().check(bearer(issued.secret), Role.CALL)
    assert refused(place.looked(secret=b"t" * 32), bearer(issued.secret)).status == 503
    for forged in (signature + b"\n" + json.dumps(document).encode(), text, b"", b"\n\n"):
        copy.write_bytes(forged)
        assert refused(place.looked(), bearer(issued.secret)).status == 503


@pytest.mark.parametrize("days", [-1, 1])
def test_a_copy_from_another_day_opens_nothing(place: Place, days: int) -> None:
    issued = place.create()
    access = place.looked()
    access._copy.save((issued.key,), datetime.now(UTC) + timedelta(days=days))
    place.take_ledger_away()
    assert refused(place.looked(), bearer(issued.secret)).status == 503
    assert not place.looked().open_to_all()


def test_a_copy_that_can_t_be_written_stops_nobody(place: Place) -> None:
    issued = place.create()
    (place.root / "gateway").write_text("")
    assert place.looked().check(bearer(issued.secret)).key == issued.key.id
