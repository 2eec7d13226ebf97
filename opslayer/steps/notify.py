"""Tell webhooks what was decided: signed, once by id, tried for a day."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from opslayer.capability import Capability, Webhook
from opslayer.errors import NotFound, Refused
from opslayer.reach import Reach
from opslayer.settings import Settings
from opslayer.stores import Stores
from opslayer.stores.ledger.deliveries import LONGEST, Delivery, Result
from opslayer.webhooks.message import message_of
from opslayer.webhooks.post import Answer, post, session
from opslayer.webhooks.signature import headers, secrets_of

if TYPE_CHECKING:
    import aiohttp

MINUTE, HOUR = 60.0, 3600.0
PAUSES = (5.0, 30.0, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR,
          2 * HOUR, 4 * HOUR, 6 * HOUR, 10 * HOUR)  # fmt: skip
"""Seconds before each further attempt: a day in all, then it is given up."""
JITTER = 0.2
"""By which share a pause is longer or shorter, so that what failed together does not come back
together."""
AT_ONCE = 4
"""Requests under way to one webhook."""
IN_ALL = 64
"""Requests under way to all of them: each ends long before its lease does."""
GONE = 410
"""The receiver wants no more, says Standard Webhooks."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What sending needs of the machine."""

    reach: Reach
    environment: Mapping[str, str] = field(repr=False)
    """Holds the secrets."""


def this_machine(settings: Settings) -> Sender:
    """Sending with what this process was started with."""
    return Sender(settings.webhook_reach, dict(os.environ))


@dataclass(frozen=True, slots=True)
class Order:
    """A delivery and where it goes."""

    delivery: Delivery
    hook: Webhook


def notify(capabilities: Sequence[Capability], stores: Stores, sender: Sender) -> list[Delivery]:
    """Put on its way what is new, attempt what is due, and return every attempted delivery as it
    stands after.

    Whoever dies in the middle leaves each delivery to whoever looks next. Raises StoreError where
    the ledger is away.
    """
    tried: list[str] = []
    while orders := _claimed(capabilities, stores):
        asyncio.run(_send(orders, stores, sender))
        tried += [order.delivery.id for order in orders]
    return [stores.ledger.deliveries.get(id) for id in dict.fromkeys(tried)]


def notice(capabilities: Sequence[Capability], stores: Stores, now: datetime) -> int:
    """Put every verdict that a webhook is to be told of on its way; returns how many.

    What a new webhook is told of begins here.
    """
    deliveries = stores.ledger.deliveries
    return sum(
        deliveries.notice(one.name, hook, now) for one in capabilities for hook in one.webhooks
    )


def resend(capability: Capability, id: str, stores: Stores, sender: Sender) -> Delivery:
    """Attempt a delivery again now, whatever came of it, under the id that it had.

    Raises NotFound where the file does not declare its webhook any more.
    """
    deliveries = stores.ledger.deliveries
    name = deliveries.get(id).hook
    hook = next((one for one in capability.webhooks if one.name == name), None)
    if hook is None:
        there = ", ".join(one.name for one in capability.webhooks) or "none"
        raise NotFound(f"{capability.name} has no webhook {name} any more; there are {there}")
    now = datetime.now(UTC)
    claimed = deliveries.claim(deliveries.reopen(id, now), now)
    if claimed is not None:
        asyncio.run(_send([Order(claimed, hook)], stores, sender))
    return deliveries.get(id)


def _claimed(capabilities: Sequence[Capability], stores: Stores) -> list[Order]:
    """The next few of every webhook, begun; what is new meanwhile is among them."""
    deliveries, now = stores.ledger.deliveries, datetime.now(UTC)
    notice(capabilities, stores, now)
    claimed = (
        Order(begun, hook)
        for one in capabilities
        for hook in one.webhooks
        for due in deliveries.due(one.name, hook.name, now, AT_ONCE)
        if (begun := deliveries.claim(due, now)) is not None
    )
    return list(islice(claimed, IN_ALL))


async def _send(orders: Sequence[Order], stores: Stores, sender: Sender) -> None:
    """Attempt all at once, so that a slow receiver keeps nobody from theirs."""
    async with session(sender.reach) as through:
        await asyncio.gather(*(_attempt(order, stores, (sender, through)) for order in orders))


async def _attempt(
    order: Order, stores: Stores, means: tuple[Sender, aiohttp.ClientSession]
) -> None:
    (sender, through), delivery = means, order.delivery
    verdict = stores.ledger.verdicts.get(delivery.verdict)
    if verdict is None:
        gone = Result("failed", datetime.now(UTC), None, "its verdict is in the ledger no more")
        stores.ledger.deliveries.settle(delivery, order.hook, gone)
        return
    message = message_of(delivery.event, verdict)
    try:
        secrets = secrets_of(order.hook.secret_env, sender.environment)
    except Refused as error:
        answer = Answer(None, str(error))
    else:
        signed = headers(message, secrets, datetime.now(UTC))
        answer = await post(through, order.hook.url, message.body, signed)
    result = result_of(answer, delivery.attempts, datetime.now(UTC))
    stores.ledger.deliveries.settle(delivery, order.hook, result)


def result_of(answer: Answer, attempts: int, now: datetime) -> Result:
    """What an answer to the attempt of this number means: done, again at a moment, or no more."""
    if answer.fault is None:
        return Result("delivered", now, answer.code)
    if answer.code == GONE:
        return Result("stopped", now, GONE, "it answered 410: it wants no more")
    if attempts > len(PAUSES):
        return Result("failed", now, answer.code, answer.fault)
    pause = PAUSES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    asked = min(answer.wait or 0.0, LONGEST.total_seconds())
    due = now + timedelta(seconds=min(max(pause, asked), LONGEST.total_seconds()))
    return Result("waiting", due, answer.code, answer.fault)
