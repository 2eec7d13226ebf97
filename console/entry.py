"""Who looks at a page, and whether they may: by a key, or from this machine while there is none.

A key is typed in once; from then on the browser carries a signed statement of whose it was, which
ends with the key. Pages show every tenant's calls, so that a tenant's own key opens none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from hmac import compare_digest
from urllib.parse import urlsplit

from console.desk import Desk
from opslayer.loopback import is_local_host, is_local_page
from opslayer.records import Key, Role
from opslayer.stores.ledger.keys import secret_digest, state_of
from opslayer.user import user

COOKIE = "opslayer_console"
LASTS = timedelta(hours=12)
"""After which a key has to be typed in again."""
ADMIN = "admin"
"""By which the key of OPSLAYER_ADMIN_KEY is named."""


class Denied(Exception):
    """A page that may not be seen, or done: `status` is 401 for who can't be known, else 403."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who looks."""

    name: str
    roles: frozenset[Role]
    by_key: bool = True
    """Whether they have signed in, and may sign out."""

    def may(self, role: Role) -> bool:
        """Whether what needs a role is theirs to do."""
        return role in self.roles or Role.ADMIN in self.roles


@dataclass(frozen=True, slots=True)
class Known:
    """A key that was found: its public id, and what is kept of it."""

    id: str
    digest: str
    reviewer: Reviewer


def admit(desk: Desk, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Reviewer:
    """Who a request is from; raises Denied where that can't be told, or they are not let in."""
    keys = [row.key for row in desk.stores.ledger.keys.all()]
    if not keys and desk.settings.admin_key is None:
        return _on_this_machine(headers)
    bearer = headers.get("authorization", "")
    if bearer.lower().startswith("bearer "):
        return _by_secret(desk, keys, bearer[7:].strip()).reviewer
    return _by_cookie(desk, keys, cookies.get(COOKIE, ""))


def sign_in(desk: Desk, secret: str) -> str:
    """What the browser is to carry for a key; raises Denied where the key opens nothing."""
    keys = [row.key for row in desk.stores.ledger.keys.all()]
    known = _by_secret(desk, keys, secret)
    until = int((datetime.now(UTC) + LASTS).timestamp())
    return f"{known.id}.{until}.{_signature(desk, known, until)}"


def check_sender(headers: Mapping[str, str]) -> None:
    """Refuse a form that another site's page sends in a reviewer's name: raises Denied."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Denied(403, "this form was sent by a page of another site: open the page here again")


def _on_this_machine(headers: Mapping[str, str]) -> Reviewer:
    way_out = "make a key with `opslayer keys create --role review` to look from elsewhere"
    if not is_local_host(headers.get("host", "")):
        raise Denied(403, f"while there is no key, only this machine may look: {way_out}")
    origin = headers.get("origin")
    if origin is not None and not is_local_page(origin):
        raise Denied(403, "only pages of this machine may ask for this")
    return Reviewer(user(), frozenset({Role.ADMIN}), by_key=False)


def _by_secret(desk: Desk, keys: list[Key], secret: str) -> Known:
    digest = secret_digest(secret)
    admin = _admin(desk)
    if admin is not None and compare_digest(digest, admin.digest):
        return admin
    found = next((one for one in keys if one.digest == digest), None)
    if found is None:
        raise Denied(401, "this key is not known: `opslayer keys create --role review` makes one")
    return _known(found)


def _by_cookie(desk: Desk, keys: list[Key], said: str) -> Reviewer:
    id, _, rest = said.partition(".")
    until, _, signature = rest.partition(".")
    if not until.isdigit() or int(until) < datetime.now(UTC).timestamp():
        raise Denied(401, "sign in with a key that has the role review")
    admin, key = _admin(desk), next((one for one in keys if one.id == id), None)
    known = admin if id == ADMIN else _known(key) if key else None
    if known is None or not compare_digest(signature, _signature(desk, known, int(until))):
        raise Denied(401, "sign in with a key that has the role review")
    return known.reviewer


def _admin(desk: Desk) -> Known | None:
    said = desk.settings.admin_key
    if said is None:
        return None
    digest = secret_digest(said.get_secret_value())
    return Known(ADMIN, digest, Reviewer(ADMIN, frozenset({Role.ADMIN})))


def _known(key: Key) -> Known:
    state = state_of(key, datetime.now(UTC))
    if state != "active":
        raise Denied(401, f"key {key.id} is {state}")
    if key.tenant:
        raise Denied(403, f"key {key.id} is of tenant {key.tenant}, and pages show every tenant")
    return Known(key.id, key.digest, Reviewer(key.name, frozenset(key.roles)))


def _signature(desk: Desk, known: Known, until: int) -> str:
    words = f"{known.id}.{until}.{known.digest}".encode()
    return blake2b(words, key=desk.secret, digest_size=24, person=b"console session").hexdigest()
