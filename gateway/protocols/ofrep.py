"""OpenFeature Remote Evaluation: which arm of a user flow an application is to show.

A flag's key is `CAPABILITY.EXPERIMENT`. It can be asked for from the moment the file declares the
experiment: before it starts, and after it stopped without a winner, everybody is told the first
arm. That a subject was told its arm is durable before it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from gateway.body import read_json
from gateway.call import Call, HttpError, encode
from opslayer.capability import ArmRules
from opslayer.configuration.nearest import nearest
from opslayer.judgement.assignment import Who, assign
from opslayer.records import Arm, Exposure
from opslayer.stores.journal import Entry
from opslayer.stores.secret import subject_hash

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.serving import Serving

SUBJECT = 512
"""Characters of a targeting key, at most."""
REMEMBERED = 100_000
"""Exposures that a worker remembers to have kept; the log keeps each once all the same."""
KEY_MISSING = "TARGETING_KEY_MISSING"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, in the words of the protocol's context."""

    subject: str | None
    tenant: str
    context: Mapping[str, Any]


async def flag(gateway: Gateway, call: Call) -> None:
    """POST /ofrep/v1/evaluate/flags/{key}: one flag's value for a subject."""
    asked = await _asked(gateway, call)
    key = call.params["key"]
    capability, _, name = key.partition(".")
    serving = gateway.board.names.get(capability)
    if serving is None or name not in _names(serving):
        flags = [f"{one.capability.name}.{name}" for one in gateway.board for name in _names(one)]
        there = f"; there are {', '.join(flags)}" if flags else ""
        raise HttpError(
            404, "FLAG_NOT_FOUND", f"there is no flag {key[:129]!r}{nearest(key, flags)}{there}"
        )
    told = _told(serving, name, asked)
    if told.missing:
        raise HttpError(400, KEY_MISSING, f"{key} is under an experiment: send a targetingKey")
    await _expose(gateway, [told], asked)
    await call.reply(200, encode(told.body()))


async def flags(gateway: Gateway, call: Call) -> None:
    """POST /ofrep/v1/evaluate/flags: every flag for a subject; 304 where nothing has changed."""
    asked = await _asked(gateway, call)
    told = [_told(serving, name, asked) for serving in gateway.board for name in _names(serving)]
    body = encode({"flags": [one.body() for one in told]})
    etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    await _expose(gateway, [one for one in told if not one.missing], asked)
    headers = [(b"etag", etag.encode())]
    if call.header(b"if-none-match") == etag:
        await call.reply(304, b"", headers)
    else:
        await call.reply(200, body, headers)


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one flag."""

    serving: Serving
    name: str
    arm: Arm | ArmRules | None
    """None where it is missing to whom the flag is told."""
    reason: str
    release: int = 0

    @property
    def missing(self) -> bool:
        """Whether it can't be told without a targeting key."""
        return self.arm is None

    @property
    def key(self) -> str:
        """The flag's."""
        return f"{self.serving.capability.name}.{self.name}"

    def body(self) -> dict[str, Any]:
        """In the protocol's words."""
        if self.arm is None:
            return {
                "key": self.key,
                "errorCode": KEY_MISSING,
                "errorDetails": "it is under an experiment: send a targetingKey",
            }
        value = self.arm.flow if self.arm.flow is not None else self.arm.name
        metadata = {"capability": self.serving.capability.name, "release": self.release}
        return {
            "key": self.key,
            "value": value,
            "variant": self.arm.name,
            "reason": self.reason,
            "metadata": metadata,
        }


def _names(serving: Serving) -> list[str]:
    """The flags of a capability: experiments that are declared, run, or were decided."""
    release = serving.plan.release
    declared = [one.name for one in serving.capability.experiments]
    known = [one.name for one in release.experiments] + list(release.flows) if release else []
    return list(dict.fromkeys((*declared, *known)))


def _told(serving: Serving, name: str, asked: Asked) -> Told:
    release = serving.plan.release
    experiments = release.experiments if release else ()
    running = next((one for one in experiments if one.name == name), None)
    number = release.number if release else 0
    if release is not None and running is not None:
        if asked.subject is None:
            return Told(serving, name, None, "ERROR", number)
        who = Who(asked.subject, datetime.now(UTC), asked.tenant, asked.context)
        arms = assign(release, who).arms
        if name in arms:
            arm = next(one for one in running.arms if one.name == arms[name])
            return Told(serving, name, arm, "SPLIT", number)
        return Told(serving, name, running.arms[0], "TARGETING_MATCH", number)
    if release is not None and name in release.flows:
        return Told(serving, name, release.flows[name], "STATIC", number)
    declared = next(one for one in serving.capability.experiments if one.name == name)
    return Told(serving, name, declared.arms[0], "DEFAULT", number)


async def _asked(gateway: Gateway, call: Call) -> Asked:
    body = await read_json(await call.body())
    context = body.get("context", {}) if isinstance(body, dict) else None
    if not isinstance(context, dict):
        raise HttpError(400, "INVALID_CONTEXT", 'write {"context": {"targetingKey": …}}')
    key, tenant = context.get("targetingKey"), call.caller.tenant
    if key is not None and (not isinstance(key, str) or not 1 <= len(key) <= SUBJECT):
        raise HttpError(
            400, "INVALID_CONTEXT", f"targetingKey: write a text of 1 to {SUBJECT} characters"
        )
    subject = subject_hash(gateway.parts.secret, tenant, key) if key else None
    return Asked(subject, tenant, context)


async def _expose(gateway: Gateway, told: list[Told], asked: Asked) -> None:
    """Keep which arms a subject was told, once for each release."""
    entries: list[Entry] = []
    new: dict[str, None] = {}
    for one in told:
        if one.reason != "SPLIT" or asked.subject is None or one.arm is None:
            continue
        words = (one.key, one.arm.name, asked.subject, str(one.release))
        id = blake2b("\x1f".join(words).encode(), digest_size=16).hexdigest()
        if id in gateway.exposed:
            continue
        exposure = Exposure(
            id=id,
            capability=one.serving.capability.name,
            subject=asked.subject,
            event_time=datetime.now(UTC),
            arms={one.name: one.arm.name},
            release=one.release,
            tenant=asked.tenant,
        )
        text = exposure.model_dump_json()
        entries.append(Entry("exposure", id, exposure.capability, text))
        new[id] = None
    if entries:
        await gateway.answering.capture.write(*entries)
        gateway.exposed.update(new)
        while len(gateway.exposed) > REMEMBERED:
            gateway.exposed.pop(next(iter(gateway.exposed)))
