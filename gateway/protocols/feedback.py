"""What is said later about an answer, and what there is to know about one.

Feedback is accepted once it is durable. It may be late, repeated, out of order, or about an
interaction that has not arrived yet: then it is kept aside and joined when that comes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.body import read_json
from gateway.call import Call, HttpError, encode
from gateway.ids import is_marked
from opslayer.capability import GuardName, PiiRules
from opslayer.errors import NotFound, Problem
from opslayer.guards.pii import Pii, find
from opslayer.records import Feedback, FeedbackKind, Value
from opslayer.steps.explain import explain
from opslayer.stores.journal import Entry, drain

if TYPE_CHECKING:
    from gateway.app import Gateway

ITEMS = 1_000
"""Statements in one call, at most."""
FIELDS = ("interaction_id", "kind", "value", "event_time", "idempotency_key", "capability")
PLAIN_ID = re.compile(r"[0-9a-f]{32,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
"""An id as machines make them, ours among them: its digits are nobody's number."""
UNKNOWN = ""
"""The capability of feedback whose interaction has not arrived."""


async def give(gateway: Gateway, call: Call) -> None:
    """POST /v1/feedback: one statement, or a list of them; all are taken, or none."""
    body = await read_json(await call.body())
    items = body if isinstance(body, list) else [body]
    if not 1 <= len(items) <= ITEMS:
        raise HttpError(400, "invalid_request", f"write 1 to {ITEMS} statements, as objects")
    records = await Reading(gateway, call.caller.tenant, call.caller.key).records(items)
    entries = [Entry("feedback", one.id, one.capability, one.model_dump_json()) for one in records]
    await gateway.answering.capture.write(*entries)
    gateway.metrics.feedback(records)
    accepted = [{"id": one.id, "interaction_id": one.interaction_id} for one in records]
    await call.reply(200, encode({"accepted": len(records), "feedback": accepted}))


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the statements of one caller."""

    gateway: Gateway
    tenant: str
    key: str | None

    async def records(self, items: Sequence[Any]) -> list[Feedback]:
        """The statements as records; raises HttpError with everything wrong with any of them."""
        problems = [
            f"[{place}]: write an object with {', '.join(FIELDS[:3])}"
            for place, item in enumerate(items)
            if not isinstance(item, dict)
        ]
        if problems:
            raise HttpError(400, "invalid_request", "; ".join(problems))
        homes = await self._homes(items)
        problems = [
            f"[{place}].interaction_id: this is no id that came with an answer"
            for place, item in enumerate(items)
            if is_strange(item.get("interaction_id"))
        ]
        if problems:
            raise HttpError(400, "invalid_request", "; ".join(problems))
        return await asyncio.to_thread(self._read, items, homes)

    async def _homes(self, items: Sequence[dict[str, Any]]) -> list[str | None]:
        """The capability of each statement; None where only the interaction can tell, later.

        What it names itself counts for a row of a source alone. An interaction says whose it is,
        by its mark or in the log: another tenant's is nobody's to speak of, and stays aside.
        """
        names = self.gateway.board.names
        ids = self.gateway.ids
        homes: list[str | None] = []
        unsure: list[str] = []
        for item in items:
            asked = item.get("interaction_id")
            home = ids.capability(asked, self.tenant, names) if isinstance(asked, str) else None
            if home is None and isinstance(asked, str):
                unsure.append(asked)
            marked = isinstance(asked, str) and is_marked(asked)
            homes.append(home if marked else item.get("capability"))
        if unsure:
            there = await asyncio.to_thread(self._logged, unsure)
            homes = [
                there.get(str(item.get("interaction_id")), home)
                for item, home in zip(items, homes, strict=True)
            ]
        return homes

    def _logged(self, ids: Sequence[str]) -> dict[str, str | None]:
        """The capability of each interaction in the log; None of another tenant's."""
        stores = self.gateway.stores
        drain(stores.journal, stores.events)
        found = stores.events.interactions([id[:64] for id in ids])
        return {one.id: one.capability if one.tenant == self.tenant else None for one in found}

    def _read(self, items: Sequence[dict[str, Any]], homes: Sequence[str | None]) -> list[Feedback]:
        from opslayer.sources.feedback import Portion, Said
        from opslayer.sources.said import FeedbackFile, Reader

        now = datetime.now(UTC)
        unknown = sorted({name for item in items for name in item if name not in FIELDS})
        if unknown:
            there = ", ".join(FIELDS)
            raise HttpError(
                400, "invalid_request", f"{', '.join(unknown)}: not known; there are {there}"
            )
        reader = Reader(FeedbackFile(Path("feedback"), self._capability), now)
        said = [
            Said(place, self._fields(item, home))
            for place, (item, home) in enumerate(zip(items, homes, strict=True))
            if home is not None
        ]
        read = iter(reader.records(Portion(said, (), as_text=False)))
        records: list[Feedback] = []
        problems: list[str] = []
        for place, (item, home) in enumerate(zip(items, homes, strict=True)):
            one = next(read) if home is not None else self._aside(place, item, now)
            if isinstance(one, Feedback):
                by = f"key {self.key}" if self.key else "application"
                about = {"tenant": self.tenant, "by": by, "value": self._masked(one, home)}
                records.append(one.model_copy(update=about))
            else:
                problems += [f"[{fault.line}].{fault.field}: {fault.message}" for fault in one]
        if problems:
            raise HttpError(400, "invalid_request", "; ".join(problems))
        return records

    def _masked(self, one: Feedback, home: str | None) -> Value:
        """What is said, without personal data where the capability keeps none, or isn't known."""
        rules = PiiRules()
        if home is not None:
            capability = self.gateway.board.get(home).capability
            guards = capability.guards
            if capability.classes or GuardName.PII not in (*guards.input, *guards.output):
                return one.value
            rules = guards.pii.model_copy(update={"action": "mask"})
        return Pii(rules).look(one.value).text if isinstance(one.value, str) else one.value

    def _capability(self, name: str) -> Any:
        try:
            return self.gateway.board.get(name).capability
        except HttpError as error:
            raise NotFound(error.message) from None

    def _fields(self, item: dict[str, Any], home: str) -> dict[str, Any]:
        fields = {name: value for name, value in item.items() if value not in (None, "")}
        fields["capability"] = home
        if isinstance(fields.get("idempotency_key"), str):
            fields["idempotency_key"] = self._scoped(fields["idempotency_key"])
        return fields

    def _scoped(self, key: str) -> str:
        """A caller's key, so that no other tenant's is the same."""
        return blake2b(f"{self.tenant}\x1f{key}".encode(), digest_size=16).hexdigest()

    def _aside(self, place: int, item: dict[str, Any], now: datetime) -> Feedback | list[Problem]:
        """A statement whose interaction, and so whose capability, is not known yet."""
        asked, kind, value = (item.get(name) for name in FIELDS[:3])
        faults = []
        if not isinstance(asked, str) or not 1 <= len(asked) <= 64 or not asked.isprintable():
            faults.append(("interaction_id", "write the id that came with the answer"))
        if kind not in list(FeedbackKind):
            faults.append(("kind", f"write one of {', '.join(FeedbackKind)}"))
        if not isinstance(value, str | int | float | bool) and value is not None:
            faults.append(("value", "write a text, a number, true or false"))
        if item.get("event_time") is not None:
            faults.append(("event_time", "leave it out until the interaction is known"))
        if faults:
            return [Problem("feedback", place, name, said) for name, said in faults]
        key = item.get("idempotency_key")
        content = self._scoped(str(key) if key else "\x1f".join(map(repr, (asked, kind, value))))
        return Feedback(
            id=content,
            capability=UNKNOWN,
            interaction_id=str(asked),
            kind=FeedbackKind(str(kind)),
            value=value,
            event_time=now,
            known_time=now,
        )


def is_strange(id: Any) -> bool:
    """Whether what stands for an id could be somebody's personal data."""
    return isinstance(id, str) and not PLAIN_ID.fullmatch(id) and bool(find(id))


async def interaction(gateway: Gateway, call: Call) -> None:
    """GET /v1/interactions/{id}: what answered, why, and from which data."""
    asked = (gateway.stores, call.params["id"], call.caller.tenant)
    found = await asyncio.to_thread(explain, *asked)
    if found is None:
        raise HttpError(404, "not_found", "there is no such interaction of yours")
    await call.reply(200, encode(found))
