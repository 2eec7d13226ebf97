"""Which variants are asked for an answer, and in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

from gateway.exchange import Answerer, Failure, FailureKind, Question, Said
from opslayer.judgement.assignment import arm, bucket
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
    """What answers for a release: its variants, then what stands in for them."""

    release: Release | None
    variants: tuple[Step, ...]
    """In the release's order."""
    fallbacks: tuple[Step, ...]

    @property
    def waits(self) -> bool:
        """Whether an answer may come from elsewhere, and so take long and cost money."""
        return any(step.pool for step in (*self.variants, *self.fallbacks))

    def once(self) -> Plan:
        """The plan for a call whose first try was cut off: asking a pool again could pay twice."""
        return replace(
            self,
            variants=tuple(one if not one.pool else one.unasked() for one in self.variants),
            fallbacks=tuple(one for one in self.fallbacks if not one.pool),
        )

    def steps(self, question: Question) -> Iterator[Step]:
        """The variant that is the subject's, then the fallbacks; none twice.

        A caller without a subject falls to an arm by the interaction's id, which is random.
        """
        seen: set[str] = set()
        for step in (*self._own(question), *self.fallbacks):
            if step.name not in seen:
                seen.add(step.name)
                yield step

    def _own(self, question: Question) -> tuple[Step, ...]:
        if len(self.variants) < 2 or self.release is None:
            return self.variants
        point = bucket(question.capability.name, question.subject or question.id)
        weights = [variant.weight for variant in self.release.variants]
        return (self.variants[arm(point, weights)],)
