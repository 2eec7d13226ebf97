"""What passes between the gateway's parts while one call is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from opslayer.capability import Capability, Upstream
from opslayer.records import Attempt, Interaction, Role, Usage


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: one tenant's key, or anybody on this machine while there is no key at all."""

    tenant: str = ""
    key: str | None = None
    """The key's public id, never the key."""
    roles: frozenset[Role] = frozenset(Role)


class Trace:
    """One call's place in its caller's trace. This one makes no spans, and only hands on the
    `traceparent` that came, if any."""

    def __init__(self, parent: str | None = None) -> None:
        self.parent = parent

    @property
    def traceparent(self) -> str | None:
        """What an upstream that is asked is told."""
        return self.parent

    @property
    def id(self) -> str | None:
        """The trace's id."""
        return self.parent[3:35] if self.parent else None

    def ask(self, upstream: Upstream) -> None:
        """An upstream is asked from now on."""

    def heard(self, outcome: str, said: Said | None = None) -> None:
        """It answered, or failed in the way that the outcome names."""

    def answered(self, interaction: Interaction) -> None:
        """What came of the call: an answer that is durable, or a caller who has gone."""

    def end(self, status: int, code: str | None = None) -> None:
        """The call is over: with which HTTP status (0: no reply was begun), and error code."""


UNTRACED = Trace()


@dataclass(slots=True)
class Question:
    """One call, as the variants are asked."""

    id: str
    capability: Capability
    at: datetime
    caller: Caller
    input: dict[str, Any]
    """What guards left of it, in the shape that `Interaction.input` describes."""
    subject: str | None = None
    """The subject's keyed hash."""
    options: dict[str, Any] = field(default_factory=dict)
    """What of an OpenAI body goes to an upstream as it is: `temperature`, `max_tokens`,
    `response_format`, …; and `metadata` for prompts."""
    stream: bool = False
    deadline: float = float("inf")
    """In the event loop's time."""
    cost: float = 0.0
    """What it has cost by now, failed attempts included."""
    trace: Trace = UNTRACED


@dataclass(slots=True)
class Said:
    """A whole answer."""

    output: dict[str, Any]
    """In the shape that `Interaction.output` describes."""
    attempts: tuple[Attempt, ...] = ()
    """Every deployment that was asked for it, the failed ones too, in order."""
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    """Of this answer and the failed attempts before it."""
    finish: str = "stop"
    """OpenAI's `finish_reason`."""


class FailureKind(StrEnum):
    """Why a variant gave no answer that can be used."""

    OUTAGE = "outage"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    EMPTY = "empty"
    MALFORMED = "malformed"
    SCHEMA = "schema"
    UNSURE = "unsure"
    OUTCOME_UNKNOWN = "outcome_unknown"
    """A call with this idempotency key was cut off: asking once more could pay twice."""
    BAD_REQUEST = "bad_request"
    """The upstream refuses the request itself, as a context that is too long (400, 413, 422)."""
    DENIED = "denied"
    """The upstream refuses our key (401, 403): somebody has to mend the configuration."""
    REFUSED = "refused"
    """A safety refusal, of the upstream or of a guard."""
    CANCELLED = "cancelled"
    """The caller has gone."""

    @property
    def falls_back(self) -> bool:
        """Whether the next variant in the chain is asked."""
        return self not in (
            FailureKind.BAD_REQUEST,
            FailureKind.DENIED,
            FailureKind.REFUSED,
            FailureKind.CANCELLED,
        )


class Failure(Exception):
    """A variant gave no answer that can be used; the text is for the caller, and names no secret.

    `status` is the HTTP status the caller gets where nothing else answers.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        status: int = 502,
        attempts: tuple[Attempt, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.attempts = attempts
        self.retry_after = retry_after

    @property
    def cost(self) -> float:
        """What was paid in vain."""
        return sum(attempt.cost for attempt in self.attempts)


class Answerer(Protocol):
    """What a variant is at run time."""

    async def say(self, question: Question) -> Said:
        """The whole answer; raises Failure."""

    def stream(self, question: Question) -> AsyncIterator[str | Said]:
        """Pieces of text in order, and at the very end the whole answer.

        Raises Failure before the first piece where nothing can be had, or later where the answer
        broke off; the failure's attempts then hold what was paid.
        """
