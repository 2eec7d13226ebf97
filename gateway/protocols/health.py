"""Whether the process lives, whether it can answer, and what it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.call import Call, encode

if TYPE_CHECKING:
    from gateway.app import Gateway

TEXT = b"text/plain; version=0.0.4; charset=utf-8"


async def live(gateway: Gateway, call: Call) -> None:
    """GET /healthz, /v2/health/live: the process answers, whatever its stores do."""
    await call.reply(200, encode({"status": "alive", "live": True}))


async def ready(gateway: Gateway, call: Call) -> None:
    """GET /readyz, /v2/health/ready: whether a call would be answered now, and what is not well.

    `degraded` with 200 means that what is loaded answers while a store is away.
    """
    faults = gateway.faults()
    waiting = gateway.waiting()
    status = "unready" if waiting else "degraded" if faults else "ready"
    body = {
        "status": status,
        "ready": not waiting,
        "faults": [*waiting, *faults],
        "capabilities": {
            one.capability.name: {
                "release": one.plan.release.number if one.plan.release else None,
                "ready": one.ready,
                **({"reason": one.reason} if one.reason else {}),
            }
            for one in gateway.board
        },
    }
    await call.reply(503 if waiting else 200, encode(body))


async def metrics(gateway: Gateway, call: Call) -> None:
    """GET /metrics."""
    admission = gateway.admission
    page = gateway.metrics.page(admission.under_way, admission.shed)
    await call.reply(200, page, kind=TEXT)
