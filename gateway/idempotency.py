"""One answer for one idempotency key, whichever worker gets it and however often it comes.

A key is claimed in the ledger, with the id that its interaction will have, before anything is asked
for. The interaction in the log is the outcome: a claim whose interaction is there was answered; one
without it is under way, or was cut off when its worker died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b

from gateway.call import HttpError
from gateway.exchange import FailureKind
from opslayer.errors import StoreError
from opslayer.records import Interaction, Status
from opslayer.stores import Stores
from opslayer.stores.journal import drain
from opslayer.stores.ledger.idempotency import Claim, Wanted

LOOK = 0.05
"""Seconds between two looks for an answer that another worker is about to give."""
AGAIN = (Status.FAILED, Status.ABANDONED, Status.INCOMPLETE)
"""Outcomes that are no answer, or half of one: a repeat is a new try."""
AMENDABLE = (FailureKind.BAD_REQUEST, FailureKind.DENIED)
"""Why an upstream refused a call, not what it says: a repeat is a new try, too."""
WAIT = 10.0
"""Seconds for which a call waits for its claim: a ledger that hangs says nothing for far longer."""
LIFE = timedelta(hours=24)
"""For which a key is remembered."""


def body_digest(path: str, subject: str | None, body: bytes) -> str:
    """What has to be equal for two calls to be the same call."""
    words = blake2b(path.encode(), digest_size=16)
    words.update(b"\x1f" + (subject or "").encode() + b"\x1f" + body)
    return words.hexdigest()


def unanswered(one: Interaction) -> bool:
    """Whether a call came to nothing that could be said again."""
    last = one.attempts[-1].outcome if one.attempts else ""
    return one.status in AGAIN or (one.status is Status.REFUSED and last in AMENDABLE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call with a key is to do."""

    id: str
    """Of its interaction; of a call with several rows that of the first."""
    mine: bool
    """Whether to ask for an answer; else there is one, or there will be."""
    claim: Claim


@dataclass(slots=True)
class Once:
    """The idempotency keys of one worker's calls."""

    stores: Stores
    owner: str
    """This worker's name: that of its journal's writer."""
    _waiting: list[tuple[Wanted, asyncio.Future[Claim]]] = field(default_factory=list)
    _flusher: asyncio.Task[None] | None = None
    _going: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def claim(self, wanted: Wanted) -> Turn:
        """Claim a key durably; many claims share one commit.

        Raises HttpError 422 where the key came with another body before, StoreError where the
        ledger is away, or says nothing: without it nobody can promise that a call is made once.
        A claim that comes too late for its call is an attempt that came to nothing.
        """
        future: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(WAIT):
                claim = await future
        except TimeoutError as error:
            raise StoreError(f"the ledger has said nothing for {WAIT:g} s") from error
        if claim.conflict:
            raise HttpError(
                422,
                "idempotency_key_reused",
                "Idempotency-Key: it came with another request before; use a new one",
            )
        return Turn(claim.interaction_id, claim.new, claim)

    @contextmanager
    def going(self, turn: Turn) -> Iterator[None]:
        """While this worker answers a key, its repeats here wait for the end of the block."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._going[turn.id] = future
        try:
            yield
        finally:
            del self._going[turn.id]
            future.set_result(None)

    async def first(self, turn: Turn, ids: Sequence[str], deadline: float) -> list[Interaction]:
        """The interactions of the first call, once they are there; empty where they never will be.

        Raises HttpError 409 where the deadline passes while the first call is still under way.
        """
        loop = asyncio.get_running_loop()
        while True:
            going = self._going.get(turn.id)
            if going is not None:
                await asyncio.wait([going], timeout=max(0.0, deadline - loop.time()))
            alive = turn.claim.owner != self.owner and self._alive(turn.claim.owner)
            found = await asyncio.to_thread(self._from_log, ids)
            if found or not (alive or turn.id in self._going):
                return found
            if loop.time() > deadline:
                raise HttpError(
                    409, "in_progress", "the first call with this key is under way", retry_after=1
                )
            await asyncio.sleep(LOOK)

    async def retake(self, turn: Turn, id: str) -> bool:
        """Take a key again whose call came to no answer; False where another call was quicker."""
        door = self.stores.ledger.idempotency
        return await asyncio.to_thread(door.retake, turn.claim, id, self.owner)

    def _from_log(self, ids: Sequence[str]) -> list[Interaction]:
        drain(self.stores.journal, self.stores.events)
        found = self.stores.events.interactions(ids)
        return found if len(found) == len(ids) else []

    def _alive(self, owner: str) -> bool:
        return self.stores.journal.is_written(owner)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                claims = await asyncio.to_thread(
                    self.stores.ledger.idempotency.claim_many,
                    [one for one, _ in batch],
                    self.owner,
                )
            except Exception as error:  # every caller of the batch hears of it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), claim in zip(batch, claims, strict=True):
                if not future.done():
                    future.set_result(claim)
