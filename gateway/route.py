"""Which variants are asked for an answer, and in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.exchange import Answerer, Failure, FailureKind, Question, Said
from opslayer.judgement.assignment import Assigned, Who, assign
from opslayer.records import Release


@dataclass(frozen=True, slots=True)
class Step:
    """One variant that can be asked."""

    name: str
    answerer: Answerer
    pool: bool = False
    """Whether it asks an upstream."""

    def unasked(self) -> Step:
        """In its place one that says that nobody knows what became of the first call."""
        return Step(self.name, Unknown())


class Unknown:
    """Stands for a pool that may have been asked already."""

    async def say(self, question: Question) -> Said:  # noqa: ARG002
        """Always raises Failure."""
        raise Failure(
            FailureKind.OUTCOME_UNKNOWN,
            "the first call with this Idempotency-Key was cut off; ask again with a new one",
            status=409,
        )

    async def stream(self, question: Question) -> AsyncIterator[str | Said]:
        """Always raises Failure."""
        yield await self.say(question)


@dataclass(frozen=True, slots=True)
class Plan:
    """What answers for a release: whatever it may pick for a caller, then what stands in."""

    release: Release | None
    variants: Mapping[str, Step]
    """By name, everything that the release may pick."""
    fallbacks: tuple[Step, ...]
    shadow: Step | None = None
    """What answers copies, off the caller's path."""

    @property
    def waits(self) -> bool:
        """Whether an answer may come from elsewhere, and so take long and cost money."""
        return any(step.pool for step in (*self.variants.values(), *self.fallbacks))

    def once(self) -> Plan:
        """The plan for a call whose first try was cut off: asking a pool again could pay twice."""
        return replace(
            self,
            variants={
                name: one if not one.pool else one.unasked() for name, one in self.variants.items()
            },
            fallbacks=tuple(one for one in self.fallbacks if not one.pool),
            shadow=None,
        )

    def assign(self, question: Question) -> Assigned | None:
        """What the release picks for a caller; None before the first release.

        A caller without a subject falls to an arm by the interaction's id, which is random.
        """
        if self.release is None:
            return None
        who = Who(
            unit=question.subject or question.id,
            at=question.at,
            tenant=question.caller.tenant,
            segment=_segment(question) if self.release.rules else {},
            named=question.subject is not None,
        )
        return assign(self.release, who)

    def steps(self, assigned: Assigned | None) -> Iterator[Step]:
        """The variant that is the caller's, the champion, then the fallbacks; none twice."""
        seen: set[str] = set()
        for step in (*self._own(assigned), *self.fallbacks):
            if step.name not in seen:
                seen.add(step.name)
                yield step

    def _own(self, assigned: Assigned | None) -> Iterator[Step]:
        if assigned is None or self.release is None:
            return
        for name in (assigned.variant.name, self.release.champion.name):
            if name in self.variants:
                yield self.variants[name]


def _segment(question: Question) -> Mapping[str, Any]:
    """What rules tell segments apart by: input columns, and what a chat's caller said beside."""
    metadata = question.options.get("metadata")
    return {**question.input, **(metadata if isinstance(metadata, dict) else {})}
