"""Who calls, by the key that the call carries, and whether the route's role is among its own.

The keys are in memory, and a thread reads them again each second: a call reads no store. While the
ledger is away those that are known go on for an hour, and no other is let in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path

from gateway.access.copy import KeyCopy
from gateway.access.denied import Denied
from gateway.access.follower import Follower
from gateway.access.known import Known
from gateway.access.loopback import check_origin
from gateway.exchange import Caller
from gateway.sealed import Sealed
from opslayer.records import Key, Role
from opslayer.settings import Settings
from opslayer.stores.ledger.keys import PREFIX, Keys, secret_digest, state_of

log = logging.getLogger("opslayer.gateway")

AGE = 3600.0
"""Seconds for which keys go on that could not be read again: a key may have been revoked since."""
COPY_EVERY = 60.0
"""Seconds after which the copy is written again though no key has changed."""
START = 2.0
"""Seconds that a start waits for the ledger before it takes the copy."""
WAIT = 1.0
"""Seconds that a call with an unknown key waits for the ledger."""
STRANGERS = 1024
"""Unknown keys that are remembered, so that the same one soon again costs no look."""

ANYBODY = Caller()
"""Whoever calls while there is no key at all."""
ADMIN = Caller(key="admin")
"""Who calls with OPSLAYER_ADMIN_KEY."""

Headers = Mapping[bytes, bytes]
Clock = Callable[[], float]


class Access:
    """Admits calls for one process. `start` before the first call, `stop` after the last."""

    def __init__(self, keys: Keys, settings: Settings, secret: bytes, folder: Path) -> None:
        said = settings.admin_key
        self._admin = secret_digest(said.get_secret_value()) if said else None
        self._keys = keys
        self._known = Known()
        self._had_keys = False
        self._copy = KeyCopy(Sealed(folder / "keys.json", secret))
        self._recalled = False
        self._copied_at = float("-inf")
        self._strangers: dict[str, float] = {}
        self._follower = Follower(self.look)
        self.clock: Clock = time.monotonic
        """Seconds; only its differences count."""
        self.fault: str | None = None
        """Why the last reading failed; None where it did not."""

    async def start(self) -> None:
        """Read the keys, or their copy where the ledger is away, and follow them from now on."""
        self._follower.start()
        await self._follower.news(START)

    async def stop(self) -> None:
        """Follow the keys no more."""
        await self._follower.stop()

    def look(self) -> None:
        """Read the keys once, in whatever thread; raises nothing, see `fault`."""
        if not self._recalled:
            self._recall()
        at, moment = self.clock(), datetime.now(UTC)
        try:
            keys = tuple(row.key for row in self._keys.all())
        except Exception as error:  # a thread that died of it would never learn of a revoked key
            if self.fault is None:
                log.warning("keys can't be read, the known ones go on: %s", error)
            self.fault = str(error)
            return
        changed = keys != self._known.keys
        self._had_keys |= bool(keys)
        self._known = Known.of(keys, at)
        self.fault = None
        if keys and (changed or at - self._copied_at > COPY_EVERY):
            self._copied_at = at
            self._keep(keys, moment)

    def open_to_all(self) -> bool:
        """Whether anybody may call, because there is no key: the server binds loopback only then.

        Never where there was a key once, though all are gone: the ledger may be another one now.
        False as long as it is not known.
        """
        return self._admin is None and not self._had_keys and self.age <= AGE

    @property
    def age(self) -> float:
        """Seconds since the keys were last read; infinite before the first time."""
        return self.clock() - self._known.read_at

    async def admit(self, headers: Headers, role: Role | None = None) -> Caller:
        """Who calls; raises Denied where this caller may not. `role` None asks for any key at all.

        As `check`, and a key that is not known yet waits until the ledger was asked for it.
        """
        token = _token(headers)
        if token is not None and self._is_stranger(token):
            await self._follower.news(WAIT)
            if len(self._strangers) >= STRANGERS:
                self._strangers.clear()
            self._strangers[secret_digest(token)] = self.clock()
        return self._check(headers, token, role)

    def check(self, headers: Headers, role: Role | None = None) -> Caller:
        """Who calls, as far as is known now; raises Denied 401, 403, or 503 where it can't be told.

        While the API is open to all, the call must come from this machine (`check_origin`).
        """
        return self._check(headers, _token(headers), role)

    def _check(self, headers: Headers, token: bytes | None, role: Role | None) -> Caller:
        if self.open_to_all():
            check_origin(headers)
            return ANYBODY
        if token is None:
            raise _nobody("this call has no key")
        caller = self._caller(token)
        if role is not None and role not in caller.roles and Role.ADMIN not in caller.roles:
            raise _forbidden(caller, role)
        return caller

    def check_origin(self, headers: Headers) -> None:
        """For a call that needs no key: raises Denied 403 as `check` does while all may call."""
        if self.open_to_all():
            check_origin(headers)

    def terms(self, caller: Caller) -> Key | None:
        """The key with which somebody calls, with its limits; None for who has no limits."""
        return None if caller.key is None else self._known.by_id.get(caller.key)

    def _caller(self, token: bytes) -> Caller:
        digest = secret_digest(token)
        if self._is_admin(digest):
            return ADMIN
        if self.age > AGE:
            raise Denied(503, "keys_unknown", "the ledger with the keys is away", retry_after=5)
        # Looked up by its hash: how long that takes says nothing about any key.
        entry = self._known.by_digest.get(digest)
        if entry is None:
            self._follower.nudge()
            away = self.fault is not None
            raise _nobody("this key is not known" + (" as long as its ledger is away" * away))
        state = state_of(entry.key, datetime.now(UTC))
        if state != "active":
            raise _nobody(f"key {entry.key.id} is {state}")
        return entry.caller

    def _is_admin(self, digest: str) -> bool:
        return self._admin is not None and compare_digest(digest, self._admin)

    def _is_stranger(self, token: bytes) -> bool:
        """Whether it looks like a key, is none that is known, and was not looked for just now."""
        if not token.startswith(PREFIX.encode()):
            return False
        digest = secret_digest(token)
        if digest in self._known.by_digest or self._is_admin(digest):
            return False
        return self.clock() - self._strangers.get(digest, float("-inf")) > WAIT

    def _recall(self) -> None:
        """Begin with the copy of what was known before this process was started."""
        self._recalled = True
        try:
            copied = self._copy.load()
        except OSError as error:
            log.warning("the copy of the keys can't be read: %s", error)
            return
        if copied is not None:
            keys, age = copied
            self._known = Known.of(keys, self.clock() - age)
            self._had_keys = bool(keys)

    def _keep(self, keys: tuple[Key, ...], moment: datetime) -> None:
        """Write the copy; a full disk costs only the next start without a ledger."""
        try:
            self._copy.save(keys, moment)
        except OSError as error:
            log.warning("the copy of the keys can't be written: %s", error)


def _token(headers: Headers) -> bytes | None:
    """The bearer token; None for a call without one."""
    scheme, _, token = headers.get(b"authorization", b"").strip().partition(b" ")
    return token.strip() or None if scheme.lower() == b"bearer" else None


def _nobody(why: str) -> Denied:
    way_out = "a key is made with `opslayer keys create`, and sent as `Authorization: Bearer KEY`"
    return Denied(401, "invalid_api_key", f"{why}: {way_out}")


def _forbidden(caller: Caller, role: Role) -> Denied:
    has = ", ".join(sorted(caller.roles))
    way_out = f"use one made with `opslayer keys create --role {role}`"
    return Denied(403, "forbidden", f"key {caller.key} has {has} and this needs {role}: {way_out}")
