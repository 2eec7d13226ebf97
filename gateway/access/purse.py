"""What a key's calls may cost: never more than its budget, by all workers together.

A call is admitted only when the most that it can cost is taken from the key's budget. A worker
takes from the ledger in advances, a slice at a time and ever smaller ones as the budget ends, so
that a call hardly ever waits for SQL. What is taken counts as spent from that moment: the budget
holds whoever is killed, and a killed worker's unspent advance is lost with it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.access.account import Account
from gateway.access.denied import Denied
from opslayer.errors import StoreError
from opslayer.records import Key
from opslayer.stores.ledger.keys import Advance, Keys
from opslayer.stores.ledger.money import amount_of, billionths

T = TypeVar("T")

log = logging.getLogger("opslayer.gateway")

WAIT = 2.0
"""Seconds that a call waits for an advance."""
SURE = 1.0
"""Seconds for which an answer of the ledger, or its silence, is good for the next call too."""
IDLE = 5.0
"""Seconds without a call after which an advance is given back."""
TIDY = 1.0
"""Seconds between two looks for what is to be given back or still to be paid."""
NO_RETRY = ((b"x-should-retry", b"false"),)
"""Tells OpenAI's client not to ask again by itself: waiting fills no budget."""


@dataclass(slots=True)
class Hold:
    """Money that is held for one call; settled once, when its cost is known."""

    account: Account | None
    """None for who has no account: anybody of this machine, and OPSLAYER_ADMIN_KEY."""
    amount: int
    """In billionths."""
    settled: bool = False


def _own_threads() -> ThreadPoolExecutor:
    """Threads of their own: a ledger that hangs must not hold up what else the worker does."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="purse")


@dataclass(slots=True)
class Purse:
    """The money of one worker's calls. `start` before the first, `stop` after the last."""

    keys: Keys
    clock: Callable[[], float] = time.monotonic
    _threads: ThreadPoolExecutor = field(default_factory=_own_threads)
    _accounts: dict[str, Account] = field(default_factory=dict)
    _away_until: float = float("-inf")
    _tidying: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to give back, each second, what nobody needs."""
        self._tidying = asyncio.create_task(self._keep_tidy())

    async def stop(self) -> None:
        """Pay what is owed, and give back what is in hand."""
        if self._tidying is not None:
            self._tidying.cancel()
            with suppress(asyncio.CancelledError):
                await self._tidying
        await self.tidy(idle=0.0)
        self._threads.shutdown(wait=False)

    async def hold(self, key: Key | None, worst: float) -> Hold:
        """Hold the most that a call can cost, in the money's unit, before it is passed on.

        Raises Denied 429 where it does not fit into what is left of the budget, and 503 where an
        advance is needed and the ledger does not answer.
        """
        if key is None:
            return Hold(None, 0)
        account = self._account(key)
        if account.budget is None or worst <= 0:
            return Hold(account, 0)
        if not math.isfinite(worst) or billionths(worst) > account.budget:
            raise _spent(key, worst, "its whole budget is")
        amount = billionths(worst)
        if account.balance < amount:
            async with account.queue:
                while account.balance < amount:
                    await self._draw(key, account, amount)
                account.balance -= amount
        else:
            account.balance -= amount
        return Hold(account, amount)

    async def settle(self, hold: Hold, cost: float) -> None:
        """Say what a call has cost, in the money's unit; the rest of what was held is free again.

        What it cost above that is taken from the budget at once, or as soon as the ledger answers.
        """
        account = hold.account
        if account is None or hold.settled:
            return
        account.balance += hold.amount - billionths(cost)
        hold.settled = True
        if account.budget is not None and account.balance < 0:
            await self._pay(account)

    async def tidy(self, idle: float = IDLE) -> None:
        """Pay what is owed, and give back advances that no call has used for `idle` seconds."""
        for account in list(self._accounts.values()):
            if account.balance < 0:
                await self._pay(account)
            elif amount := account.surplus(self.clock() - account.used_at >= idle):
                await self._give_back(account, amount)

    def _account(self, key: Key) -> Account:
        account = self._accounts.get(key.id)
        if account is None:
            account = self._accounts[key.id] = Account.of(key)
        account.used_at = self.clock()
        return account

    async def _draw(self, key: Key, account: Account, amount: int) -> None:
        """Take an advance that may be enough for `amount`; raises Denied."""
        least, now = amount - account.balance, self.clock()
        if now - account.asked_at < SURE and least > account.left:
            left = amount_of(account.left + account.balance)
            raise _spent(key, amount_of(amount), f"{left:.6g} is left of its budget of")
        if now < self._away_until:
            raise _away(key)
        try:
            async with asyncio.timeout(WAIT):
                await asyncio.shield(self._advance(account, least))
        except (StoreError, TimeoutError) as error:
            self._away_until = self.clock() + SURE
            raise _away(key) from error

    def _advance(self, account: Account, least: int) -> asyncio.Future[Advance]:
        """The advance that is being taken, or a new one; never two at once for a key."""
        if account.drawing is None:
            account.drawing = self._ask(self.keys.advance, account.id, least, account.slice)
            account.drawing.add_done_callback(lambda done: self._credit(account, done))
        return account.drawing

    def _credit(self, account: Account, done: asyncio.Future[Advance]) -> None:
        account.drawing = None
        if done.cancelled() or done.exception() is not None:
            return  # whoever waits hears of it
        advance = done.result()
        account.balance += advance.amount
        account.left, account.asked_at = advance.left, self.clock()

    async def _pay(self, account: Account) -> None:
        owed, account.balance = -account.balance, 0
        try:
            await self._ask(self.keys.settle, account.id, owed)
        except StoreError:
            account.balance -= owed  # it is still owed: `tidy` tries again

    async def _give_back(self, account: Account, amount: int) -> None:
        account.balance -= amount
        try:
            await self._ask(self.keys.reserve, account.id, 0)
        except StoreError:
            account.balance += amount  # nothing was said yet: try again later
            return
        try:
            await self._ask(self.keys.settle, account.id, -amount)
        except StoreError as error:
            # It may have been given back all the same: in doubt it is spent.
            log.warning("key %s lost an advance: %s", account.id, error)

    def _ask(self, ask: Callable[..., T], *words: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, ask, *words)

    async def _keep_tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY)
            await self.tidy()


def _spent(key: Key, worst: float, room: str) -> Denied:
    return Denied(
        429,
        "insufficient_quota",
        f"key {key.id}: this call may cost up to {worst:.6g}, and {room} {key.budget:.6g}: "
        "ask for less (max_tokens), or use a key with a larger budget",
        retry_after=60,
        headers=NO_RETRY,
    )


def _away(key: Key) -> Denied:
    text = f"the ledger with the budget of key {key.id} does not answer: try again"
    return Denied(503, "budget_away", text, retry_after=1)
