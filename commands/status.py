"""`opslayer status`: what serves each capability, how well, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from commands.context import context
from commands.output import AsJson, between, number, show

COLUMNS = ("capability", "release", "variant", "quality", "over", "last_alarm", "next_run", "kept")


def status(*, as_json: AsJson = False) -> None:
    """What serves, how well, and what comes next: one line per capability.

    Quality is the newest judged window's; the next run is when production is looked at again.
    """
    from opslayer.steps.status import status as step

    now, here = datetime.now(UTC), context()
    capabilities = here.capabilities()
    rows = [step(capability, here.stores.ledger, now) for capability in capabilities]
    if not as_json:
        rows = [_for_a_person(row) for row in rows]
    columns = COLUMNS if any(row["retention"] for row in rows) else COLUMNS[:-1]
    empty = "no capability yet; declare one in configs/capabilities/NAME.yaml"
    show(rows, as_json, "Status", columns, empty)


def _for_a_person(row: dict[str, Any]) -> dict[str, Any]:
    quality = row["window_quality"]
    return row | {
        "release": row["release"] or f"none yet: opslayer run train_model {row['capability']}",
        "quality": quality and f"{quality['metric']} {number(quality['value'])}",
        "kept": _kept(row),
        "over": quality
        and between(*(datetime.fromisoformat(quality[end]) for end in ("start", "end"))),
    }


def _kept(row: dict[str, Any]) -> str | None:
    """How long what is kept may grow, and when that was last seen to."""
    if not row["retention"]:
        return None
    ages = ", ".join(f"{what} {age}" for what, age in row["retention"].items())
    last = row["last_expired"]
    return f"{ages}; {f'expired {last:%Y-%m-%d %H:%M}' if last else 'nothing expired yet'}"
